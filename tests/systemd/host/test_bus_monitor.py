"""The check that no call acts on a peer can fail: here a program acts on a peer."""

import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from tests.testbed.bus import LOOKS, acting, aside, hide_private_socket, read, recorded

SERVICE = "container@{peer}.service"


@pytest.fixture
def peer() -> str:
    """A peer of this test only: calls for the peers of other tests may be recorded later."""
    return f"hector-{uuid4().hex[:8]}"


def actions(path: Path, peer: str, *words: str) -> list[str]:
    """Return the recorded calls that act on the peer while a program runs."""
    hide_private_socket()
    argv = [word.format(peer=peer) for word in words]
    with recorded(path) as bus:
        subprocess.run(argv, check=False, capture_output=True)
    return acting(read(bus), peer)


@pytest.mark.parametrize(
    ("argv", "member"),
    [
        (("systemctl", "stop", SERVICE), "StopUnit"),
        (("systemctl", "restart", SERVICE), "RestartUnit"),
        (("systemctl", "kill", "--signal=KILL", SERVICE), "KillUnit"),
        (("systemctl", "reset-failed", SERVICE), "ResetFailedUnit"),
        (("systemctl", "set-property", SERVICE, "CPUWeight=1"), "SetUnitProperties"),
        (("machinectl", "terminate", "{peer}"), "TerminateMachine"),
        (("systemctl", "start", SERVICE), "StartUnit"),
    ],
)
def test_a_call_that_acts_on_a_peer_is_recorded(
    tmp_path: Path, peer: str, argv: list[str], member: str
) -> None:
    found = actions(tmp_path / "bus", peer, *argv)
    assert any(call.startswith(f"{member}(") for call in found), found


@pytest.mark.parametrize(
    "argv",
    [
        ("systemctl", "show", SERVICE),
        ("machinectl", "show", "{peer}"),
        ("systemctl", "stop", "container@another.service"),
        aside("systemctl", "stop", SERVICE),
    ],
)
def test_queries_and_calls_for_other_units_are_not_actions(
    tmp_path: Path, peer: str, argv: list[str]
) -> None:
    assert actions(tmp_path / "bus", peer, *argv) == []


def test_no_method_that_changes_state_counts_as_a_query() -> None:
    acts = ("Start", "Stop", "Kill", "Terminate", "Set", "Reset", "Re", "Clone", "Rename", "Bind")
    assert [member for member in LOOKS if member.startswith(acts)] == []
