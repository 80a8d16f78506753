"""What harnesses tell the hive, and what the hive tells harnesses.

What they report is kept in memory, with its time, for as long as their connection lasts. What they
are told are orders, see `hive.wire.enums.OrderKind`; the first ones of a connection say what holds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from hive.broker.queries import MailQueries
from hive.clock import Clock
from hive.errors import BadRequestError, ConflictError, NotAllowedError
from hive.event_log import EventKind, EventLog
from hive.participants.harness import HarnessConnection, OrderQueue
from hive.participants.notices import SystemNotices
from hive.participants.participant import Agent, Participant
from hive.participants.registry import Registry
from hive.participants.turn_feed import TurnEvent
from hive.participants.usage_limits import UsageLimits, spread
from hive.store import Store, usage
from hive.store.usage import Limit
from hive.wire.enums import ActivityState, LiveKind, OrderKind
from hive.wire.harness import Activity, Order, TurnRecord

FAR_AHEAD = 35 * 86_400.0
"""Seconds beyond which no limit of an account can end: the longest that are known are monthly."""


class Harnesses:
    """All harnesses that are connected.

    Args:
        registry: Whose they are.
        mail: Knows who has written.
        accounts: Which credentials are used up.
        store: Keeps the turns.
        events: The diary.
        notices: Tells the operator what needs a person.
        clock: Wall time.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        mail: MailQueries,
        accounts: UsageLimits,
        store: Store,
        events: EventLog,
        notices: SystemNotices,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._mail = mail
        self.accounts = accounts
        self._store = store
        self._events = events
        self._notices = notices
        self._clock = clock
        self._numbers: Iterator[int] | None = None
        registry.subscribe(self._changed)

    # Who is there

    def arrived(self, participant: Participant) -> HarnessConnection:
        """Note a connection that announced itself as a harness."""
        if self._numbers is None:
            # They grow over restarts of the daemon, too: nobody gives a thousand orders a second.
            self._numbers = itertools.count(int(self._clock.now() * 1000))
        harness = HarnessConnection(OrderQueue(self._numbers))
        participant.harnesses.append(harness)
        self._registry.arrived(participant)
        return harness

    def left(self, participant: Participant, harness: HarnessConnection) -> None:
        """Forget a connection, and what it reported."""
        participant.harnesses.remove(harness)
        self._registry.left(participant)

    # What they tell

    def report(
        self, participant: Participant, harness: HarnessConnection, activity: Activity
    ) -> None:
        """Keep what an agent does now."""
        before, harness.activity = harness.activity, activity
        harness.reported_at = self._clock.now()
        if harness.greeted and activity.account != (before.account if before else None):
            self._tell_of_account(participant, harness)
        self._note_login(participant, before, activity)
        self._registry.changed(participant)

    def _note_login(self, participant: Participant, before: Activity | None, now: Activity) -> None:
        """Tell the operator of an agent that cannot go on without a login, and when it can."""
        needed = before is not None and before.state is ActivityState.NEEDS_LOGIN
        needs = now.state is ActivityState.NEEDS_LOGIN
        if needs and not needed:
            self._events.record(EventKind.NEEDS_LOGIN, participant.name, about=now.about)
            self._notices.needs_login(participant.name, now.about)
        elif needed and not needs:
            self._events.record(EventKind.LOGGED_IN, participant.name)

    def live(self, participant: Participant, kind: LiveKind, text: str) -> None:
        """Show an event to whoever watches."""
        participant.live.add(TurnEvent(self._clock.now(), kind, text))

    async def turn(self, participant: Participant, record: TurnRecord) -> None:
        """Keep a finished turn of a participant.

        Raises:
            BadRequestError: It ended before it began.
        """
        if record.ended_at < record.started_at:
            raise BadRequestError("a turn cannot end before it began: look at the two times")
        await self._store.write(usage.save_turn(participant.name, record))

    async def turns_of(self, participant: Participant, count: int) -> dict[int, TurnRecord]:
        """Return the newest turns of a participant by their numbers, oldest first."""
        return await self._store.read(usage.newest_turns(participant.name, count))

    async def limited(
        self,
        participant: Participant,
        harness: HarnessConnection,
        account: str,
        until: float,
        reason: str,
    ) -> None:
        """Keep that an account is used up, and tell all who share it.

        Raises:
            NotAllowedError: It is not the account that this harness has reported.
            BadRequestError: The limit would end too far ahead.
        """
        _require_own(harness, account)
        now = self._clock.now()
        if until > now + FAR_AHEAD:
            raise BadRequestError(
                f"a limit may end at most {FAR_AHEAD / 86_400:.0f} days ahead, and this one would "
                f"end in {(until - now) / 86_400:.0f}; 'until' is a Unix time in seconds"
            )
        known = self.accounts.limit_of(account)
        await self.accounts.limit(Limit(account, until, now, reason, participant.name))
        if known is None:
            detail = {"account": account, "until": until, "why": reason}
            self._events.record(EventKind.LIMITED, participant.name, **detail)
        self._tell_all(account)

    async def unlimited(
        self, participant: Participant, harness: HarnessConnection, account: str
    ) -> None:
        """Forget that an account is used up, and tell all who share it.

        Raises:
            NotAllowedError: It is not the account that this harness has reported.
        """
        _require_own(harness, account)
        if self.accounts.limit_of(account) is not None:
            await self.lift(account, participant.name)

    # What they are told

    async def lift(self, account: str, by: str | None = None) -> None:
        """Let an account be used again; `by` is whose harness says so, None for the operator.

        Raises:
            NotFoundError: No limit of it is known.
        """
        await self.accounts.lift(account)
        self._events.record(EventKind.UNLIMITED, by, account=account)
        self._tell_all(account)

    def order(self, name: str, kind: OrderKind) -> None:
        """Give an order to the harnesses of a participant.

        Raises:
            UnknownNameError: Nobody has that name.
            ConflictError: No harness of it is connected, so nobody would hear the order.
        """
        participant = self._registry.get(name)
        if not participant.harnesses:
            raise ConflictError(
                f"no harness of {participant.name!r} is connected, so there is nobody to tell; "
                f"'hive-c0re status {participant.name}' says how it is"
            )
        for harness in participant.harnesses:
            harness.orders.give(kind)

    def orders(
        self, participant: Participant, harness: HarnessConnection, after: int
    ) -> tuple[Order, ...]:
        """Return what a harness has not heard; at first, what holds."""
        if not harness.greeted:
            harness.greeted = True
            self._greet(participant, harness)
            return harness.orders.behind(0)
        if isinstance(participant, Agent) and 0 < harness.told_restart <= after:
            participant.restarted = None
            harness.told_restart = 0
        return harness.orders.behind(after)

    def sharers(self, account: str) -> list[tuple[Participant, HarnessConnection]]:
        """Return the harnesses that have reported an account."""
        return [
            (participant, harness)
            for participant in self._registry
            for harness in participant.harnesses
            if harness.account == account
        ]

    def _greet(self, participant: Participant, harness: HarnessConnection) -> None:
        self._tell_whether_paused(participant, harness)
        self._tell_of_account(participant, harness)
        restarted = participant.restarted if isinstance(participant, Agent) else None
        if restarted is not None:
            count = self._mail.written_since(participant.name, restarted.at)
            since = f"unread messages since: {count}" if count else "nobody has written since"
            order = harness.orders.give(
                OrderKind.RESTARTED, at=restarted.at, reason=f"{restarted.reason}; {since}"
            )
            harness.told_restart = order.seq

    def _changed(self, participant: Participant) -> None:
        for harness in participant.harnesses:
            if harness.greeted and harness.paused is not participant.record.paused:
                self._tell_whether_paused(participant, harness)

    def _tell_whether_paused(self, participant: Participant, harness: HarnessConnection) -> None:
        harness.paused = participant.record.paused
        harness.orders.give(OrderKind.PAUSE if harness.paused else OrderKind.RESUME)

    def _tell_all(self, account: str) -> None:
        """Tell all who share an account how it is now, so that not all begin at the same moment."""
        now = self._clock.now()
        for participant, harness in self.sharers(account):
            self._tell_of_account(participant, harness, free_at=now + spread(participant.name, now))

    def _tell_of_account(
        self, participant: Participant, harness: HarnessConnection, *, free_at: float | None = None
    ) -> None:
        """Say until when the account of a harness is used up, and when this one may go on."""
        limit = self.accounts.limit_of(harness.account)
        if limit is not None:
            at = limit.until + spread(participant.name, limit.until)
            harness.orders.give(OrderKind.LIMITED, until=limit.until, at=at, reason=limit.reason)
        elif harness.account is not None:
            harness.orders.give(OrderKind.UNLIMITED, at=free_at or self._clock.now())


def _require_own(harness: HarnessConnection, account: str) -> None:
    if harness.account != account:
        raise NotAllowedError(
            f"this harness has not reported the account {account!r}; 'report' it first"
        )
