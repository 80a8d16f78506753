"""The sending side of an actor: who it is, and how messages get in.

The other side, which takes them out and handles them, is in `_cell`.
"""

import asyncio
import sys
from abc import abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from actors._delivery import PutQueue, deliver_intercepted, overflow, reject_dead
from actors._envelope import Envelope
from actors._errors import MailboxFull
from actors._exits import ExitReason
from actors._interceptors import Interceptor
from actors._messages import ReplyTo, Request
from actors._ref import DEFAULT_TIMEOUT, Ref
from actors._specs import Options
from actors._states import ActorState

if TYPE_CHECKING:
    from actors._cell import Cell
    from actors._runtime import Runtime

M = TypeVar("M")
R = TypeVar("R")

_ALIVE = (ActorState.STARTING, ActorState.RUNNING, ActorState.STOPPING)


class MailboxRef(Ref[M]):
    """What `Ref` promises, and the mailbox behind it."""

    __slots__ = (
        "__weakref__",
        "active",
        "capacity",
        "direct",
        "label",
        "last_exit",
        "number",
        "options",
        "parent",
        "put_queue",
        "queue",
        "runtime",
        "state",
    )

    def __init__(
        self, runtime: "Runtime", parent: "Cell[Any] | None", label: str, options: Options
    ) -> None:
        self.runtime = runtime
        self.parent = parent
        self.label = label
        self.number = 0
        self.state = ActorState.ENDED
        self.last_exit: ExitReason | None = None
        self.queue: deque[Any] | None = None
        self.put_queue: PutQueue | None = None
        self.active = True
        self.direct = False
        self.take_options(options)

    def take_options(self, options: Options) -> None:
        """Set how the actor is treated from now on."""
        self.options = options
        capacity = options.mailbox.capacity
        self.capacity = sys.maxsize if capacity is None else capacity
        self.put_queue = PutQueue.for_policy_of(self)

    @abstractmethod
    def schedule(self) -> None:
        """Have the waiting messages handled as soon as the loop gets to it."""

    @abstractmethod
    def forget_reply(self, envelope: Envelope) -> None:
        """Note that a promised answer was given."""

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
        return self.state in _ALIVE

    @property
    def accepts(self) -> bool:
        """Whether messages are taken in: for this incarnation or for the next."""
        return self.state is not ActorState.ENDED

    @property
    def interceptors(self) -> tuple[Interceptor, ...]:
        """Who sees messages before this actor does."""
        return self.runtime.interceptors + self.options.interceptors

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

    def offer(self, message: object) -> bool:
        """Take a message or an envelope in; return False if the mailbox is full."""
        if not self.direct:
            return self._offer_checked(message)
        return self.enqueue(message)

    def enqueue(self, message: object) -> bool:
        """Put a message in the mailbox; return False if it is full."""
        queue = self.queue
        if queue is None:
            queue = self.queue = deque()
        elif len(queue) >= self.capacity and not overflow(self, queue, message):
            return False
        queue.append(message)
        if not self.active:
            self.schedule()
        return True

    def _offer_checked(self, message: object) -> bool:
        if not self.accepts:
            reject_dead(self, message)
            return True
        return deliver_intercepted(self, message)
