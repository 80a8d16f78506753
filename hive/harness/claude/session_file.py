"""What the driver keeps over restarts: which session it resumes, and what today has cost."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
from attrs import define, field


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The file's content.

    Attributes:
        session: Claude Code's id of the conversation.
        total_cost: US dollars of that session, as Claude Code told last.
        day: The day, in UTC, that `spent` is about.
        spent: US dollars of that day.
    """

    session: str | None = None
    total_cost: float = 0.0
    day: str = ""
    spent: float = 0.0


@define
class Notebook:
    """The file in the agent's state directory; what cannot be read is begun anew."""

    path: Path
    kept: Kept = field(factory=Kept)

    def read(self) -> None:
        """Read the file, if there is one."""
        try:
            self.kept = msgspec.json.decode(self.path.read_bytes(), type=Kept)
        except (FileNotFoundError, msgspec.DecodeError):
            self.kept = Kept()

    def write(self, kept: Kept) -> None:
        """Replace the file as a whole."""
        self.kept = kept
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(kept))
        fresh.replace(self.path)


def in_session(kept: Kept, session: str) -> Kept:
    """Return what is kept once a session is known; a new one has cost nothing yet."""
    if kept.session == session:
        return kept
    return msgspec.structs.replace(kept, session=session, total_cost=0.0)


def charged(kept: Kept, total_cost: float | None, now: float) -> tuple[Kept, float | None]:
    """Return what is kept after a turn, and what the turn has cost in US dollars.

    Claude Code tells the cost of the whole session. After it was killed it may tell less than
    before; what such a turn cost is then not known.
    """
    if total_cost is None:
        return kept, None
    known = total_cost >= kept.total_cost
    cost = total_cost - kept.total_cost if known else None
    spent = spent_today(kept, now) + (cost or 0.0)
    fresh = msgspec.structs.replace(kept, total_cost=total_cost, day=day_of(now), spent=spent)
    return fresh, cost


def spent_today(kept: Kept, now: float) -> float:
    """Return the US dollars of today's turns."""
    return kept.spent if kept.day == day_of(now) else 0.0


def day_of(now: float) -> str:
    """Return the day of a Unix time, in UTC."""
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def next_day(now: float) -> float:
    """Return the Unix time at which the next day begins, in UTC."""
    return (now // 86400 + 1) * 86400
