"""The programs of `[notices]`, for real: what they get, how they end, what is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hive.attention.notice_commands import NoticeCommands
from hive.attention.notice_rules import NoticeClass, done_batch
from hive.wire.enums import EventKind

BATCH = done_batch(["alice"], "t")


class Events:
    def __init__(self) -> None:
        self.found: list[tuple[EventKind, dict[str, Any]]] = []

    def record(self, kind: EventKind, name: str | None = None, **detail: Any) -> None:
        self.found.append((kind, detail))


def made() -> tuple[NoticeCommands, Events]:
    events = Events()
    return NoticeCommands(events, "box"), events  # type: ignore[arg-type]


async def test_a_program_gets_variables_and_standard_input_and_no_shell(tmp_path: Path) -> None:
    commands, events = made()
    out = tmp_path / "out"
    script = f'cat > {out}; printf "%s" "$HIVE_NOTICE_TEXT" > {out}.text; echo "$1" > {out}.1'
    assert await commands.run(["sh", "-c", script, "sh", "$(touch x); *"], BATCH, 10)
    document = json.loads(out.read_text())
    assert (document["class"], document["host"], document["count"]) == ("done", "box", 1)
    assert (tmp_path / "out.text").read_text() == "alice has finished its work"
    assert (tmp_path / "out.1").read_text() == "$(touch x); *\n"
    assert events.found == []


async def test_a_program_that_does_not_read_its_input_succeeds_all_the_same() -> None:
    commands, _ = made()
    assert await commands.run(["true"], done_batch(map(str, range(100)), "t" * 10_000), 10)


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["sh", "-c", "echo no net >&2; exit 7"], "exited with status 7: no net"),
        (["sleep", "60"], "did not end within 0.1 s"),
        (["/nowhere/at/all"], "is it installed"),
    ],
)
async def test_a_failure_is_recorded_once_until_it_works_again(
    argv: list[str], reason: str
) -> None:
    commands, events = made()
    assert not await commands.run(argv, BATCH, 0.1)
    assert not await commands.run(argv, BATCH, 0.1)
    [(kind, detail)] = events.found
    assert (kind, detail["notice"]) == (EventKind.NOTICE_FAILED, NoticeClass.DONE.value)
    assert reason in detail["reason"]
    assert await commands.run(["true"], BATCH, 10)
    assert not await commands.run(argv, BATCH, 0.1)
    assert len(events.found) == 2
