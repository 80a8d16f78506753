"""Reports from connected harnesses, and orders to them.

A report stays in memory, with its time, as long as its connection lasts. The first orders of a
connection describe the present state; for the kinds of orders see `hive.wire.enums.OrderKind`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from hive.broker.queries import MailQueries
from hive.clock import Clock
from hive.errors import BadRequestError, ConflictError, NotAllowedError
from hive.event_log import EventKind, EventLog
from hive.names import CLAUDE_DRIVER
from hive.participants.chosen_model import NOTHING_CHOSEN, ChosenModel, choice_in, kept_choice
from hive.participants.freeze_rules import require_listening
from hive.participants.harness_connection import HarnessConnection, OrderQueue
from hive.participants.participant import Agent, Participant
from hive.participants.registry import Registry
from hive.participants.system_notices import SystemNotices
from hive.participants.turn_feed import TurnEvent
from hive.participants.usage_limits import UsageLimits, spread
from hive.store import Store, usage
from hive.store.usage import Limit, StoredTurn
from hive.subscribers import Subscribers
from hive.wire.enums import ActivityState, LiveKind, OrderKind
from hive.wire.harness import Activity, Order, TurnRecord

LIMIT_MAX = 35 * 86_400.0
"""Seconds ahead that a limit may end, at most: the longest known limits are monthly."""


PAUSED_BY_OPERATOR = "paused by the operator"
"""Reason of a pause that the operator ordered."""

ATTACHED = "an operator is attached to its conversation"
"""Reason of a pause for an operator, see `hive.participants.attachments`."""

TAKING_TURNS = "the machine was under pressure; agents go on one after the other"
"""Reason for which a harness goes on only some seconds after the pressure."""


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
        turns_held: Returns why the machine allows no turn at present; None if it does.
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
        turns_held: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._registry = registry
        self._mail = mail
        self.usage_limits = usage_limits
        self._store = store
        self._events = events
        self._notices = notices
        self._clock = clock
        self._turns_held = turns_held
        self._numbers: Iterator[int] | None = None
        self._turns: Subscribers[[str, StoredTurn]] = Subscribers("finished turns")
        registry.subscribe(self._changed)

    # Connections

    def on_connect(
        self, participant: Participant
    ) -> tuple[HarnessConnection, list[asyncio.Future[Any]]]:
        """Add a connection that announced itself as a harness; return it and what is written."""
        if self._numbers is None:
            # They ascend across restarts of the daemon, at less than a thousand orders a second.
            self._numbers = itertools.count(int(self._clock.now() * 1000))
        harness = HarnessConnection(OrderQueue(self._numbers))
        participant.harnesses.append(harness)
        return harness, self._registry.on_connect(participant)

    def on_disconnect(self, participant: Participant, harness: HarnessConnection) -> None:
        """Remove a connection and its report."""
        participant.harnesses.remove(harness)
        self._registry.on_disconnect(participant)

    # Reports

    def report(
        self, participant: Participant, harness: HarnessConnection, activity: Activity
    ) -> list[asyncio.Future[Any]]:
        """Store the present activity of an agent in its connection; return what is written."""
        before, harness.activity = harness.activity, activity
        harness.reported_at = self._clock.now()
        if harness.initialized and activity.account != (before.account if before else None):
            self._add_account_order(participant, harness)
        written = self._record_login(participant, before, activity)
        written += self._keep_reported_choice(participant, activity)
        self._registry.changed(participant)
        return written

    def _keep_reported_choice(
        self, participant: Participant, activity: Activity
    ) -> list[asyncio.Future[Any]]:
        """Keep what a harness says was chosen while no daemon kept it; return the writes."""
        choice = choice_in(activity)
        if not isinstance(participant, Agent) or choice == NOTHING_CHOSEN:
            return []
        if participant.record.model_choice is not None:
            return []
        return self._registry.save_soon(participant, model_choice=choice.text)

    def _record_login(
        self, participant: Participant, before: Activity | None, now: Activity
    ) -> list[asyncio.Future[Any]]:
        """Record when an agent begins to need a login, and when it no longer does."""
        needed_before = before is not None and before.state is ActivityState.NEEDS_LOGIN
        needs = now.state is ActivityState.NEEDS_LOGIN
        if needs and not needed_before:
            written = self._record_in_budget(participant, EventKind.NEEDS_LOGIN, about=now.about)
            self._notices.needs_login(participant.name, now.about)
            return written
        if needed_before and not needs:
            return self._record_in_budget(participant, EventKind.LOGGED_IN)
        return []

    def _record_in_budget(
        self, participant: Participant, kind: EventKind, **detail: object
    ) -> list[asyncio.Future[Any]]:
        """Record an event if the budget has one left; return the write.

        A harness may report a change and its opposite again and again: an event says how many
        before it were `skipped`.
        """
        skipped = participant.reported_events.spend(self._clock.now())
        if skipped is None:
            return []
        return [self._events.record(kind, participant.name, **detail, skipped=skipped or None)]

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
        stored = await self._store.write(usage.save_turn(participant.name, record))
        self._turns.notify(participant.name, stored)

    def on_turn(self, listener: Callable[[str, StoredTurn], object]) -> Callable[[], None]:
        """Call `listener` with the participant and each turn that was stored.

        A turn that is reported again is passed again. Returns the function that unsubscribes it.
        """
        return self._turns.add(listener)

    async def newest_turns(self, participant: Participant, count: int) -> dict[int, StoredTurn]:
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
                f"a limit may end at most {LIMIT_MAX / 86_400:.0f} d ahead, and this one would "
                f"end in {(until - now) / 86_400:.0f} d; 'until' is a Unix time in seconds"
            )
        before = self.usage_limits.limit_of(account)
        await self.usage_limits.add(Limit(account, until, now, reason, participant.name))
        if before is None:
            detail = {"account": account, "until": until, "why": reason}
            self._record_in_budget(participant, EventKind.LIMITED, **detail)
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
            await self.lift(account, participant)

    # Orders

    async def lift(self, account: str, by: Participant | None = None) -> None:
        """Remove the limit of an account.

        Args:
            account: The account.
            by: The participant whose harness reports it; None for the operator.

        Raises:
            NotFoundError: No limit of it is known.
        """
        await self.usage_limits.lift(account)
        if by is None:
            self._events.record(EventKind.UNLIMITED, account=account)
        else:
            self._record_in_budget(by, EventKind.UNLIMITED, account=account)
        self._add_limit_orders(account)

    def give_order(self, name: str, kind: OrderKind) -> None:
        """Give an order to the harnesses of a participant; raises like `connected`."""
        for harness in self.connected(name):
            harness.orders.add(kind)

    async def choose_model(self, name: str, choice: ChosenModel) -> None:
        """Keep the model and the effort for an agent, and order its harnesses to use them.

        A harness that connects later is ordered to, too. Returns once the choice is on disk.

        Raises:
            UnknownNameError: There is no such participant.
            NotAllowedError: It is a peer.
            ConflictError: Its driver has no model to choose.
        """
        agent = self._registry.agent(name)
        driver = agent.settings.driver
        if driver != CLAUDE_DRIVER:
            raise ConflictError(
                f"{name!r} has the driver {driver!r}; only {CLAUDE_DRIVER!r} has a model to choose"
            )
        await self._registry.save(agent, model_choice=choice.text)
        for harness in agent.harnesses:
            harness.orders.add(OrderKind.MODEL, model=choice.model, effort=choice.effort)

    def connected(self, name: str) -> list[HarnessConnection]:
        """Return the harnesses of a participant that can get an order.

        Raises:
            UnknownNameError: There is no such participant.
            ConflictError: No harness of it is connected, or it is frozen.
        """
        participant = self._registry.get(name)
        if isinstance(participant, Agent):
            require_listening(participant)
        if not participant.harnesses:
            raise ConflictError(
                f"no harness of {participant.name!r} is connected to receive the order; "
                f"'hive-c0re status {participant.name}' shows its state"
            )
        return participant.harnesses

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
        if not isinstance(participant, Agent):
            return
        choice = kept_choice(participant)
        if choice is not None:  # its harness may have ended before it got the order
            harness.orders.add(OrderKind.MODEL, model=choice.model, effort=choice.effort)
        notice = participant.restart_notice
        if notice is not None:
            count = self._mail.written_since(participant.name, notice.at)
            since = f"unread messages since: {count}" if count else "nobody has written since"
            order = harness.orders.add(
                OrderKind.RESTARTED, at=notice.at, reason=f"{notice.reason}; {since}"
            )
            harness.restart_order = order.seq

    def _changed(self, participant: Participant) -> None:
        for harness in participant.harnesses:
            if harness.initialized and harness.paused_for != self._pause_reason(participant):
                self._add_pause_order(participant, harness)

    def _add_pause_order(self, participant: Participant, harness: HarnessConnection) -> None:
        """Order a harness to pause or to go on; after a pressure, each at its own moment."""
        before, harness.paused_for = harness.paused_for, self._pause_reason(participant)
        if harness.paused_for is not None:
            harness.orders.add(OrderKind.PAUSE, reason=harness.paused_for)
        elif before in {None, PAUSED_BY_OPERATOR, ATTACHED}:
            harness.orders.add(OrderKind.RESUME)
        else:
            now = self._clock.now()
            at = now + spread(participant.name, now)
            harness.orders.add(OrderKind.RESUME, at=at, reason=TAKING_TURNS)

    def _pause_reason(self, participant: Participant) -> str | None:
        """Return why a participant begins no turn; a peer does not depend on the machine's gate."""
        if participant.record.paused:
            return PAUSED_BY_OPERATOR
        if not isinstance(participant, Agent):
            return None
        return ATTACHED if participant.attached_since is not None else self._turns_held()

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
