"""`Ref`, the handle to an actor."""

import asyncio
from abc import ABC, abstractmethod
from typing import Final, Generic, TypeVar

from actors._messages import ReplyTo, Request

M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")

DEFAULT_TIMEOUT: Final = 5.0
"""The default timeout of an ask, in seconds (as of OTP's `gen_server:call`)."""


class Ref(ABC, Generic[M_contra]):
    """The handle to an actor: its identity, and the methods that send to it.

    A ref stays valid over all restarts of a supervised actor, and can be hashed and compared.
    All methods must be called on the thread of the event loop.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def path(self) -> str:
        """The place of the actor in the tree, for instance `hive-c0re/agents/alice`."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The last part of `path`."""

    @property
    @abstractmethod
    def incarnation(self) -> int:
        """The number of starts so far; 0 before the first."""

    @property
    @abstractmethod
    def alive(self) -> bool:
        """Whether an incarnation is starting, running or stopping."""

    @abstractmethod
    def tell(self, message: M_contra) -> None:
        """Send a message; do not wait for it to be handled.

        A message to a dead actor raises nothing and becomes a dead letter. The mailbox of an
        actor that waits to be restarted keeps the message for its next incarnation.

        Raises:
            MailboxFull: There is no room, and the policy is `REJECT` or `BLOCK`.
        """

    @abstractmethod
    def try_tell(self, message: M_contra) -> bool:
        """Send a message unless the mailbox is full; return whether there was room."""

    @abstractmethod
    async def put(self, message: M_contra) -> None:
        """Send a message, waiting for room if the policy is `BLOCK`.

        Waiting senders get room in order. If the call is cancelled in the same turn of the
        loop in which it gets room, the message may have been sent.

        Raises:
            MailboxFull: There is no room and the policy is `REJECT`.
        """

    @abstractmethod
    def ask(
        self, request: Request[R], timeout: float | None = DEFAULT_TIMEOUT
    ) -> asyncio.Future[R]:
        """Send a request and return the future of its answer. No task is made.

        The future fails with `ActorDied` when the actor dies while it handles the request,
        or at once if it is dead; with `MailboxFull`; with `AskTimeout`; or with the error
        that the actor answers with. A request in the mailbox survives a restart, and the
        next incarnation answers it. Cancelling the future withdraws a request that was not
        begun.

        Args:
            request: The request.
            timeout: Seconds to wait. None sets no deadline: use it only for a long poll that
                the actor itself ends.
        """

    @abstractmethod
    def send_request(
        self, request: Request[R], reply_to: ReplyTo[R], timeout: float | None = None
    ) -> None:
        """Send a request as `ask` does, with `reply_to` in place of the future.

        For callers with so many requests that a future for each, and a turn of the loop until its
        callback, are too expensive.
        """

    def __repr__(self) -> str:
        return f"<Ref {self.path} #{self.incarnation}>"
