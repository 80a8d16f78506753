"""The watch over turns: keeps the verdict of each participant, and records when it changes.

The rules are in `verdicts`. A turn that stalls causes nothing by itself, so each participant in a
turn has a timer for the moment at which it would have; there is none while nobody works.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from attrs import define, field

from hive.clock import Clock
from hive.event_log import EventKind, EventLog
from hive.participants.event_budget import EventBudget
from hive.participants.participant import Agent, Participant
from hive.participants.registry import Registry
from hive.participants.verdicts import (
    LOGINS,
    AgentVerdict,
    VerdictKind,
    has_no_outcome,
    quiet_since,
)
from hive.wire.enums import ActivityState, TurnOutcome
from hive.wire.harness import TurnRecord

TURNS_KEPT = 4
"""Newest begins of turns with the number of messages sent before: their records come later."""

CLOSE = 1.0
"""Seconds by which a harness may report the begin of a turn apart from its record."""

EVENTS, RECORD, REPORTS = "the events of the turn", "the record of the turn", "reports of logins"
"""What verdicts are concluded from."""


@define(eq=False)
class _Seen:
    """What is remembered of one participant.

    Attributes:
        activity: State of its last report; None without one.
        account: The account that it has reported.
        begins: Begins of its newest turns, each with the messages that it had sent by then.
        logins: Times at which it began to need a login, since its last turn that was done.
        outcome: The verdict on its last turn, if it had no outcome.
        frozen: Whether it was frozen when it was last looked at.
        counted_from: Time before which silence does not count.
        budget: Events about its verdicts that may be recorded.
        timer: The time at which its turn may have stalled.
        unwatch: Ends the subscription to its events, which lasts while it is stalled.
    """

    activity: ActivityState | None = None
    account: str | None = None
    begins: deque[tuple[float, int]] = field(factory=lambda: deque(maxlen=TURNS_KEPT))
    logins: deque[float] = field(factory=lambda: deque(maxlen=LOGINS))
    outcome: AgentVerdict | None = None
    frozen: bool = False
    counted_from: float = 0.0
    budget: EventBudget = field(factory=EventBudget)
    timer: asyncio.TimerHandle | None = None
    unwatch: Callable[[], None] | None = None

    def disarm(self) -> None:
        """Cancel the timer."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class VerdictWatch:
    """Sets `Participant.verdict`, and records the events of its changes.

    Args:
        registry: The participants; they are looked at after each change.
        events: The event log.
        clock: Wall time.
        sent: Returns the number of messages that a participant has sent so far.
        stalled_after: Returns the seconds without an event after which a turn is stalled; None if
            none ever is.
    """

    def __init__(
        self,
        registry: Registry,
        events: EventLog,
        clock: Clock,
        *,
        sent: Callable[[str], int],
        stalled_after: Callable[[], float | None],
    ) -> None:
        self._registry = registry
        self._events = events
        self._clock = clock
        self._sent = sent
        self._stalled_after = stalled_after
        self._seen: dict[Participant, _Seen] = {}
        registry.subscribe(self.look)

    def close(self) -> None:
        """Cancel all timers."""
        for seen in self._seen.values():
            seen.disarm()

    def look(self, participant: Participant) -> None:
        """Judge a participant anew, after something about it may have changed."""
        if not self._registry.is_member(participant):
            self._forget(participant)
            return
        seen = self._seen.get(participant)
        if seen is None:
            seen = self._seen[participant] = _Seen()
        self._take_report(participant, seen)
        self._judge(participant, seen)

    def on_turn(self, name: str, turn: TurnRecord) -> None:
        """Take the record of a finished turn."""
        if name not in self._registry:
            return  # it has left since
        participant = self._registry.get(name)
        seen = self._seen.setdefault(participant, _Seen())
        if turn.outcome is TurnOutcome.DONE:
            seen.logins.clear()
        if not has_no_outcome(turn, self._sent_in(participant, seen, turn)):
            seen.outcome = None
        elif seen.outcome is None:
            seen.outcome = AgentVerdict(VerdictKind.NO_OUTCOME, turn.ended_at, RECORD)
        self._judge(participant, seen)

    def _take_report(self, participant: Participant, seen: _Seen) -> None:
        """Remember what a new report says: a turn begins, or a login is needed."""
        reporter = participant.reporter
        now = reporter.activity if reporter is not None else None
        state = now.state if now is not None else None
        if now is not None and state is ActivityState.WORKING:
            if not seen.begins or seen.begins[-1][0] != now.since:
                seen.begins.append((now.since, self._sent(participant.name)))
        elif state is ActivityState.NEEDS_LOGIN and state is not seen.activity:
            seen.logins.append(self._clock.now())
        if now is not None and now.account != seen.account:
            if seen.account is not None:
                seen.logins.clear()  # another login than the one that failed
            seen.account = now.account
        seen.activity = state

    def _sent_in(self, participant: Participant, seen: _Seen, turn: TurnRecord) -> int | None:
        """Return how many messages were sent since a turn began; None if that is unknown."""
        for since, before in reversed(seen.begins):
            if since <= turn.started_at + CLOSE:
                is_its_own = abs(since - turn.started_at) <= CLOSE
                return self._sent(participant.name) - before if is_its_own else None
        return None

    def _judge(self, participant: Participant, seen: _Seen) -> None:
        name = participant.name
        found = self._login_loop(seen) or self._stalled(participant, seen) or seen.outcome
        before, participant.verdict = participant.verdict, found
        if (before and before.kind) is (found and found.kind):
            return
        if before is not None:
            self._record(name, seen, EventKind.VERDICT_ENDED, verdict=before.kind.value)
        if found is not None:
            facts = {"verdict": found.kind.value, "since": found.since, "source": found.source}
            self._record(name, seen, EventKind.VERDICT, **facts)
        self._registry.changed(participant)

    def _login_loop(self, seen: _Seen) -> AgentVerdict | None:
        if len(seen.logins) < LOGINS:
            return None
        return AgentVerdict(VerdictKind.LOGIN_LOOP, seen.logins[0], REPORTS)

    def _stalled(self, participant: Participant, seen: _Seen) -> AgentVerdict | None:
        """Return the verdict on the turn that runs, and see to the next look at it."""
        seen.disarm()
        since, after = self._quiet_since(participant, seen), self._stalled_after()
        if after is None or since == float("inf"):
            self._watch_events(participant, seen, on=False)
            return None
        left = since + after - self._clock.now()
        self._watch_events(participant, seen, on=left <= 0)
        if left > 0:
            loop = asyncio.get_running_loop()
            seen.timer = loop.call_later(left, self.look, participant)
            return None
        return AgentVerdict(VerdictKind.STALLED, since, EVENTS)

    def _quiet_since(self, participant: Participant, seen: _Seen) -> float:
        """Return the time since which a turn shows no event; infinity without one."""
        frozen = isinstance(participant, Agent) and participant.is_frozen
        if frozen or seen.frozen:
            seen.frozen, seen.counted_from = frozen, self._clock.now()
        if frozen:
            return float("inf")
        reporter, feed = participant.reporter, participant.turn_feed
        activity = reporter.activity if reporter is not None else None
        return quiet_since(activity, (feed.position, feed.newest_at), seen.counted_from)

    def _watch_events(self, participant: Participant, seen: _Seen, *, on: bool) -> None:
        """Look again at the next event of a stalled turn, which then is not stalled any more."""
        if on and seen.unwatch is None:
            seen.unwatch = participant.turn_feed.watch(lambda: self.look(participant))
        elif not on and seen.unwatch is not None:
            seen.unwatch()
            seen.unwatch = None

    def _record(self, name: str, seen: _Seen, kind: EventKind, **detail: object) -> None:
        """Record an event, unless the harness has caused too many."""
        skipped = seen.budget.spend(self._clock.now())
        if skipped is not None:
            self._events.record(kind, name, **detail, skipped=skipped or None)

    def _forget(self, participant: Participant) -> None:
        seen = self._seen.pop(participant, None)
        if seen is not None:
            seen.disarm()
            self._watch_events(participant, seen, on=False)
