"""State of one participant: its durable record, and its present state in memory.

`Agent` and `Peer` are different types on purpose: `Lifecycle` turns a name into an `Agent` before
it starts, stops or kills anything, so no code path can act on a peer.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from attrs import define, evolve, field, frozen

from hive.config import AgentManifest, manifest_from_json, manifest_to_json
from hive.errors import ConfigError
from hive.exits import Ended, facts
from hive.machines.observer import ObservedState
from hive.machines.runtime import Running
from hive.names import MANAGER
from hive.participants.end_causes import cause_of
from hive.participants.event_budget import EventBudget
from hive.participants.harness_connection import HarnessConnection
from hive.participants.manifest_changes import needs_restart
from hive.participants.turn_feed import TurnFeed
from hive.participants.verdicts import AgentVerdict
from hive.quantities import counted
from hive.store import Desired, EventRecord, Kind, ParticipantOrigin, ParticipantRecord


@frozen
class RebootLimit:
    """Allowed reboots within a sliding window.

    Attributes:
        max_reboots: Reboots allowed inside the window.
        within: Length of the window, in seconds.
    """

    max_reboots: int
    within: float

    def __str__(self) -> str:
        return f"more than {counted(self.max_reboots, 'time')} within {self.within:g} s"


@define
class Reboots:
    """The reboots of one container within the window.

    The window is that of `actors.RestartLimit`: a reboot exactly `within` seconds ago still counts.
    Once the limit is exceeded, each further reboot exceeds it as well, until there was none for a
    whole window: the growing delays of restarts alone do not reset it.
    """

    _times: deque[float] = field(factory=deque, init=False)
    _too_many: bool = field(default=False, init=False)

    def record(self, now: float, limit: RebootLimit) -> bool:
        """Count a reboot; return whether it is within the limit.

        Args:
            now: The loop's time in seconds, which never goes backwards.
            limit: The limit.
        """
        self._times.append(now)
        while self._times[0] < now - limit.within:
            self._times.popleft()
        quiet = len(self._times) == 1
        self._too_many = len(self._times) > limit.max_reboots or (self._too_many and not quiet)
        return not self._too_many

    def clear(self) -> None:
        """Remove all reboots."""
        self._times.clear()
        self._too_many = False


@frozen
class LastEnd:
    """The last exit of an agent's container, also under an earlier daemon.

    Attributes:
        reason: The exit cause, as text.
        at: Wall time in seconds when it was detected.
        last_lines: The last lines of its output, oldest first.
        facts: The exit cause as fields, see `hive.exits.facts`.
        cause: Why it ended, in words, see `end_causes`; None if nothing says so.
    """

    reason: str
    at: float
    last_lines: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(factory=dict)
    cause: str | None = field(init=False, eq=False)

    def __attrs_post_init__(self) -> None:
        # Here, as rows of the status are made much more often than agents end.
        object.__setattr__(self, "cause", cause_of(self.facts, self.last_lines))

    @classmethod
    def of(cls, ended: Ended) -> LastEnd:
        """Return the record of an exit."""
        return cls(str(ended), ended.at, ended.last_lines, facts(ended))

    @classmethod
    def from_event(cls, event: EventRecord) -> LastEnd:
        """Return the exit that an event of the event log describes."""
        detail = dict(event.detail)
        reason, lines = detail.pop("reason", "unknown"), detail.pop("last_lines", ())
        return cls(str(reason), event.at, tuple(lines), detail)

    def __str__(self) -> str:
        return self.reason

    @property
    def result(self) -> str | None:
        """Systemd's `Result=` of the unit; None without systemd."""
        return self.facts.get("result")

    def detail(self) -> dict[str, Any]:
        """Return it as the detail of an event."""
        return {"reason": self.reason, **self.facts, "last_lines": list(self.last_lines) or None}


@frozen
class RestartNotice:
    """A restart to report to the agent's next harness; `at` is the exit, in wall seconds."""

    at: float
    reason: str


class OnExit(Enum):
    """Action on an agent's container when its actor ends."""

    KEEP = auto()
    """Leave it running: the daemon ends, or the actor crashed."""

    STOP = auto()
    """Stop it gracefully: the operator or the daemon's orderly end requests it."""

    KILL = auto()
    """Kill it at once."""


@define
class Presence:
    """Presence of a participant, from the connections to its socket.

    Attributes:
        harnesses: Number of open connections that announced themselves as a harness.
        since: Wall time in seconds since which there is one, None without any.
        last_seen: Wall time in seconds of the last sign of life, None before the first.
    """

    harnesses: int = 0
    since: float | None = None
    last_seen: float | None = None

    @property
    def connected(self) -> bool:
        """Whether a harness is connected."""
        return self.harnesses > 0

    def on_connect(self, now: float) -> None:
        """Count a connection that announced itself as a harness."""
        self.harnesses += 1
        self.last_seen = now
        if self.since is None:
            self.since = now

    def on_disconnect(self, now: float) -> None:
        """Count the end of such a connection."""
        self.harnesses -= 1
        self.last_seen = now
        if self.harnesses == 0:
            self.since = None


@define(eq=False)
class Participant:
    """The durable record of a participant and its present state.

    Attributes:
        record: The row of the store.
        presence: Whether a harness is connected.
        is_listening: Whether its socket listens.
        start_error: Why the last start of its actor failed; None after a success.
        socket_error: Why new clients cannot connect to its socket any more; None if they can.
        harnesses: Connections that announced themselves as a harness, oldest first.
        turn_feed: Live events of its turns.
        reported_events: Events about its login and its usage limits that may be recorded.
        verdict: What is wrong with its turns; None if nothing is known to be.
        lifecycle_lock: Held by the request that adds, starts, stops or removes it.
    """

    record: ParticipantRecord
    presence: Presence = field(factory=Presence)
    is_listening: bool = False
    start_error: str | None = None
    socket_error: str | None = None
    harnesses: list[HarnessConnection] = field(factory=list)
    turn_feed: TurnFeed = field(factory=TurnFeed)
    reported_events: EventBudget = field(factory=EventBudget)
    verdict: AgentVerdict | None = None
    lifecycle_lock: asyncio.Lock = field(factory=asyncio.Lock)

    @property
    def name(self) -> str:
        """The participant's name, which is also its inbox."""
        return self.record.name

    @property
    def reporter(self) -> HarnessConnection | None:
        """The connected harness that reported last, None while its activity is unknown."""
        if not self.harnesses:
            return None
        reported = [each for each in self.harnesses if each.activity is not None]
        if len(reported) == 1:  # nearly always
            return reported[0]
        return max(reported, key=lambda each: each.reported_at, default=None)

    @property
    def harness_version(self) -> str | None:
        """The version of hyperhive of the harness that connected last; None if it is unknown."""
        return self.harnesses[-1].version if self.harnesses else None

    def change(self, **changes: Any) -> None:
        """Change columns of the record in memory, and the fields derived from them."""
        self.record = evolve(self.record, **changes)


@define(eq=False)
class Peer(Participant):
    """A participant whose lifecycle the hive does not control.

    Attributes:
        observed_state: Its container's state as systemd reports it; None if unknown or unobserved.
        observed_subject: The unit or machine that this state is of.
        observe_error: Why its state could not be read the last time; None if it was.
        observe: The unit or machine to observe, from the record.
    """

    observed_state: ObservedState | None = None
    observed_subject: str | None = None
    observe_error: str | None = None
    observe: str | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.observe = _observe_of(self.record.manifest)

    def change(self, **changes: Any) -> None:
        """Change columns of the record in memory, and the fields derived from them."""
        super().change(**changes)
        if "manifest" in changes:
            self.observe = _observe_of(self.record.manifest)


@define(eq=False)
class Agent(Participant):
    """A participant whose container this hive owns.

    Attributes:
        running: The machine as the runtime reported it; None while none runs.
        ended: The exit of the last one.
        on_exit: What its actor does with the machine when it ends.
        stray: Whether its container runs although it should not, and no actor owns it.
        reboots: Recent reboots of its container.
        queued_for: Why its start waits; None while it does not.
        awaits_slot: Whether it waits only for the starts of other agents.
        start_requested: Whether its next start was requested; that of a restart was not.
        restart_is_due: Whether its next start is an automatic restart, which is counted.
        restart_notice: The restart to report to its next harness; None if there is none.
        settings: The manifest of the record, decoded; an empty one if that is invalid. The start
            of the agent reports the error; its stop does not depend on the manifest.
        awaits_restart: Whether the manifest differs from the one that its container was last
            started with, in keys that need a restart.
        attached_since: Wall time since which an operator is attached to its conversation; None
            while nobody is.
    """

    running: Running | None = None
    ended: LastEnd | None = None
    on_exit: OnExit = OnExit.KEEP
    stray: bool = False
    reboots: Reboots = field(factory=Reboots)
    queued_for: str | None = None
    awaits_slot: bool = False
    start_requested: bool = False
    restart_is_due: bool = False
    restart_notice: RestartNotice | None = None
    attached_since: float | None = None
    settings: AgentManifest = field(init=False)
    awaits_restart: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._derive()

    def change(self, **changes: Any) -> None:
        """Change columns of the record in memory, and the fields derived from them."""
        super().change(**changes)
        if not changes.keys().isdisjoint({"manifest", "started"}):
            self._derive()

    def _derive(self) -> None:
        self.settings = settings_of_json(self.record.manifest)
        self.awaits_restart = _awaits_restart(self.record)

    @property
    def is_to_run(self) -> bool:
        """Whether its container is to run: it is neither stopped nor parked."""
        return self.record.desired is Desired.RUNNING and self.record.failed is None

    @property
    def is_frozen(self) -> bool:
        """Whether it was frozen by `estop`."""
        return self.record.frozen_at is not None

    @property
    def is_up(self) -> bool:
        """Whether its container runs and an actor owns it."""
        return self.running is not None and not self.stray

    @property
    def needs_update(self) -> bool:
        """Whether its container runs with another manifest than the present one."""
        return self.running is not None and self.awaits_restart

    def record_restart(self, at: float, reason: str) -> None:
        """Set the notice for its next harness, unless one for a later restart is already set."""
        if self.restart_notice is None or self.restart_notice.at < at:
            self.restart_notice = RestartNotice(at, reason)


def settings_of_json(manifest: str | None) -> AgentManifest:
    """Return a manifest of a record; an empty one if it is missing or invalid."""
    try:
        return manifest_from_json(manifest or "{}")
    except ConfigError:
        return AgentManifest()


def _awaits_restart(record: ParticipantRecord) -> bool:
    try:
        return needs_restart(record.started, record.manifest)
    except ValueError:  # a damaged manifest, which the next start reports
        return True


def _observe_of(manifest: str | None) -> str | None:
    """Return the subject that a peer's record says to observe; None if it cannot be read."""
    try:
        settings = json.loads(manifest or "{}")
    except ValueError:
        return None
    observe = settings.get("observe") if isinstance(settings, dict) else None
    return observe if isinstance(observe, str) else None


def new_agent(
    name: str,
    manifest: AgentManifest,
    now: float,
    *,
    origin: ParticipantOrigin = ParticipantOrigin.COMMAND,
) -> ParticipantRecord:
    """Return the record of a new agent."""
    return ParticipantRecord(
        name=name,
        kind=Kind.MANAGER if name == MANAGER else Kind.AGENT,
        desired=Desired.RUNNING if manifest.autostart else Desired.STOPPED,
        origin=origin,
        created_at=now,
        **manifest_columns(manifest),
    )


def manifest_columns(manifest: AgentManifest) -> dict[str, Any]:
    """Return the columns of an agent's record that its manifest determines."""
    return {
        "manifest": manifest_to_json(manifest),
        "description": manifest.description,
        "broadcast": manifest.broadcast,
    }


def new_peer(
    name: str,
    now: float,
    *,
    broadcast: bool = False,
    description: str | None = None,
    observe: str | None = None,
    origin: ParticipantOrigin = ParticipantOrigin.COMMAND,
) -> ParticipantRecord:
    """Return the record of a new peer."""
    return ParticipantRecord(
        name=name,
        kind=Kind.PEER,
        desired=Desired.RUNNING,
        manifest=peer_settings(observe),
        origin=origin,
        broadcast=broadcast,
        description=description,
        created_at=now,
    )


def peer_settings(observe: str | None) -> str:
    """Return the settings of a peer as its record stores them: JSON, or empty."""
    return json.dumps({"observe": observe}) if observe else ""
