"""The check that nobody acts on a peer can fail: here somebody does, on a peer of its own."""

import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from tests.testbed.bus import LOOKS, acting, aside, hide_private_socket, read, recorded

SERVICE = "container@{peer}.service"


@pytest.fixture
def peer() -> str:
    """A peer of this test's own: what others did to theirs may be heard a little later."""
    return f"hector-{uuid4().hex[:8]}"


def heard(path: Path, peer: str, *words: str) -> list[str]:
    """Return what acts on the peer in what is heard while a program runs."""
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
def test_whoever_acts_on_a_peer_is_heard(
    tmp_path: Path, peer: str, argv: list[str], member: str
) -> None:
    found = heard(tmp_path / "bus", peer, *argv)
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
def test_looks_are_none_nor_what_others_are_told(
    tmp_path: Path, peer: str, argv: list[str]
) -> None:
    assert heard(tmp_path / "bus", peer, *argv) == []


def test_no_method_that_changes_anything_counts_as_a_look() -> None:
    acts = ("Start", "Stop", "Kill", "Terminate", "Set", "Reset", "Re", "Clone", "Rename", "Bind")
    assert [member for member in LOOKS if member.startswith(acts)] == []
