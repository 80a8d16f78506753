"""How a run ended, by systemd's messages in the journal."""

import json

import pytest

from hive.exits import Exited, How, OutOfMemory, Signaled, Unknown
from hive.machines.systemd.exit_cause import cause_of
from hive.machines.systemd.kept_state import SUCCEEDED, kept_state

TIME = {"__REALTIME_TIMESTAMP": "1795888481584926"}


def process(code: str, status: int, command: str = "ExecStart") -> dict[str, str]:
    return {"COMMAND": command, "EXIT_CODE": code, "EXIT_STATUS": str(status)} | TIME


def text(*entries: dict[str, str]) -> str:
    return "".join(f"{json.dumps(entry)}\n" for entry in entries)


@pytest.mark.parametrize(
    ("entries", "how"),
    [
        ([process("exited", 7), {"UNIT_RESULT": "exit-code"}], Exited(7)),
        ([process("killed", 9), {"UNIT_RESULT": "signal"}], Signaled(9)),
        ([process("dumped", 6), {"UNIT_RESULT": "core-dump"}], Signaled(6, core_dumped=True)),
        ([process("killed", 9), {"UNIT_RESULT": "oom-kill"}], OutOfMemory()),
        ([{"MESSAGE_ID": SUCCEEDED} | TIME], Exited(0)),
        ([process("exited", 3, "ExecStopPost"), {"MESSAGE_ID": SUCCEEDED}], Exited(0)),
        ([process("vanished", 3)], Unknown("systemd says 'unknown'")),
        ([], Unknown("systemd says 'unknown'")),
    ],
)
def test_the_fields_of_the_messages_say_how_a_run_ended(
    entries: list[dict[str, str]], how: How
) -> None:
    state, _ = kept_state("u.service", "abc", text({"MESSAGE_ID": "started"}, *entries))
    assert cause_of(state, ()) == how
    assert (state.id, state.invocation) == ("u.service", "abc")


def test_the_time_is_that_of_the_message() -> None:
    assert kept_state("u", "a", text(process("exited", 1)))[1] == pytest.approx(1795888481.584926)
    assert kept_state("u", "a", "")[1] is None


def test_a_damaged_line_is_left_out() -> None:
    state, _ = kept_state("u", "a", f"not JSON\n[1]\n\n{text(process('exited', 4))}")
    assert cause_of(state, ()) == Exited(4)
