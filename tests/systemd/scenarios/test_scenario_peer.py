"""damocles: a peer's container, which systemd restarts and hive-c0re only observes."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemons import PROGRAMS, eventually
from tests.systemd.host.lab import PROGRAMS as BINDS
from tests.systemd.scenarios.hives import ContainerHive, host, leader, shown
from tests.testbed.bus import acting, aside, read, recorded
from tests.testbed.tree import make_image

SERVICE = "container@damocles.service"
FILE = Path("/run/systemd/system", SERVICE)
ROOT = Path("/var/lib/damocles")
SWARM = """
[agents.alice]
run = ["sh", "-c", "cat >/dev/null; echo alice here"]
[peers.damocles]
observe = "container@damocles.service"
"""


@pytest.fixture
def damocles(hive: ContainerHive) -> Iterator[str]:
    """A container with its own unit, which systemd restarts; the peer's socket is bound into it."""
    make_image(ROOT)
    sockets = hive.run_dir / "agents" / "damocles"
    sockets.mkdir(parents=True)
    binds = " ".join(f"--bind-ro={bind.source}" for bind in BINDS)
    FILE.write_text(
        f"""[Service]
ExecStart=systemd-nspawn --quiet --keep-unit --boot --machine=damocles --directory={ROOT} \\
  {binds} --bind={sockets}:/run/hive --private-users=no
Type=notify
Restart=on-failure
KillMode=mixed
Slice=machine.slice
Delegate=yes
"""
    )
    host("systemctl", "daemon-reload")
    host(*aside("systemctl", "start", SERVICE))
    yield SERVICE
    host(*aside("systemctl", "stop", SERVICE))
    FILE.unlink()
    host("systemctl", "daemon-reload")
    shutil.rmtree(ROOT)


def test_a_peer_is_restarted_by_systemd_and_never_by_the_hive(
    hive: ContainerHive, damocles: str, tmp_path: Path
) -> None:
    with recorded(tmp_path / "bus") as bus:
        hive.configure(SWARM)
        hive.start()
        hive.until_state("alice", "running")
        run, before = shown(damocles, "InvocationID"), leader("damocles")
        for verb in ("start", "stop", "restart", "kill"):
            assert hive.run(verb, "damocles").returncode == 5, "refused, whatever it is"
        assert hive.run("destroy", "damocles", "--yes").returncode == 5
        hive.ok("restart", "alice")
        hive.kill()
        hive.start()
        hive.interrupt()
        hive.start()
        assert shown(damocles, "InvocationID") == run
        hive.ok("send", "damocles", "hello")

        os.kill(before, signal.SIGKILL)

        eventually(lambda: shown(damocles, "NRestarts") == "1", what="systemd's own restart")
        eventually(lambda: shown(damocles, "ActiveState") == "active", what="damocles")
        row = eventually(
            lambda: (
                (seen := hive.status("damocles"))["restarts"] == 1
                and "active" in seen["observed"]
                and seen
            ),
            what="a sight of it",
        )
    assert (row["kind"], row["unread"], row["source"]) == ("peer", 1, "systemd")
    assert row["observed"] == f"{damocles} is active (running)"
    assert "Restart=on-failure" in FILE.read_text()
    assert not Path(f"{FILE}.d").exists(), "and the hive adds no drop-in to its unit"
    # The bus of the container takes a moment longer than the container itself.
    got = eventually(lambda: inside_damocles("recv"), what="damocles at its socket")
    assert "hello" in got, "its mail waited, and its socket is where it was"
    calls = read(bus)
    assert acting(calls, "h-alice"), "the monitor records our own calls"
    assert acting(calls, "damocles") == []


def inside_damocles(verb: str) -> str:
    """Return what `hive-ag3nt` prints in the peer's container; nothing if it cannot run yet."""
    program = ("--setenv=HIVE_SOCKET=/run/hive/mcp.sock", str(PROGRAMS / "hive-ag3nt"), verb)
    inside = ("systemd-run", "--machine=damocles", "--wait", "--pipe", "--quiet", *program)
    return subprocess.run(inside, capture_output=True, text=True, check=False).stdout
