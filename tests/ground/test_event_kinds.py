"""docs/events.md has every kind of event, and no field that no event can have.

Each event that any test sees is held against the page, see `documented_events` in conftest.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hive
from hive.wire.enums import EventKind
from tests.support.event_table import LOG, MAIL, problem_of

SOURCES = {
    path: path.read_text()
    for path in Path(hive.__file__).parent.rglob("*.py")
    if path.name != "enums.py"
}


def test_the_page_has_every_kind_and_no_other() -> None:
    assert sorted([*LOG, *MAIL]) == sorted(kind.value for kind in EventKind)


@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_is_used_and_every_field_is_one_of_the_code(kind: EventKind) -> None:
    users = [text for text in SOURCES.values() if re.search(rf"\bEventKind\.{kind.name}\b", text)]
    assert users, f"nothing records {kind}"
    rows = {**LOG, **MAIL}
    everything = "\n".join(SOURCES.values())
    for field in rows[kind.value].needed | rows[kind.value].optional:
        assert re.search(rf'"{field}"|\b{field}=', everything), f"no event has {field}"


@pytest.mark.parametrize(
    ("kind", "name", "fields", "problem"),
    [
        ("started", "bob", {"pid"}, None),
        ("started", "bob", {}, None),
        ("started", "bob", {"pdi"}, "has the fields ['pdi']"),
        ("renamed", "bob", {}, "lacks ['before']"),
        ("reloaded", "bob", {"changes"}, "has the name 'bob'"),
        ("exploded", None, {}, "is not in the table"),
        ("schedule_due", "bob", {}, "is not in the table"),
    ],
)
def test_what_is_not_so_is_found(
    kind: str, name: str | None, fields: set[str], problem: str | None
) -> None:
    found = problem_of(kind, name, fields)
    assert (found is None) if problem is None else (problem in str(found))
