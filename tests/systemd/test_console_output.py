"""Lines of a container's console: a prompt without a newline hides neither the agent nor nspawn."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hive.exits import Exited, How, Rebooted, Signaled
from hive.machines.systemd.console_output import agent_text, console_lines, nspawn_end
from hive.machines.systemd.exit_cause import EXIT_MARKER, cause_of, displayed, is_complete
from hive.machines.systemd.unit_state import Active, Code, UnitState

AGENT = "[ 4911.863112] hive-agent[31]: "
KILLED = "Container h-alice terminated by signal KILL."
ENDS: dict[str, How] = {
    KILLED: Signaled(9),
    "Container h-alice failed with error code 7.": Exited(7),
    "Container h-alice has been shut down.": Exited(0),
    "Container h-alice exited successfully.": Exited(0),
    "Container h-alice is being rebooted.": Rebooted(),
}

PROMPTS = [
    "vm login: ",
    "\r\n\rvm login: ",
    "\x1b[1mvm login:\x1b[0m ",
    "\x1b]0;vm",
    "\x1b[",
    "10%\r",
]

prefixes = st.sampled_from(PROMPTS) | st.text(
    st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=40
)
"""What programs have printed before, without a newline."""

texts = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40)


def failed(code: Code, status: int) -> UnitState:
    return UnitState(id="u", active=Active.FAILED, result="exit-code", code=code, status=status)


@given(prefix=prefixes, priority=st.sampled_from(["", "<3>", "<27>"]), end=st.sampled_from([*ENDS]))
@example(prefix="vm login: ", priority="<27>", end=KILLED)
def test_nspawns_words_are_found_behind_any_prefix(prefix: str, priority: str, end: str) -> None:
    lines = console_lines(f"{prefix}{priority}{end}\r\n".encode())
    assert nspawn_end(lines[-1]) == ENDS[end]
    assert lines[-1] == end
    assert is_complete(lines)


@given(
    prefix=prefixes, time=st.sampled_from(["[    1.000000] ", "[ 4911.863112] ", ""]), text=texts
)
def test_no_line_of_the_agent_is_lost_behind_any_prefix(prefix: str, time: str, text: str) -> None:
    lines = console_lines(f"{prefix}{time}hive-agent[31]: {text}\r\n".encode())
    assert agent_text(lines[-1]) == text
    assert displayed(lines) == (text,)


@given(prefix=prefixes)
def test_the_last_words_of_the_agent_are_found_behind_any_prefix(prefix: str) -> None:
    lines = console_lines(f"{prefix}{AGENT}{EXIT_MARKER} signal killed ABRT\n".encode())
    assert cause_of(failed(Code.EXITED, 255), lines) == Signaled(6)


@given(before=texts, end=st.sampled_from([*ENDS]))
def test_what_the_agent_prints_is_never_taken_for_words_of_nspawn(before: str, end: str) -> None:
    lines = console_lines(f"vm login: {AGENT}{before} {end}\n".encode())
    assert displayed(lines) == (f"{before} {end}",)
    assert not is_complete(lines)
    assert cause_of(failed(Code.EXITED, 1), lines) == Exited(1)


def test_the_prompt_is_a_line_of_its_own() -> None:
    output = f"\r\r\nvm login: {AGENT}hello\r\nvm login: <27>{KILLED}\n"
    assert console_lines(output.encode()) == [
        *("vm login:", f"{AGENT}hello", "vm login:", KILLED),
    ]


def test_a_line_that_the_agent_overwrites_is_its_own() -> None:
    lines = console_lines(f"{AGENT}10%\r50%\r100%\r\n{AGENT}done\n".encode())
    assert displayed(lines) == ("100%", "done")


def test_an_escape_sequence_without_an_end_does_not_hide_the_agents_line() -> None:
    lines = console_lines(f"\x1b]0;title{AGENT}hello\x07\n".encode())
    assert displayed(lines) == ("hello",)


def test_blank_lines_are_left_out() -> None:
    assert console_lines(f"\r\n{AGENT}\n{AGENT}\x1b[0m\n\n".encode()) == []


@pytest.mark.parametrize(
    "line",
    [
        f"{KILLED} Or not",
        "Container h-alice terminated by signal WHAT.",
        "The container has been shut down.",
    ],
)
def test_other_words_are_no_end(line: str) -> None:
    assert nspawn_end(line) is None


@pytest.mark.parametrize("end", ENDS)
def test_a_run_that_systemd_has_forgotten_ended_as_nspawn_says(end: str) -> None:
    forgotten = UnitState(id="u", active=Active.INACTIVE)
    assert cause_of(forgotten, (end,)) == ENDS[end]
