"""Requests under way: envelopes, replies and timeouts."""

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field, frozen

from actors._errors import ActorDied, AskTimeout
from actors._exits import ExitReason
from actors._messages import ReplyTo
from actors._timers import not_before

if TYPE_CHECKING:
    from actors._mailbox import MailboxRef

NEVER: Final = float("inf")
"""The deadline of a request without a timeout."""


@frozen
class Poison:
    """A message whose handler raises `error`; made from an interceptor's `Fail`."""

    error: BaseException
    message: object


class Reply(ABC):
    """The right to answer one request later; see `Context.reply`.

    It outlives the handler, but not the incarnation: when that ends, the request fails with
    `ActorDied`. A second answer, or an answer after the caller stopped waiting, is dropped,
    counted and published as `LateReply`.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def expired(self) -> bool:
        """Whether the caller has stopped waiting."""

    @abstractmethod
    def send(self, value: object) -> None:
        """Answer with `value`."""

    @abstractmethod
    def fail(self, error: BaseException) -> None:
        """Answer with an error, which the caller's future raises. The actor keeps running."""


@define(eq=False)
class Envelope(Reply):
    """A message with a reply address, or one whose handling shall fail.

    Attributes:
        message: The request, or a `Poison`.
        cell: The receiver.
        caller: Where the answer goes; None for a message sent with `tell`.
        deadline: When the caller stops waiting, in the loop's time.
        timeout_group: The requests of the same timeout, this one among them.
        taken: Whether the actor answers later, through `Context.reply`.
    """

    message: Any
    cell: "MailboxRef[Any]"
    caller: ReplyTo[Any] | None
    deadline: float = NEVER
    timeout_group: "dict[Envelope, None] | None" = None
    taken: bool = False

    @property
    def expired(self) -> bool:
        return self.caller is not None and self.caller.done()

    def send(self, value: object) -> None:
        self.cell.forget_reply(self)
        if not self.succeed(value):
            self.cell.runtime.note_late_reply(self.cell, self.message)

    def fail(self, error: BaseException) -> None:
        self.cell.forget_reply(self)
        if not self.reject(error):
            self.cell.runtime.note_late_reply(self.cell, self.message)

    def succeed(self, value: object) -> bool:
        """Answer with `value`; return False if it came too late."""
        if self.caller is None:
            return True
        if self.caller.done():
            return False
        self._withdraw()
        self.caller.set_result(value)
        return True

    def reject(self, error: BaseException) -> bool:
        """Answer with `error`; return False if it came too late."""
        if self.caller is None:
            return True
        if self.caller.done():
            return False
        self._withdraw()
        self.caller.set_exception(error)
        return True

    def fail_dead(self, reason: ExitReason) -> None:
        """Answer with `ActorDied`, unless it was answered."""
        if self.caller is not None and not self.caller.done():
            self.reject(ActorDied(self.cell, reason))

    def _withdraw(self) -> None:
        if self.timeout_group is not None:
            self.timeout_group.pop(self, None)


@define(eq=False)
class AskTimeouts:
    """The timeouts of requests, with one timer of the loop for each length of timeout.

    Requests of the same timeout expire in the order in which they were sent, so a dict
    (ordered, O(1) removal) replaces a heap of timers. Most requests are answered long before
    and cost one insertion and one removal.
    """

    _loop: asyncio.AbstractEventLoop
    _groups: dict[float, dict[Envelope, None]] = field(factory=dict, init=False)
    _timers: dict[float, asyncio.TimerHandle] = field(factory=dict, init=False)

    def watch(self, envelope: Envelope, timeout: float) -> None:
        """Fail `envelope` with `AskTimeout` unless it is answered within `timeout` seconds."""
        envelope.deadline = self._loop.time() + timeout
        group = self._groups.get(timeout)
        if group is None:
            group = self._groups[timeout] = {}
            self._arm(timeout, envelope.deadline)
        group[envelope] = None
        envelope.timeout_group = group

    def close(self) -> None:
        """Stop all timers."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._groups.clear()

    def _arm(self, timeout: float, deadline: float) -> None:
        when = not_before(deadline, self._loop)
        self._timers[timeout] = self._loop.call_at(when, self._expire, timeout)

    def _expire(self, timeout: float) -> None:
        group = self._groups[timeout]
        now = self._loop.time()
        expired = []
        for envelope in group:
            if envelope.deadline > now:
                self._arm(timeout, envelope.deadline)
                break
            expired.append(envelope)
        else:
            del self._groups[timeout], self._timers[timeout]
        for envelope in expired:
            envelope.reject(AskTimeout(envelope.cell, envelope.message, timeout))
