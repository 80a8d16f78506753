"""The sending side of an actor: its identity, its mailbox, and how messages get in.

The receiving side, which takes messages out and handles them, is in `_cell`.
"""

import asyncio
import sys
from abc import abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeVar

from actors._delivery import PutQueue, deliver_intercepted, overflow, reject_dead
from actors._envelope import Envelope
from actors._errors import MailboxFull
from actors._exits import ExitReason
from actors._interceptors import Interceptor
from actors._messages import ReplyTo, Request
from actors._ref import DEFAULT_TIMEOUT, Ref
from actors._specs import Options
from actors._states import ENDED, IDLE, WAITING, Phase

if TYPE_CHECKING:
    from actors._cell import Cell
    from actors._runtime import Runtime

M = TypeVar("M")
R = TypeVar("R")

_DOWN: Final = (ENDED, WAITING)


class MailboxRef(Ref[M]):
    """A `Ref` and the mailbox behind it."""

    __slots__ = (
        "__weakref__",
        "capacity",
        "interceptors",
        "label",
        "last_exit",
        "number",
        "options",
        "parent",
        "phase",
        "put_queue",
        "queue",
        "runtime",
    )

    def __init__(
        self, runtime: "Runtime", parent: "Cell[Any] | None", label: str, options: Options
    ) -> None:
        self.runtime = runtime
        self.parent = parent
        self.label = label
        self.number = 0
        self.phase: Phase = ENDED
        self.last_exit: ExitReason | None = None
        self.queue: deque[Any] | None = None
        self.put_queue: PutQueue | None = None
        self.take_options(options)

    def take_options(self, options: Options) -> None:
        """Set the mailbox bounds, interceptors and limits that apply from now on."""
        self.options = options
        self.interceptors: tuple[Interceptor, ...] = (
            self.runtime.interceptors + options.interceptors
        )
        capacity = options.mailbox.capacity
        self.capacity = sys.maxsize if capacity is None else capacity
        before, self.put_queue = self.put_queue, PutQueue.for_policy_of(self)
        if self.put_queue is not None:
            self.put_queue.admit(self)
        elif before is not None:
            before.dissolve(self)

    @abstractmethod
    def wake(self) -> None:
        """Leave `IDLE`: schedule the handling of the queued messages."""

    @abstractmethod
    def forget_reply(self, envelope: Envelope) -> None:
        """Drop a promised reply, because it was sent."""

    # Identity

    @property
    def path(self) -> str:
        return self.label if self.parent is None else f"{self.parent.path}/{self.label}"

    @property
    def name(self) -> str:
        return self.label

    @property
    def incarnation(self) -> int:
        return self.number

    @property
    def alive(self) -> bool:
        return self.phase not in _DOWN

    @property
    def accepts(self) -> bool:
        """Whether messages are queued: for this incarnation or for the next."""
        return self.phase is not ENDED

    # Sending

    def tell(self, message: M) -> None:
        if not self.offer(message):
            raise MailboxFull(self, self.capacity)

    def try_tell(self, message: M) -> bool:
        return self.offer(message)

    async def put(self, message: M) -> None:
        if self.put_queue is None or not self.put_queue.must_wait(self):
            self.tell(message)
        else:
            await self.put_queue.wait(message)

    def ask(
        self, request: Request[R], timeout: float | None = DEFAULT_TIMEOUT
    ) -> asyncio.Future[R]:
        future: asyncio.Future[R] = self.runtime.loop.create_future()
        self.send_request(request, future, timeout)
        return future

    def send_request(
        self, request: Request[R], reply_to: ReplyTo[R], timeout: float | None = None
    ) -> None:
        envelope = Envelope(request, self, reply_to)
        if timeout is not None:
            self.runtime.ask_timeouts.watch(envelope, timeout)
        if not self.offer(envelope):
            envelope.reject(MailboxFull(self, self.capacity))

    def offer(self, message: object, intercepted: bool = False) -> bool:
        """Queue a message or an envelope, or reject it if the actor is dead.

        Args:
            message: The message or envelope.
            intercepted: Whether the interceptors have seen it.

        Returns:
            False if the mailbox is full.
        """
        if self.interceptors and not intercepted and self.accepts:
            return deliver_intercepted(self, message)
        queue = self.queue
        if queue is None:
            if self.phase is ENDED:  # a dead actor has no queue
                reject_dead(self, message)
                return True
            queue = self.queue = deque()
        elif len(queue) >= self.capacity and not overflow(self, queue, message):
            return False
        queue.append(message)
        if self.phase is IDLE:
            self.wake()
        return True
