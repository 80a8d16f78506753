"""The last answers of the daemon to what the view asks again and again. Pure.

Everything is read with a default: an older daemon leaves fields out or does not know a request, and
one row that is not as expected never blanks the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from attrs import field, frozen

from hive.view.row_fields import Row, objects

Request: TypeAlias = Mapping[str, Any]
"""A request of host.sock, `cmd` among its fields."""


@frozen
class LastAnswers:
    """What the daemon answered last.

    Attributes:
        found: The last answer to each request, by the request's key in `requests_wanted`.
        refused: Why a request was refused, by its key; the earlier answer stays.
        at: Wall time of the last complete round; None before the first.
        lost: Why the daemon does not answer now; None if it does.
    """

    found: Mapping[str, Row] = field(factory=dict)
    refused: Mapping[str, str] = field(factory=dict)
    at: float | None = None
    lost: str | None = None

    def rows(self, key: str, name: str) -> tuple[Row, ...]:
        """Return the objects in a list of an answer; what is no object is left out."""
        return tuple(map(_with_words, objects(self.found.get(key, {}).get(name))))

    @property
    def statuses(self) -> tuple[Row, ...]:
        """The status rows that have a name."""
        return tuple(row for row in self.rows("status", "agent_statuses") if row.get("name"))

    @property
    def overview(self) -> Row:
        """The row of the whole hive; empty from a daemon that does not know the request."""
        found = self.found.get("overview", {})
        inner = found.get("overview")
        return inner if isinstance(inner, Mapping) else found

    @property
    def notices(self) -> tuple[str, ...]:
        """What the daemon says about itself: trouble of the store, how far its stop is."""
        status = self.found.get("status", {})
        found = (self.overview.get("store_problem") or status.get("trouble"), self.stopping)
        return tuple(str(each) for each in found if each)

    @property
    def stopping(self) -> str | None:
        """How far the stop of the daemon is; None while it serves."""
        return self.found.get("status", {}).get("stopping") or self.overview.get("stopping")


WORDS = ("name", "kind", "state", "tier", "event", "from", "to", "status", "project")
"""Fields that are compared with words, and so have to be words."""


def _with_words(row: Row) -> Row:
    """Return a row whose `WORDS` are words; almost always it is the row itself."""
    others = [name for name in WORDS if not isinstance(row.get(name), str | None)]
    return {**row, **{name: str(row[name]) for name in others}} if others else row
