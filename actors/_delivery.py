"""Delivery other than appending to a mailbox: interceptors, overflow, waiting, dead letters."""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from attrs import define, field

from actors._envelope import Envelope, Poison
from actors._errors import MailboxFull
from actors._events import DropReason, MessageDropped
from actors._exits import ExitReason, NoProc
from actors._interceptors import Delay, Drop, Duplicate, Fail
from actors._specs import Overflow
from actors._timers import call_after

if TYPE_CHECKING:
    from actors._mailbox import MailboxRef


def content_of(message: object) -> object:
    """Return the message or request itself, without envelope or poison."""
    if isinstance(message, Envelope):
        message = message.message
    return message.message if isinstance(message, Poison) else message


def reject_dead(cell: "MailboxRef[Any]", message: object) -> None:
    """Reject a message to a dead actor: fail a request, make a dead letter of anything else."""
    if isinstance(message, Envelope) and message.caller is not None:
        message.fail_dead(cell.last_exit or NoProc())
    else:
        cell.runtime.dead_letter(cell, content_of(message), cell.runtime.sender())


def discard_queue(cell: "MailboxRef[Any]", reason: ExitReason) -> None:
    """Empty a mailbox: fail requests, make dead letters of other messages."""
    queue, cell.queue = cell.queue, None
    for message in queue or ():
        if isinstance(message, Envelope) and message.caller is not None:
            message.fail_dead(reason)
        else:
            cell.runtime.dead_letter(cell, content_of(message), None)
    if cell.put_queue is not None:
        cell.put_queue.discard_all(cell)


def overflow(cell: "MailboxRef[Any]", queue: deque[Any], message: object) -> bool:
    """Apply the overflow policy of a full mailbox; return whether `message` has room now."""
    if cell.options.mailbox.policy is not Overflow.DROP_OLDEST:
        drop(cell, message, DropReason.MAILBOX_FULL)
        return False
    oldest = queue.popleft()
    drop(cell, oldest, DropReason.OLDEST)
    if isinstance(oldest, Envelope):
        oldest.reject(MailboxFull(cell, cell.capacity))
    return True


def drop(cell: "MailboxRef[Any]", message: object, reason: DropReason, note: str = "") -> None:
    """Count a message as dropped and publish the event."""
    cell.runtime.note_dropped(MessageDropped(cell, content_of(message), reason, note))


def deliver_intercepted(cell: "MailboxRef[Any]", message: object) -> bool:
    """Apply the interceptors to a message; return False if the mailbox is full."""
    envelope = message if isinstance(message, Envelope) else None
    content = message if envelope is None else envelope.message
    for interceptor in cell.interceptors:
        verdict = interceptor.around(content, cell)
        match verdict:
            case Drop():
                drop(cell, message, DropReason.INTERCEPTED, verdict.reason)
                return True
            case Delay():
                call_after(cell.runtime.loop, verdict.seconds, _deliver_late, cell, message)
                return True
            case Duplicate():
                taken = cell.offer(message, intercepted=True)
                for _ in range(verdict.copies):
                    cell.offer(content, intercepted=True)
                return taken
            case Fail():
                return cell.offer(
                    _poisoned(cell, envelope, content, verdict.error), intercepted=True
                )
            case _:
                content = verdict
    if envelope is None:
        return cell.offer(content, intercepted=True)
    envelope.message = content
    return cell.offer(envelope, intercepted=True)


def _deliver_late(cell: "MailboxRef[Any]", message: object) -> None:
    """Deliver a delayed message; by now the actor may be dead, or its mailbox full."""
    if not cell.offer(message, intercepted=True) and isinstance(message, Envelope):
        message.reject(MailboxFull(cell, cell.capacity))


def _poisoned(
    cell: "MailboxRef[Any]", envelope: Envelope | None, content: object, error: BaseException
) -> Envelope:
    poison = Poison(error, content)
    if envelope is None:
        return Envelope(poison, cell, None)
    envelope.message = poison
    return envelope


@define(eq=False)
class PutQueue:
    """The senders that wait, in order, for room in a mailbox whose policy is `BLOCK`."""

    _loop: asyncio.AbstractEventLoop
    _waiting: deque[tuple[asyncio.Future[None], object]] = field(factory=deque, init=False)

    @staticmethod
    def for_policy_of(cell: "MailboxRef[Any]") -> "PutQueue | None":
        """Return the queue of an actor whose policy is `BLOCK`, or None."""
        if cell.options.mailbox.policy is not Overflow.BLOCK:
            return None
        return cell.put_queue or PutQueue(cell.runtime.loop)

    def must_wait(self, cell: "MailboxRef[Any]") -> bool:
        """Return whether another sender has to wait."""
        return cell.accepts and (bool(self._waiting) or len(cell.queue or ()) >= cell.capacity)

    async def wait(self, message: object) -> None:
        """Wait until the message is queued, or the actor is dead."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((future, message))
        await future

    def admit(self, cell: "MailboxRef[Any]") -> None:
        """Queue the messages of waiting senders while there is room."""
        while self._waiting and len(cell.queue or ()) < cell.capacity:
            future, message = self._waiting.popleft()
            if not future.done():
                cell.offer(message)
                future.set_result(None)

    def dissolve(self, cell: "MailboxRef[Any]") -> None:
        """Queue all messages as `tell` would: the policy of the mailbox is another one now."""
        while self._waiting:
            future, message = self._waiting.popleft()
            if future.done():
                continue
            if cell.offer(message):
                future.set_result(None)
            else:
                future.set_exception(MailboxFull(cell, cell.capacity))

    def discard_all(self, cell: "MailboxRef[Any]") -> None:
        """Release all senders, and make dead letters of their messages."""
        while self._waiting:
            future, message = self._waiting.popleft()
            if not future.done():
                cell.runtime.dead_letter(cell, message, None)
                future.set_result(None)
