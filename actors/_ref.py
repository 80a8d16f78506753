"""The handle through which others speak to an actor."""

import asyncio
from abc import ABC, abstractmethod
from typing import Final, Generic, TypeVar

from actors._messages import ReplyTo, Request

M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")

DEFAULT_TIMEOUT: Final = 5.0
"""Seconds an ask waits unless told otherwise (as OTP's `gen_server:call`)."""


class Ref(ABC, Generic[M_contra]):
    """An actor as others see it: a name to send to.

    A ref stays the same over all restarts of a supervised actor, may be hashed, compared
    and kept for ever. All methods must be called on the thread of the event loop.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def path(self) -> str:
        """Where the actor is in the tree, for instance `hive-c0re/agents/alice`."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The last part of `path`."""

    @property
    @abstractmethod
    def incarnation(self) -> int:
        """How often the actor was started so far; 0 before the first start."""

    @property
    @abstractmethod
    def alive(self) -> bool:
        """Whether an incarnation is starting, running or stopping right now."""

    @abstractmethod
    def tell(self, message: M_contra) -> None:
        """Send a message and go on.

        A dead actor does not raise: the message becomes a dead letter. An actor that waits
        to be restarted keeps it for its next incarnation.

        Raises:
            MailboxFull: There is no room, and the policy is `REJECT` or `BLOCK`.
        """

    @abstractmethod
    def try_tell(self, message: M_contra) -> bool:
        """Send a message unless the mailbox is full; return whether it was taken."""

    @abstractmethod
    async def put(self, message: M_contra) -> None:
        """Send a message, waiting for room if the policy is `BLOCK`.

        Those who wait get room in the order in which they came. When this call is
        cancelled at the very moment room is found, the message may have been sent.

        Raises:
            MailboxFull: There is no room and the policy is `REJECT`.
        """

    @abstractmethod
    def ask(
        self, request: Request[R], timeout: float | None = DEFAULT_TIMEOUT
    ) -> asyncio.Future[R]:
        """Send a request and return the future of its answer. No task is made.

        The future fails with `ActorDied` as soon as the actor dies while it works on the
        request, or at once if it is dead; with `MailboxFull`; with `AskTimeout`; or with
        the error the actor answered with. A request that still waits in the mailbox
        survives a restart and is answered by the next incarnation. Cancelling the future
        withdraws the request if it was not begun yet.

        Args:
            request: What to ask.
            timeout: Seconds to wait. None sets no deadline at all: use it only for a long
                poll whose end the actor itself decides.
        """

    @abstractmethod
    def send_request(
        self, request: Request[R], reply_to: ReplyTo[R], timeout: float | None = None
    ) -> None:
        """Send a request as `ask` does, and let `reply_to` take what its future would.

        For callers that ask so often that a future for each request, and a turn of the loop until
        it calls back, are too dear.
        """

    def __repr__(self) -> str:
        return f"<Ref {self.path} #{self.incarnation}>"
