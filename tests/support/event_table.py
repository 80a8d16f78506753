"""The tables of docs/events.md, and the check of each event that a test sees against them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from attrs import frozen

PAGE = Path(__file__).parents[2] / "docs" / "events.md"

NO_NAME = "\N{EN DASH}"

_ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| [^|]+ \|$", re.MULTILINE)


@frozen
class EventRow:
    """One row: what an event is about, and its fields.

    Attributes:
        name: What has the name of the event, in words; None if it has no name.
        needed: Fields that each event of the kind has.
        optional: Fields that some have.
    """

    name: str | None
    needed: frozenset[str]
    optional: frozenset[str]

    def problem(self, name: str | None, fields: Collection[str]) -> str | None:
        """Return what an event has that is not in the table, or lacks; None for nothing."""
        found = set(fields)
        unknown, missing = found - self.needed - self.optional, self.needed - found
        if unknown or missing:
            return f"has the fields {sorted(unknown)} and lacks {sorted(missing)}"
        if name is not None and self.name is None:
            return f"has the name {name!r}"
        return None


def _rows(text: str) -> Mapping[str, EventRow]:
    return {kind: _row(name, fields) for kind, name, fields in _ROW.findall(text)}


def _row(name: str, fields: str) -> EventRow:
    words = re.findall(r"`(\w+\??)`", fields)
    return EventRow(
        None if name == NO_NAME else name,
        frozenset(word for word in words if not word.endswith("?")),
        frozenset(word.rstrip("?") for word in words if word.endswith("?")),
    )


def _tables() -> tuple[Mapping[str, EventRow], Mapping[str, EventRow]]:
    log, mail = PAGE.read_text().split("\nSome of them are also mail")
    return _rows(log), _rows(mail)


LOG, MAIL = _tables()
"""The rows of the event log, and those of what is only mail, by kind."""


def problem_of(kind: str, name: str | None, fields: Collection[str]) -> str | None:
    """Return how an event of the log differs from the table; None if it does not."""
    row = LOG.get(kind)
    if row is None:
        return f"the event {kind} is not in the table of {PAGE.name}"
    found = row.problem(name, fields)
    return None if found is None else f"an event {kind} {found}: correct the table of {PAGE.name}"
