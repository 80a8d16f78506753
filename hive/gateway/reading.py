"""The reading side of a connection: lines are handled in turns, and nothing is read without limit.

Lines over the share of the participant wait in the backlog for the next turn of the loop. While
there is a backlog, and while too much is held, the connection is not read from: the kernel then
stops the client.
"""

from __future__ import annotations

import asyncio
from collections import deque

from attrs import frozen

from hive.broker.service import BrokerService
from hive.broker.sessions import Session
from hive.gateway.backlog import Backlog
from hive.gateway.budget import (
    CONNECTION_BYTES,
    MAX_OUTSTANDING,
    REQUEST_BYTES,
    UNCOUNTED,
    Budget,
    Budgets,
)
from hive.gateway.dispatch import Fields
from hive.gateway.late_answers import ResponseSlot, code_of, too_long
from hive.gateway.metering import TOKEN_BYTES
from hive.gateway.stream_task import StreamTask
from hive.store import Kind
from hive.wire.codec import encode_error
from hive.wire.framing import TooLong

WRITE_DEADLINE = 30.0
"""Seconds for which a client may leave its answers unread before it is disconnected."""


@frozen
class GatewayContext:
    """The objects that all connections of a gateway share.

    Attributes:
        broker: The broker service.
        running: Tasks of long requests. They outlive their connection: to interrupt the command
            `hive-c0re restart` does not interrupt the restart.
        loop: The event loop.
        budgets: What the connections of each participant may hold and ask for.
    """

    broker: BrokerService
    running: set[asyncio.Task[Fields]]
    loop: asyncio.AbstractEventLoop
    budgets: Budgets


class LineReader(Session, asyncio.Protocol):
    """The base class of a connection: what it holds, and whether it is read from.

    Args:
        name: The name of the socket's participant.
        kind: The kind of that participant.
        context: The objects that all connections share.
    """

    __slots__ = (
        "_backlog",
        "_budget",
        "_context",
        "_held",
        "_line_bytes",
        "_line_deadline",
        "_ordered",
        "_reading_paused",
        "_ready_bytes",
        "_request_bytes",
        "_slots",
        "_stream",
        "_transport",
        "_unordered",
        "_unread",
        "_write_deadline",
    )

    def __init__(self, name: str, kind: Kind, context: GatewayContext) -> None:
        super().__init__(name, kind)
        self._context = context
        self._transport: asyncio.Transport | None = None
        self._budget: Budget | None = None
        self._backlog: Backlog | None = None
        self._line_bytes = 0  # of the request that is handled
        self._line_deadline: asyncio.TimerHandle | None = None
        # Bytes that the budget was charged for this connection, and those of answers in them.
        self._held = self._unread = 0
        # Bytes of large requests that are not answered, and of answers that wait for others.
        self._request_bytes = self._ready_bytes = 0
        self._slots: deque[ResponseSlot] | None = None
        # Pending answers without a slot: those in the order of requests, and the others.
        self._ordered = 0
        self._unordered = 0
        self._reading_paused = False
        self._stream: StreamTask | None = None
        self._write_deadline: asyncio.TimerHandle | None = None

    def handle_line(self, line: bytes) -> None:
        """Handle a request."""
        raise NotImplementedError

    def respond(self, line: bytes) -> None:
        """Write a response in its place in the order of requests."""
        raise NotImplementedError

    def after_answer(self) -> None:
        """Write the answers that waited for another, and update the state of the connection."""
        raise NotImplementedError

    def close(self) -> None:
        """Disconnect once the client has read what was written."""
        raise NotImplementedError

    def choose_handlers(self) -> None:
        """Serve all verbs, or those that a shortage of disk space allows."""
        raise NotImplementedError

    def pay(self, tokens: int) -> None:
        """Take the tokens for the request that is handled, and for the length of its line.

        Raises:
            RateLimitedError: The participant has not enough.
        """
        assert self._budget is not None
        tokens += self._line_bytes // TOKEN_BYTES
        self._budget.meter.take(tokens, self._context.loop.time())

    def spend_on_refusal(self, error: BaseException) -> None:
        """Count a refusal in the share of the participant, and by its code."""
        if self._budget is not None:
            self._budget.turns.spend_on_refusal()
            self.count_refusal(error)

    def count_refusal(self, error: BaseException) -> None:
        """Count a refusal by its code, for the metrics."""
        if self._budget is not None:
            self._budget.meter.refusals[code_of(error)] += 1

    def charge_stale(self, count: int) -> None:
        """Charge a token for each message that it does not hold, and count each as a line."""
        if self._budget is not None and self.is_counted:
            self._budget.turns.spend_on_ids(count)
            self._budget.meter.charge(count, self._context.loop.time())

    def charge_returns(self) -> None:
        """Charge a token for each message that goes back to its inbox: a write, but no request."""
        if self.held and self._budget is not None and self.is_counted:
            self._budget.meter.charge(len(self.held), self._context.loop.time())

    def charge_all_returns(self) -> None:
        """Charge what `charge_returns` does, for all connections of the participant."""
        assert self._budget is not None
        count = sum(len(each.held) for each in self._budget.connections)
        self._budget.meter.charge(count, self._context.loop.time())

    # Lines

    def add_to_backlog(self, data: bytes) -> None:
        """Handle data that is not exactly one short line, or is not the next to be handled.

        What comes on a connection that is about to close is dropped: it would not be charged.
        """
        if self._stream is not None or self._transport is None or self._transport.is_closing():
            return
        if self._backlog is None:
            self._backlog = Backlog()
        has_waiting = self.has_backlog
        self._backlog.add(data)
        if not has_waiting:
            self._handle_lines()
        self.update_reading()

    def handle_backlog(self) -> None:
        """Handle lines of the backlog in the turn of this connection."""
        if self._transport is not None and self._backlog is not None:
            self._handle_lines()
            self.after_answer()

    def _handle_lines(self) -> None:
        """Handle lines until the share of the participant is spent, or too much is held."""
        backlog, budget = self._backlog, self._budget
        assert backlog is not None
        assert budget is not None
        turns = budget.turns
        is_blocked = self._holds_too_much(budget)
        while turns.left > 0 and not is_blocked and self._stream is None:
            line = backlog.next_line()
            if line is None:
                break
            if isinstance(line, TooLong):
                turns.spend(0)
                self.respond(encode_error(too_long(line.limit)))
            else:
                self._line_bytes = len(line)
                turns.spend(len(line))
                self.handle_line(line)
            is_blocked = self._is_blocked(budget)
        if self._stream is not None or backlog.is_empty:
            self._backlog = None

    def _is_blocked(self, budget: Budget) -> bool:
        """Return whether too much is held since the last line."""
        if not (
            self._slots
            or self._write_deadline is not None
            or self._ordered + self._unordered > MAX_OUTSTANDING
        ):
            return False
        self._charge()
        return self._holds_too_much(budget)

    @property
    def has_backlog(self) -> bool:
        """Whether lines were read that are not handled."""
        return self._backlog is not None and self._backlog.has_chunks

    # What is held

    def update_reading(self) -> None:
        """Charge what is held now, and read from the connection or not.

        It is not read from while the client does not read, too many requests are unanswered, this
        connection or its participant holds too much, or lines wait for their turn.
        """
        transport, budget = self._transport, self._budget
        if transport is None or budget is None or transport.is_closing():
            return
        self._charge()
        paused = self._holds_too_much(budget)
        if self.has_backlog:
            if not paused:
                budget.turns.wait(self)
            paused = True
        if paused is not self._reading_paused:
            self._reading_paused = paused
            if paused:
                transport.pause_reading()
            else:
                transport.resume_reading()
        self._limit_unfinished_line(budget)

    def release(self) -> None:
        """Drop what this connection holds, and leave the budget.

        Requests that are served by tasks go on, and are charged for until `release_late`.
        """
        kept = sum(slot.cost for slot in self._slots or () if slot.is_under_way)
        self._backlog = self._slots = None
        held, self._held = self._held, 0
        if self._budget is not None:
            self._context.budgets.leave(self._budget, self, held - kept, self._unread)

    def release_late(self, slot: ResponseSlot) -> None:
        """Drop a request whose task has ended after the connection."""
        assert self._budget is not None
        self._context.budgets.release(self._budget, slot.cost)

    @property
    def under_way(self) -> int:
        """Number of answers that are not written yet."""
        return self._ordered + self._unordered + (len(self._slots) if self._slots else 0)

    def _charge(self) -> None:
        """Charge the budget for what is held now."""
        transport, budget = self._transport, self._budget
        if transport is None or budget is None:
            return
        unread = self._ready_bytes
        if self._write_deadline is not None:
            unread += transport.get_write_buffer_size()
        held = unread + self._requests_held()
        if held != self._held or unread != self._unread:
            changes = held - self._held, unread - self._unread
            self._held, self._unread = held, unread
            budget.charge(*changes)

    def _holds_too_much(self, budget: Budget) -> bool:
        return (
            budget.is_full
            or self._write_deadline is not None
            or self.under_way > MAX_OUTSTANDING
            or self._held > CONNECTION_BYTES
        )

    def _requests_held(self) -> int:
        """Return the bytes of requests that this connection makes the daemon hold."""
        held = self._request_bytes
        if self._backlog is not None:
            held += self._backlog.held
        return held + REQUEST_BYTES * max(0, self.under_way - UNCOUNTED)

    def _limit_unfinished_line(self, budget: Budget) -> None:
        """Set or cancel the deadline of a line that cannot be finished, because nothing is read."""
        is_stuck = budget.is_full and self._backlog is not None and not self.has_backlog
        if is_stuck and self._line_deadline is None:
            self._line_deadline = self._context.loop.call_later(WRITE_DEADLINE, self._drop_line)
        elif not is_stuck and self._line_deadline is not None:
            self._line_deadline.cancel()
            self._line_deadline = None

    def _drop_line(self) -> None:
        assert self._budget is not None
        self.respond(encode_error(self._budget.error()))
        self.close()
