"""Lines of a run in the journal, which is synced only if lines may be missing."""

import os
from pathlib import Path

import pytest

from hive.machines.systemd.journal import Journal, JournalFilter, filter_of, newest_now
from hive.machines.systemd.unit_state import Active, UnitState
from hive.subprocesses import Outcome

TRACE = JournalFilter("systemd-nspawn@h-alice.service", "abc", 54)
SAID = "[   12.000001] hive-agent[32]: thinking"
LAST_WORD = "[   13.000001] hive-agent[40]: hive-agent ended: exit-code exited 7"


class Journalctl:
    """A fake `journalctl` with lines before and after the first sync."""

    def __init__(self, before: str, after: str) -> None:
        self._shown, self._after = before, after
        self.ran: list[tuple[str, ...]] = []

    async def __call__(self, argv: object, *, deadline: float) -> Outcome:
        assert isinstance(argv, tuple)
        self.ran.append(argv)
        if "--sync" in argv:
            self._shown = self._after
        return Outcome(argv, 0, self._shown, "", deadline)


def test_a_run_is_found_by_its_id_and_by_its_main_process() -> None:
    unit = UnitState(id=TRACE.unit, active=Active.FAILED, invocation="abc", main_pid=54)
    assert filter_of(unit) == TRACE
    assert TRACE.matches() == (
        "_SYSTEMD_INVOCATION_ID=abc",
        *("+", "INVOCATION_ID=abc"),
        *("+", "_SYSTEMD_UNIT=systemd-nspawn@h-alice.service", "_PID=54"),
    )


def test_an_unknown_process_matches_nothing() -> None:
    assert "_PID=0" not in JournalFilter("u", "abc", 0).matches()


@pytest.mark.parametrize(
    ("before", "after", "programs"),
    [
        (f"{SAID}\n{LAST_WORD}\n", "never read", 1),
        (f"{SAID}\n", f"{SAID}\n{LAST_WORD}\n", 3),
    ],
)
async def test_the_journal_is_synced_only_if_it_is_incomplete(
    before: str, after: str, programs: int
) -> None:
    journalctl = Journalctl(before, after)
    assert await Journal(journalctl).run_of(TRACE) == (SAID, LAST_WORD)
    assert len(journalctl.ran) == programs
    assert "--boot" in journalctl.ran[0], "another boot may have had the same process id"


async def test_of_a_killed_container_the_journal_is_synced_at_once(tmp_path: Path) -> None:
    killed = "Container h-alice terminated by signal KILL."
    (tmp_path / "log").write_text(f"{killed}\n")
    journalctl = Journalctl("never read", f"{SAID}\n")
    journal = Journal(journalctl, lambda unit: tmp_path / "log")
    assert await journal.run_of(TRACE) == (SAID, killed)
    assert ["--sync" in argv for argv in journalctl.ran] == [True, False]


async def test_output_from_before_an_agent_existed_is_another_agents() -> None:
    journalctl = Journalctl(f"{SAID}\n", "")
    following = Journal(journalctl).follow("h-alice.service", 5, since=1_700_000_000.25, agent=True)
    assert await anext(following) == "thinking"
    await following.aclose()  # type: ignore[attr-defined]
    assert {"--unit=h-alice.service", "--since=@1700000000.250000"} <= set(journalctl.ran[0])


def test_the_last_lines_are_those_since_an_agent_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "journalctl"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    shown = newest_now("h-alice.service", 20, since=1_700_000_000.25, nspawn_log=tmp_path / "log")
    assert shown[-2:] == ("--unit=h-alice.service", "--since=@1700000000.250000")
