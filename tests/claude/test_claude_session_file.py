"""The session file, and the cost of a turn and a day."""

from __future__ import annotations

from pathlib import Path

import pytest

from hive.harness.claude.session_file import (
    SessionFile,
    SessionRecord,
    charged,
    next_day,
    spent_today,
    with_session,
)

NOON = 86400.0 * 20000 + 43200


def test_a_record_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "claude" / "session.json"
    first = SessionFile(path)
    first.read()
    assert first.record == SessionRecord()
    first.record = SessionRecord(session="s", total_cost=1.5, day="2024-10-04", spent=0.5)
    first.write()
    second = SessionFile(path)
    second.read()
    assert second.record == first.record
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"{", b'{"session": 5}', b"[]"])
def test_an_invalid_file_counts_as_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "session.json"
    path.write_bytes(content)
    file = SessionFile(path)
    file.read()
    assert file.record == SessionRecord()


def test_a_turn_costs_what_the_session_costs_more_than_before() -> None:
    record, cost = charged(SessionRecord(session="s", total_cost=1.0), 1.25, NOON)
    assert cost == pytest.approx(0.25)
    record, cost = charged(record, 1.5, NOON + 60)
    assert spent_today(record, NOON + 60) == pytest.approx(0.5)
    assert spent_today(record, NOON + 43200) == 0, "a new day in UTC"
    assert next_day(NOON) == NOON + 43200


def test_an_unknown_cost_is_none() -> None:
    record = SessionRecord(session="s", total_cost=2.0)
    assert charged(record, None, NOON) == (record, None)
    after, cost = charged(record, 1.5, NOON)
    assert cost is None, "after a kill, Claude Code knows less than we do"
    assert after.total_cost == 1.5


def test_a_new_session_has_cost_nothing() -> None:
    record = SessionRecord(session="s", total_cost=2.0, day="d", spent=2.0)
    assert with_session(record, "s") is record
    assert with_session(record, "t") == SessionRecord(session="t", day="d", spent=2.0)
