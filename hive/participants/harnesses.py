"""Reports from connected harnesses, and orders to them.

A report stays in memory, with its time, as long as its connection lasts. The first orders of a
connection describe the present state; for the kinds of orders see `hive.wire.enums.OrderKind`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from hive.broker.queries import MailQueries
from hive.clock import Clock
from hive.errors import BadRequestError, ConflictError, NotAllowedError
from hive.event_log import EventKind, EventLog
from hive.participants.harness_connection import HarnessConnection, OrderQueue
from hive.participants.participant import Agent, Participant
from hive.participants.registry import Registry
from hive.participants.system_notices import SystemNotices
from hive.participants.turn_feed import TurnEvent
from hive.participants.usage_limits import UsageLimits, spread
from hive.store import Store, usage
from hive.store.usage import Limit
from hive.wire.enums import ActivityState, LiveKind, OrderKind
from hive.wire.harness import Activity, Order, TurnRecord

LIMIT_MAX = 35 * 86_400.0
"""Seconds ahead that a limit may end, at most: the longest known limits are monthly."""


class Harnesses:
    """Takes reports from all connected harnesses and gives them orders.

    Args:
        registry: The participants that they belong to.
        mail: Counts the unread messages of a restarted agent.
        usage_limits: The accounts that are used up.
        store: Stores finished turns.
        events: The event log.
        notices: Sends mail about what the operator has to do.
        clock: Wall time.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        mail: MailQueries,
        usage_limits: UsageLimits,
        store: Store,
        events: EventLog,
        notices: SystemNotices,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._mail = mail
        self.usage_limits = usage_limits
        self._store = store
        self._events = events
        self._notices = notices
        self._clock = clock
        self._numbers: Iterator[int] | None = None
        registry.subscribe(self._changed)

    # Connections

    def on_connect(self, participant: Participant) -> HarnessConnection:
        """Add a connection that announced itself as a harness."""
        if self._numbers is None:
            # They ascend across restarts of the daemon, at less than a thousand orders a second.
            self._numbers = itertools.count(int(self._clock.now() * 1000))
        harness = HarnessConnection(OrderQueue(self._numbers))
        participant.harnesses.append(harness)
        self._registry.on_connect(participant)
        return harness

    def on_disconnect(self, participant: Participant, harness: HarnessConnection) -> None:
        """Remove a connection and its report."""
        participant.harnesses.remove(harness)
        self._registry.on_disconnect(participant)

    # Reports

    def report(
        self, participant: Participant, harness: HarnessConnection, activity: Activity
    ) -> None:
        """Store the present activity of an agent in its connection."""
        before, harness.activity = harness.activity, activity
        harness.reported_at = self._clock.now()
        if harness.initialized and activity.account != (before.account if before else None):
            self._add_account_order(participant, harness)
        self._record_login(participant, before, activity)
        self._registry.changed(participant)

    def _record_login(
        self, participant: Participant, before: Activity | None, now: Activity
    ) -> None:
        """Record when an agent begins to need a login, and when it no longer does."""
        needed_before = before is not None and before.state is ActivityState.NEEDS_LOGIN
        needs = now.state is ActivityState.NEEDS_LOGIN
        if needs and not needed_before:
            self._events.record(EventKind.NEEDS_LOGIN, participant.name, about=now.about)
            self._notices.needs_login(participant.name, now.about)
        elif needed_before and not needs:
            self._events.record(EventKind.LOGGED_IN, participant.name)

    def publish(self, participant: Participant, kind: LiveKind, text: str) -> None:
        """Add a live event to the participant's turn feed."""
        participant.turn_feed.add(TurnEvent(self._clock.now(), kind, text))

    async def save_turn(self, participant: Participant, record: TurnRecord) -> None:
        """Store a finished turn of a participant.

        Raises:
            BadRequestError: It ended before it began.
        """
        if record.ended_at < record.started_at:
            raise BadRequestError("a turn cannot end before it began: look at the two times")
        await self._store.write(usage.save_turn(participant.name, record))

    async def newest_turns(self, participant: Participant, count: int) -> dict[int, TurnRecord]:
        """Return the newest turns of a participant by their numbers, oldest first."""
        return await self._store.read(usage.newest_turns(participant.name, count))

    async def set_limit(
        self,
        participant: Participant,
        harness: HarnessConnection,
        account: str,
        until: float,
        reason: str,
    ) -> None:
        """Record that an account is used up, and order all that share it to wait.

        Raises:
            NotAllowedError: It is not the account that this harness has reported.
            BadRequestError: The limit would end too far ahead.
        """
        _require_own(harness, account)
        now = self._clock.now()
        if until > now + LIMIT_MAX:
            raise BadRequestError(
                f"a limit may end at most {LIMIT_MAX / 86_400:.0f} days ahead, and this one would "
                f"end in {(until - now) / 86_400:.0f}; 'until' is a Unix time in seconds"
            )
        before = self.usage_limits.limit_of(account)
        await self.usage_limits.add(Limit(account, until, now, reason, participant.name))
        if before is None:
            detail = {"account": account, "until": until, "why": reason}
            self._events.record(EventKind.LIMITED, participant.name, **detail)
        self._add_limit_orders(account)

    async def clear_limit(
        self, participant: Participant, harness: HarnessConnection, account: str
    ) -> None:
        """Remove the limit of an account, and order all that share it to go on.

        Raises:
            NotAllowedError: It is not the account that this harness has reported.
        """
        _require_own(harness, account)
        if self.usage_limits.limit_of(account) is not None:
            await self.lift(account, participant.name)

    # Orders

    async def lift(self, account: str, by: str | None = None) -> None:
        """Remove the limit of an account.

        Args:
            account: The account.
            by: The participant whose harness reports it; None for the operator.

        Raises:
            NotFoundError: No limit of it is known.
        """
        await self.usage_limits.lift(account)
        self._events.record(EventKind.UNLIMITED, by, account=account)
        self._add_limit_orders(account)

    def give_order(self, name: str, kind: OrderKind) -> None:
        """Give an order to the harnesses of a participant.

        Raises:
            UnknownNameError: There is no such participant.
            ConflictError: No harness of it is connected.
        """
        participant = self._registry.get(name)
        if not participant.harnesses:
            raise ConflictError(
                f"no harness of {participant.name!r} is connected to receive the order; "
                f"'hive-c0re status {participant.name}' shows its state"
            )
        for harness in participant.harnesses:
            harness.orders.add(kind)

    def pending_orders(
        self, participant: Participant, harness: HarnessConnection, after: int
    ) -> tuple[Order, ...]:
        """Return the orders after a number; the first call adds those of the present state."""
        if not harness.initialized:
            harness.initialized = True
            self._add_initial_orders(participant, harness)
            return harness.orders.pending_after(0)
        if isinstance(participant, Agent) and 0 < harness.restart_order <= after:
            participant.restart_notice = None
            harness.restart_order = 0
        return harness.orders.pending_after(after)

    def connections_of(self, account: str) -> list[tuple[Participant, HarnessConnection]]:
        """Return the connections that have reported an account, with their participants."""
        return [
            (participant, harness)
            for participant in self._registry
            for harness in participant.harnesses
            if harness.account == account
        ]

    def _add_initial_orders(self, participant: Participant, harness: HarnessConnection) -> None:
        self._add_pause_order(participant, harness)
        self._add_account_order(participant, harness)
        notice = participant.restart_notice if isinstance(participant, Agent) else None
        if notice is not None:
            count = self._mail.written_since(participant.name, notice.at)
            since = f"unread messages since: {count}" if count else "nobody has written since"
            order = harness.orders.add(
                OrderKind.RESTARTED, at=notice.at, reason=f"{notice.reason}; {since}"
            )
            harness.restart_order = order.seq

    def _changed(self, participant: Participant) -> None:
        for harness in participant.harnesses:
            if harness.initialized and harness.paused is not participant.record.paused:
                self._add_pause_order(participant, harness)

    def _add_pause_order(self, participant: Participant, harness: HarnessConnection) -> None:
        harness.paused = participant.record.paused
        harness.orders.add(OrderKind.PAUSE if harness.paused else OrderKind.RESUME)

    def _add_limit_orders(self, account: str) -> None:
        """Order all that share an account to wait or to go on, each at its own moment."""
        now = self._clock.now()
        for participant, harness in self.connections_of(account):
            self._add_account_order(
                participant, harness, free_at=now + spread(participant.name, now)
            )

    def _add_account_order(
        self, participant: Participant, harness: HarnessConnection, *, free_at: float | None = None
    ) -> None:
        """Order a harness to wait until its account's limit ends, or to go on from `free_at`."""
        limit = self.usage_limits.limit_of(harness.account)
        if limit is not None:
            at = limit.until + spread(participant.name, limit.until)
            harness.orders.add(OrderKind.LIMITED, until=limit.until, at=at, reason=limit.reason)
        elif harness.account is not None:
            harness.orders.add(OrderKind.UNLIMITED, at=free_at or self._clock.now())


def _require_own(harness: HarnessConnection, account: str) -> None:
    if harness.account != account:
        raise NotAllowedError(
            f"this harness has not reported the account {account!r}; 'report' it first"
        )
