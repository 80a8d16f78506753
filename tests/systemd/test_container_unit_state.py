"""Parsing the output of systemd and machined."""

import pytest

from hive.errors import FailedError
from hive.machines.systemd.unit_state import (
    Active,
    Code,
    UnitState,
    leader,
    properties,
    unit_states,
)

SHOWN = """\
ExecMainPID=54
Result=success
ExecMainCode=0
ExecMainStatus=0
Id=systemd-nspawn@h-alice.service
ActiveState=active
SubState=running
ActiveEnterTimestampMonotonic=2374261940
Job=
InvocationID=ecb512a7e01c42a5b1cba973ee8e9b63
"""


def test_a_running_unit_is_parsed() -> None:
    assert unit_states(SHOWN) == (
        UnitState(
            id="systemd-nspawn@h-alice.service",
            active=Active.ACTIVE,
            sub="running",
            invocation="ecb512a7e01c42a5b1cba973ee8e9b63",
            since_usec=2374261940,
            main_pid=54,
        ),
    )


def test_several_units_come_in_blocks() -> None:
    failed = SHOWN.replace("=active", "=failed").replace("ExecMainCode=0", "ExecMainCode=2")
    first, second = unit_states(f"{SHOWN}\n{failed.replace('Job=', 'Job=17')}")
    assert not first.job
    assert (second.active, second.code, second.job) == (Active.FAILED, Code.KILLED, True)


def test_no_unit_is_no_error() -> None:
    assert unit_states("\n") == ()


@pytest.mark.parametrize(
    "text",
    ["Failed to connect to bus", "Id=x\n", SHOWN.replace("=active", "=new"), "Id=x\nActiveState="],
)
def test_output_without_a_valid_state_is_an_error(text: str) -> None:
    with pytest.raises(FailedError, match="not a unit state"):
        unit_states(text)


@pytest.mark.parametrize(
    ("text", "pid"),
    [
        ("Leader=56\nState=running\n", 56),
        ("Leader=56\nState=opening\n", 56),
        ("Leader=56\nState=closing\n", None),
        ("Leader=\n", None),
        ("", None),
        ("\x00\x01garbage", None),
    ],
)
def test_the_leader_of_a_machine(text: str, pid: int | None) -> None:
    assert leader(properties(text)) == pid
