"""State that survives a restart of the harness: the session to resume, the cost of the day."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

import msgspec
from attrs import define, field

from hive.wire.claude import ClaudeConfig, Effort


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Content of the session file.

    Attributes:
        session: Claude Code's id of the conversation.
        total_cost: US dollars of that session, as Claude Code reported last.
        day: The day, in UTC, of `spent`.
        spent: US dollars of that day.
        model: The model that the operator has chosen; None for that of the manifest.
        effort: The effort that the operator has chosen; None for that of the manifest.
    """

    session: str | None = None
    total_cost: float = 0.0
    day: str = ""
    spent: float = 0.0
    model: str | None = None
    effort: Effort | None = None


def session_path(state: Path) -> Path:
    """Return the path of the session file in the state directory of an agent."""
    return state / "claude" / "session.json"


@define
class SessionFile:
    """The file in the agent's state directory.

    A turn and an order may both change the record: each replaces it at once, and then writes the
    file, in a thread.

    Attributes:
        path: Where it is.
        record: Its content, as read, or as it is to be written.
    """

    path: Path
    record: SessionRecord = field(factory=SessionRecord)
    _written: SessionRecord = field(factory=SessionRecord, init=False, eq=False, repr=False)
    _writing: Lock = field(factory=Lock, init=False, eq=False, repr=False)

    @property
    def is_written(self) -> bool:
        """Whether the record is on disk; one that could not be written is not."""
        return self.record == self._written

    def read(self) -> None:
        """Read the file; one that is missing or invalid counts as empty."""
        try:
            self.record = msgspec.json.decode(self.path.read_bytes(), type=SessionRecord)
        except (FileNotFoundError, msgspec.DecodeError):
            self.record = SessionRecord()
        self._written = self.record

    def write(self) -> None:
        """Replace the file atomically by the newest record, one thread after the other.

        Raises:
            OSError: It cannot be written.
        """
        with self._writing:
            record = self.record
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self.path.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode(record))
            fresh.replace(self.path)
            self._written = record


def with_session(record: SessionRecord, session: str) -> SessionRecord:
    """Return the record of a session that has started; a new session has cost nothing yet."""
    if record.session == session:
        return record
    return msgspec.structs.replace(record, session=session, total_cost=0.0)


def with_choice(settings: ClaudeConfig, record: SessionRecord) -> ClaudeConfig:
    """Return the settings of the manifest with what the operator has chosen instead."""
    return msgspec.structs.replace(
        settings, model=record.model or settings.model, effort=record.effort or settings.effort
    )


def charged(
    record: SessionRecord, total_cost: float | None, now: float
) -> tuple[SessionRecord, float | None]:
    """Return the record after a turn, and the cost of the turn in US dollars.

    Claude Code reports the cost of the whole session. After a kill it may report less than
    before; the cost of that turn is then unknown (None).
    """
    if total_cost is None:
        return record, None
    known = total_cost >= record.total_cost
    cost = total_cost - record.total_cost if known else None
    spent = spent_today(record, now) + (cost or 0.0)
    fresh = msgspec.structs.replace(record, total_cost=total_cost, day=day_of(now), spent=spent)
    return fresh, cost


def spent_today(record: SessionRecord, now: float) -> float:
    """Return the US dollars of today's turns."""
    return record.spent if record.day == day_of(now) else 0.0


def day_of(now: float) -> str:
    """Return the day of a Unix time, in UTC, as YYYY-MM-DD."""
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def next_day(now: float) -> float:
    """Return the Unix time at which the next day begins, in UTC."""
    return (now // 86400 + 1) * 86400
