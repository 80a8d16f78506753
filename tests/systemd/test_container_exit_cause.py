"""The exit cause of a container."""

import pytest

from hive.exits import Exited, How, OutOfMemory, Rebooted, Signaled, Unknown
from hive.machines.systemd.exit_cause import agent_line, cause_of, displayed, is_complete, result_of
from hive.machines.systemd.unit_state import Active, Code, UnitState

BOOT = "[  OK  ] Reached target multi-user.target - Multi-User System."
SAID = "[ 2374.566484] hive-agent[32]: thinking"
KILLED_INIT = "Container h-alice terminated by signal KILL."


def failed(code: Code, status: int, result: str = "exit-code") -> UnitState:
    return UnitState(id="u", active=Active.FAILED, result=result, code=code, status=status)


def marker(words: str) -> str:
    return f"[   99.000001] hive-agent[40]: hive-agent ended: {words}"


@pytest.mark.parametrize(
    ("unit", "lines", "cause"),
    [
        (UnitState(id="u", active=Active.INACTIVE), (), Exited(0)),
        (failed(Code.EXITED, 7), (marker("exit-code exited 7"),), Exited(7)),
        (failed(Code.EXITED, 1), (BOOT, SAID), Exited(1)),
        (failed(Code.EXITED, 1), (BOOT, KILLED_INIT, "Failed with result."), Signaled(9)),
        (failed(Code.EXITED, 1), ("Container x terminated by signal WHAT.",), Exited(1)),
        (failed(Code.EXITED, 133), (), Rebooted()),
        (failed(Code.EXITED, 133), (marker("success killed TERM"),), Rebooted()),
        (failed(Code.EXITED, 1), (marker("exit-code exited 133"),), Exited(133)),
        (failed(Code.EXITED, 1), (marker("success killed TERM"),), Exited(1)),
        (failed(Code.EXITED, 255), (marker("signal killed SEGV"),), Signaled(11)),
        (
            failed(Code.EXITED, 255),
            (marker("core-dump dumped ABRT"),),
            Signaled(6, core_dumped=True),
        ),
        (failed(Code.EXITED, 255), (marker("oom-kill killed KILL"),), OutOfMemory()),
        (failed(Code.EXITED, 255), (marker("exit-code exited 255"),), Exited(255)),
        (failed(Code.EXITED, 255), (marker("garbled"), BOOT), Exited(255)),
        (failed(Code.EXITED, 255), (), Exited(255)),
        (failed(Code.KILLED, 9, "signal"), (), Signaled(9)),
        (failed(Code.DUMPED, 6, "core-dump"), (), Signaled(6, core_dumped=True)),
        (failed(Code.KILLED, 9, "oom-kill"), (), OutOfMemory()),
        (failed(Code.NONE, 0, "resources"), (), Unknown("systemd says 'resources'")),
    ],
)
def test_unit_state_and_journal_decide_the_exit_cause(
    unit: UnitState, lines: tuple[str, ...], cause: How
) -> None:
    assert cause_of(unit, lines) == cause


@pytest.mark.parametrize(
    ("unit", "lines", "word"),
    [
        (failed(Code.KILLED, 9, "oom-kill"), (SAID,), "oom-kill"),
        (failed(Code.KILLED, 9, "timeout"), (marker("success killed TERM"),), "timeout"),
        (failed(Code.EXITED, 7), (marker("exit-code exited 7"),), "exit-code"),
        (failed(Code.EXITED, 255), (marker("oom-kill killed KILL"),), "oom-kill"),
        (failed(Code.EXITED, 255), (marker("watchdog killed ABRT"),), "watchdog"),
        (failed(Code.EXITED, 133), (marker("success killed TERM"),), "exit-code"),
        (failed(Code.EXITED, 1), (KILLED_INIT,), "exit-code"),
        (UnitState(id="u", active=Active.INACTIVE), (marker("success exited 0"),), "success"),
    ],
)
def test_the_result_is_in_systemds_terms(
    unit: UnitState, lines: tuple[str, ...], word: str
) -> None:
    assert result_of(unit, lines) == word


@pytest.mark.parametrize(
    ("lines", "complete"),
    [
        ((), False),
        ((BOOT, SAID), False),
        ((BOOT, SAID, KILLED_INIT), True),
        ((marker("exit-code exited 7"), BOOT), True),
    ],
)
def test_the_journal_is_complete_with_an_exit_line(lines: tuple[str, ...], complete: bool) -> None:
    assert is_complete(lines) == complete


def test_the_last_exit_marker_decides_the_cause() -> None:
    lines = (marker("signal killed KILL"), marker("signal killed TERM"))
    assert cause_of(failed(Code.EXITED, 255), lines) == Signaled(15)


def test_an_agents_line_is_shown_as_it_printed_it() -> None:
    assert agent_line(SAID) == "thinking"
    assert agent_line(BOOT) is None
    assert agent_line(marker("exit-code exited 7")) is None


def test_lines_of_the_agent_hide_those_of_the_system() -> None:
    assert displayed((BOOT, SAID, KILLED_INIT)) == ("thinking",)


def test_without_lines_of_the_agent_all_lines_are_shown() -> None:
    assert displayed((BOOT, KILLED_INIT)) == (BOOT, KILLED_INIT)
    assert displayed((BOOT, marker("signal killed KILL"))) == (BOOT,)


def test_an_agent_that_could_not_be_run_differs_from_one_that_failed() -> None:
    *_, last = displayed((BOOT, marker("exit-code exited 203")))
    assert last == (
        "[hive] the agent could not be run: "
        "its program does not exist inside the container, or may not be executed"
    )
    assert displayed((SAID, marker("exit-code exited 203"))) == ("thinking",)
