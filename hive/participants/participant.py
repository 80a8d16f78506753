"""What is known of one participant right now, beside its durable record.

`Agent` and `Peer` are different types on purpose: whatever starts, stops or kills takes
an `Agent`, so that no code path can be handed a peer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from attrs import define, evolve, field, frozen

from hive.config import AgentManifest, manifest_from_json
from hive.errors import ConfigError
from hive.exits import Ended, facts
from hive.machines.observer import ObservedState
from hive.machines.runtime import Running
from hive.participants.harness import HarnessConnection, RestartNotice
from hive.participants.reboots import Reboots
from hive.participants.turn_feed import TurnFeed
from hive.store import EventRecord, ParticipantRecord


@frozen
class LastEnd:
    """The last end of an agent's container, also of one that an earlier daemon saw.

    Attributes:
        reason: Why, in words.
        at: Wall time in seconds when it was noticed.
        last_lines: The end of its output, oldest first.
        facts: The same for programs, see `hive.exits.facts`.
    """

    reason: str
    at: float
    last_lines: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(factory=dict)

    @classmethod
    def of(cls, ended: Ended) -> LastEnd:
        """Return what is kept of an end."""
        return cls(str(ended), ended.at, ended.last_lines, facts(ended))

    @classmethod
    def recalled(cls, event: EventRecord) -> LastEnd:
        """Return the end that the diary tells of."""
        detail = dict(event.detail)
        reason, lines = detail.pop("reason", "unknown"), detail.pop("last_lines", ())
        return cls(str(reason), event.at, tuple(lines), detail)

    def __str__(self) -> str:
        return self.reason

    @property
    def result(self) -> str | None:
        """The word of systemd for it, if systemd ran it."""
        return self.facts.get("result")

    def detail(self) -> dict[str, Any]:
        """Return it as the diary keeps it."""
        return {"reason": self.reason, **self.facts, "last_lines": list(self.last_lines) or None}


class OnExit(Enum):
    """What shall become of the container when its actor ends."""

    KEEP = auto()
    """Leave it running: the daemon goes, or the actor had a fault of its own."""

    STOP = auto()
    """Stop it gracefully: the operator, or the daemon's orderly end, asked for it."""

    KILL = auto()
    """End it at once."""


@define
class Presence:
    """Who is connected to a participant's socket, as the gateway sees it.

    Attributes:
        harnesses: Open connections that announced themselves as a harness.
        since: Wall time in seconds when the first of them came, None when nobody is there.
        last_seen: Wall time in seconds of the last sign of life, None if there never was one.
    """

    harnesses: int = 0
    since: float | None = None
    last_seen: float | None = None

    @property
    def connected(self) -> bool:
        """Whether a harness is there now."""
        return self.harnesses > 0

    def arrived(self, now: float) -> None:
        """Count a harness that announced itself."""
        self.harnesses += 1
        self.last_seen = now
        if self.since is None:
            self.since = now

    def left(self, now: float) -> None:
        """Count a harness that is gone."""
        self.harnesses -= 1
        self.last_seen = now
        if self.harnesses == 0:
            self.since = None


@define(eq=False)
class Participant:
    """A participant: its durable record and what is known of it right now.

    Attributes:
        is_listening: Whether its socket listens.
        start_error: Why the latest try to bring it up failed; None while that is not so.
        harnesses: Connections that announced themselves as a harness, in that order.
        live: What happens in its turns.
    """

    record: ParticipantRecord
    presence: Presence = field(factory=Presence)
    is_listening: bool = False
    start_error: str | None = None
    harnesses: list[HarnessConnection] = field(factory=list)
    live: TurnFeed = field(factory=TurnFeed)

    @property
    def name(self) -> str:
        """The participant's name, which is also its inbox."""
        return self.record.name

    @property
    def reporter(self) -> HarnessConnection | None:
        """The connected harness that reported last, None while what it does is unknown."""
        reported = [each for each in self.harnesses if each.activity is not None]
        return max(reported, key=lambda each: each.reported_at, default=None)

    def change(self, **changes: Any) -> None:
        """Change columns of the record in memory, and what is derived from them."""
        self.record = evolve(self.record, **changes)


@define(eq=False)
class Peer(Participant):
    """A participant whose lifecycle belongs to someone else.

    Attributes:
        sight: What its own service manager says about it; None if unknown or not observed.
        observed: What that sight is of.
        observe: The unit or machine that is to be observed, from the record.
    """

    sight: ObservedState | None = None
    observed: str | None = None
    observe: str | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.observe = _observe_of(self.record.manifest)

    def change(self, **changes: Any) -> None:
        """Change columns of the record in memory, and what is derived from them."""
        super().change(**changes)
        if "manifest" in changes:
            self.observe = _observe_of(self.record.manifest)


@define(eq=False)
class Agent(Participant):
    """A participant whose container this hive owns.

    Attributes:
        running: The machine as the runtime reported it; None while none runs.
        ended: How the last one ended.
        on_exit: What its actor does with the machine when it ends.
        stray: Whether its container was found running although it should be stopped.
        reboots: How often its container has rebooted of late.
        turn: Held by the request that is just starting or stopping it.
        restarted: What its next harness must be told; None if it was told.
        settings: The manifest of the record, read; if it cannot be used, one that sets nothing. The
            start of the agent reports that; its stop does not depend on it.
    """

    running: Running | None = None
    ended: LastEnd | None = None
    on_exit: OnExit = OnExit.KEEP
    stray: bool = False
    reboots: Reboots = field(factory=Reboots)
    turn: asyncio.Lock = field(factory=asyncio.Lock)
    restarted: RestartNotice | None = None
    settings: AgentManifest = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.settings = _settings_of(self.record.manifest)

    def change(self, **changes: Any) -> None:
        """Change columns of the record in memory, and what is derived from them."""
        super().change(**changes)
        if "manifest" in changes:
            self.settings = _settings_of(self.record.manifest)

    def note_restart(self, at: float, reason: str) -> None:
        """Keep for its next harness that it was restarted; only the latest time counts."""
        if self.restarted is None or self.restarted.at < at:
            self.restarted = RestartNotice(at, reason)


def _settings_of(manifest: str) -> AgentManifest:
    try:
        return manifest_from_json(manifest)
    except ConfigError:
        return AgentManifest()


def _observe_of(manifest: str) -> str | None:
    settings: dict[str, str] = json.loads(manifest or "{}")
    return settings.get("observe")
