"""Lines with times from the journal, read backwards: the agent's own, within bounds."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from hive.errors import FailedError
from hive.machines.systemd import timed_journal
from hive.machines.systemd.timed_journal import BackwardSearch, newest_timed
from hive.machines.timed_output import LinesWanted, TimedLine, TimedLines

AGENT = "[   12.000001] hive-agent[32]: "
AT = 1_700_000_000


def entry(at: float, message: object) -> bytes:
    fields = {"__CURSOR": "s=1", "__REALTIME_TIMESTAMP": str(round(at * 1e6)), "MESSAGE": message}
    return json.dumps(fields).encode() + b"\n"


def search(
    *entries: bytes, wanted: LinesWanted | None = None, agent: bool = True, most: int = 10_000
) -> TimedLines:
    """Return what is found in entries, newest first."""
    made = BackwardSearch(wanted or LinesWanted(100), agent, most)
    made.read(io.BytesIO(b"".join(entries)))
    return made.found()


def shown(found: TimedLines) -> list[tuple[float, str]]:
    return [(each.at, each.text) for each in found.lines]


def test_lines_are_the_agents_oldest_first_with_the_time_of_their_entry() -> None:
    found = search(
        entry(AT + 3.25, f"{AGENT}third"),
        entry(AT + 2, "[  OK  ] Reached target Multi-User System."),
        entry(AT + 1.000001, f"{AGENT}first"),
        entry(AT, f"{AGENT}hive-agent ended: success exited 0"),
    )
    assert shown(found) == [(AT + 1.000001, "first"), (AT + 3.25, "third")]
    assert found.searched_from is None


def test_of_a_container_without_an_agents_unit_all_lines_count() -> None:
    found = search(entry(AT + 1, f"login: {AGENT}words"), entry(AT, "booting"), agent=False)
    assert shown(found) == [(AT, "booting"), (AT + 1, "login:"), (AT + 1, f"{AGENT}words")]


def test_bytes_that_are_no_text_are_decoded_and_cleaned() -> None:
    raw = f"{AGENT}\x1b[31mred\x1b[0m ".encode() + b"\xff"
    assert shown(search(entry(AT, list(raw)))) == [(AT, "red \ufffd")]


@pytest.mark.parametrize(
    "odd",
    [
        b"\n",
        b"not json\n",
        b"[1]\n",
        b'{"MESSAGE": "x"}\n',
        entry(AT, None),
        entry(AT, ["a", "b"]),
        entry(AT, [True, {}]),
        b'{"__REALTIME_TIMESTAMP": 5, "MESSAGE": "x"}\n',
    ],
)
def test_an_entry_that_cannot_be_read_has_no_lines(odd: bytes) -> None:
    assert shown(search(odd, entry(AT, f"{AGENT}words"))) == [(AT, "words")]


def test_the_search_ends_with_the_last_line_that_is_wanted() -> None:
    entries = io.BytesIO(b"".join(entry(AT - n, f"{AGENT}{n}") for n in range(10)))
    made = BackwardSearch(LinesWanted(3), agent=True)
    assert not made.read(entries)
    assert made.found() == TimedLines(tuple(TimedLine(AT - n, str(n)) for n in (2, 1, 0)))
    assert json.loads(entries.readline())["MESSAGE"] == f"{AGENT}3", "the rest is not read"


def test_a_time_is_within_the_period_to_the_microsecond() -> None:
    entries = [entry(AT + n / 1e6, f"{AGENT}{n}") for n in (3, 2, 1, 0)]
    found = search(*entries, wanted=LinesWanted(9, since=AT + 1e-6, until=AT + 3e-6))
    assert [each.text for each in found.lines] == ["1", "2"]


def test_too_much_of_others_ends_the_search_and_says_from_when_on_it_was() -> None:
    noise = [entry(AT + 100 - n, "noise" * 20) for n in range(100)]
    found = search(*noise, entry(AT, f"{AGENT}never read"), most=5 * len(noise[0]))
    assert found == TimedLines((), AT + 96)


# The program


@pytest.fixture
def journalctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of a program that is found as `journalctl`."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path / "journalctl"


def program(path: Path, script: str) -> None:
    path.write_text(f'#!/bin/sh\necho "$@" > {path}.asked\n{script}\n')
    path.chmod(0o755)


def newest(wanted: LinesWanted) -> TimedLines:
    return newest_timed("h-alice.service", wanted, since=AT, agent=True)


def test_the_period_begins_with_the_agent_at_the_earliest(journalctl: Path) -> None:
    (journalctl.parent / "entries").write_bytes(entry(AT + 1, f"{AGENT}words"))
    program(journalctl, f"cat {journalctl.parent}/entries")
    assert shown(newest(LinesWanted(5, AT - 50, AT + 2.5))) == [(AT + 1, "words")]
    asked = Path(f"{journalctl}.asked").read_text().split()
    assert {"--reverse", "--output=json", "--unit=h-alice.service"} <= set(asked)
    assert {f"--since=@{AT}.000000", f"--until=@{AT + 2}.500000"} <= set(asked)


def test_a_period_before_the_agent_needs_no_program(journalctl: Path) -> None:
    program(journalctl, "exit 1")
    assert newest(LinesWanted(5, until=AT)) == TimedLines()
    assert not Path(f"{journalctl}.asked").exists()


def test_a_program_that_goes_on_is_ended_with_the_last_line_wanted(journalctl: Path) -> None:
    (journalctl.parent / "entry").write_bytes(entry(AT + 1, f"{AGENT}words"))
    program(journalctl, f"while :; do cat {journalctl.parent}/entry; done")
    assert shown(newest(LinesWanted(2))) == [(AT + 1, "words")] * 2


def test_an_error_of_the_program_is_quoted(journalctl: Path) -> None:
    program(journalctl, "echo 'No journal files were opened' >&2; exit 1")
    with pytest.raises(FailedError, match="cannot be read: No journal files were opened"):
        newest(LinesWanted(5))


def test_a_missing_program_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(FailedError, match=r"the journal cannot be read: .*journalctl"):
        newest(LinesWanted(5))


@pytest.mark.parametrize("has_answered", [True, False])
def test_a_program_that_hangs_is_killed(
    journalctl: Path, monkeypatch: pytest.MonkeyPatch, has_answered: bool
) -> None:
    monkeypatch.setattr(timed_journal, "SEARCH_SECONDS", 0.5)
    (journalctl.parent / "entry").write_bytes(entry(AT + 1, f"{AGENT}words"))
    program(
        journalctl, f"{'cat' if has_answered else ':'} {journalctl.parent}/entry; exec sleep 60"
    )
    if has_answered:
        assert newest(LinesWanted(5)) == TimedLines((TimedLine(AT + 1, "words"),), AT + 1)
    else:
        with pytest.raises(FailedError, match=r"gave nothing in 0\.5 s"):
            newest(LinesWanted(5))
