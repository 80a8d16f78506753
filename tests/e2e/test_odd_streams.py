"""Odd ends of streams: closed, full or endless, and directories that vanished under a program."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import actors
import hive as package
from hive.client.blocking import BlockingClient
from tests.support.daemons import PROGRAMS, HiveOnDisk, eventually


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HiveOnDisk]:
    """A daemon with one peer, `box`."""
    made = HiveOnDisk(tmp_path_factory.mktemp("odd"))
    made.start()
    made.ok("register-peer", "box")
    made.env["HIVE_SOCKET"] = str(made.socket_of("box"))
    yield made
    made.close()


def shell(
    hive: HiveOnDisk, line: str, directory: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", f"exec {PROGRAMS}/{line}"],
        env=hive.env,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("hive-c0re list >/dev/full", 1, "cannot be written: No space left"),
        ("hive-c0re list >&-", 0, ""),
        ("hive-c0re list <&- >&- 2>&-", 0, ""),
        ("hive-c0re --help >/dev/full", 1, "cannot be written: No space left"),
        ("hive-c0re list --help >/dev/full", 1, "cannot be written: No space left"),
        ("hive-c0re --version >/dev/full", 1, "cannot be written: No space left"),
        ("hive-c0re 2>/dev/full", 2, ""),
        ("hive-c0re nosuch 2>/dev/full", 2, ""),
        ("hive-c0re status nobody 2>/dev/full", 4, ""),
        ("hive-c0re status nobody 2>&-", 4, ""),
        ("hive-c0re send box </dev/zero", 5, "standard input has more than 1048576 bytes"),
        ("hive-ag3nt whoami >/dev/full", 1, "cannot be written: No space left"),
        ("hive-ag3nt --help >/dev/full", 1, "cannot be written: No space left"),
        ("hive-ag3nt nosuch 2>/dev/full", 2, ""),
        ("hive-ag3nt send nobody x 2>/dev/full", 4, ""),
        ("hive-ag3nt send nobody x 2>&-", 4, ""),
        ("hive-ag3nt send operator </dev/zero", 5, "standard input has more than 1048576 bytes"),
        ("hive-ag3nt hook </dev/zero", 0, "standard input has more than 67108864 bytes"),
        ("hive-ag3nt hook <&- >&- 2>&-", 0, ""),
        ("hive-ag3nt mcp <&- >&- 2>&-", 0, ""),
    ],
)
def test_a_stream_that_is_closed_full_or_endless(
    shared: HiveOnDisk, line: str, status: int, said: str
) -> None:
    done = shell(shared, line)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert bool(said) == bool(done.stderr)
    assert len(done.stderr.splitlines()) <= 1, "one sentence"


def test_a_hook_does_not_wait_for_the_end_of_an_endless_event(shared: HiveOnDisk) -> None:
    reading, writing = os.pipe()
    try:
        done = subprocess.run(
            [PROGRAMS / "hive-ag3nt", "hook"],
            env=shared.env,
            stdin=reading,
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
    finally:
        os.close(reading)
        os.close(writing)
    assert done.returncode == 0
    assert "standard input did not end in time" in done.stderr


def test_a_hook_whose_output_is_full_says_so_and_disturbs_no_session(shared: HiveOnDisk) -> None:
    shared.ok("send", "box", "news")
    done = shell(shared, "hive-ag3nt hook >/dev/full")
    assert (done.returncode, done.stdout) == (0, "")
    assert "the output cannot be written: No space left on device" in done.stderr


def test_a_tool_server_whose_client_takes_nothing_ends_with_a_sentence(shared: HiveOnDisk) -> None:
    ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}\n'
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [PROGRAMS / "hive-ag3nt", "mcp"],
            env=shared.env,
            input=ping.encode(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=30,
        )
    assert done.returncode == 1
    [sentence] = done.stderr.decode().splitlines()
    assert "does not take the answers" in sentence


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("hive-c0re list", 0, ""),
        ("hive-ag3nt whoami", 0, ""),
        ("hive-c0re backup x", 1, "the working directory of this program is gone"),
        ("hive-c0re spawn a --cwd . -- cat", 1, "the working directory of this program is gone"),
        ("hive-c0re serve --run-dir x", 1, "the working directory of this program is gone"),
        ("hive-c0re check x.toml", 7, "cannot read x.toml"),
    ],
)
def test_a_working_directory_that_vanished(
    shared: HiveOnDisk, tmp_path: Path, line: str, status: int, said: str
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        ["/bin/sh", "-c", f'rmdir "$0" && exec {PROGRAMS}/{line}', gone],
        cwd=gone,
        env=shared.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_daemon_whose_working_directory_vanished_serves_on(
    hive: HiveOnDisk, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    hive.wrapper = ("/bin/sh", "-c", 'cd "$0" && exec "$@"', str(gone))
    hive.start()
    gone.rmdir()
    hive.ok("spawn", "a", "--", "/bin/cat")
    hive.until_state("a", "running")
    assert hive.interrupt() == 0


AFTERWARDS = (
    {"cmd": "list"},
    {"cmd": "agent_status"},
    {"cmd": "tree"},
    {"cmd": "register_peer", "name": "box"},
    {"cmd": "send", "to": "operator", "body": "x"},
    {"cmd": "inbox"},
    {"cmd": "search", "text": "x"},
    {"cmd": "events"},
    {"cmd": "dead_letters"},
    {"cmd": "questions"},
    {"cmd": "turns", "name": "early"},
    {"cmd": "logs", "name": "early"},
    {"cmd": "pending"},
    {"cmd": "deploys"},
    {"cmd": "limits"},
    {"cmd": "spawn", "name": "late", "exec": ["/bin/sleep", "1000"]},
    {"cmd": "restart", "name": "early"},
    {"cmd": "rename", "name": "late", "new": "later", "restart": True},
    {"cmd": "destroy", "name": "early"},
    {"cmd": "unregister_peer", "name": "box"},
)
"""Requests of all rooms: what one of them imported only now would be gone."""


def test_a_daemon_whose_package_was_removed_serves_on(hive: HiveOnDisk, tmp_path: Path) -> None:
    """As after an upgrade that replaces the files under a running daemon."""
    installed = tmp_path / "installed"
    for each in (actors, package):
        source = Path(each.__file__).parent
        shutil.copytree(source, installed / source.name)
    before = hive.env.get("PYTHONPATH")
    hive.env["PYTHONPATH"] = str(installed)
    hive.start()
    hive.ok("spawn", "early", "--exec", "--", "/bin/sleep", "1000")
    hive.until_state("early", "running")
    shutil.rmtree(installed)
    with BlockingClient(hive.run_dir / "host.sock") as operator:
        refused = {}
        for request in AFTERWARDS:
            try:
                operator.call(request, 20)
            except Exception as error:
                refused[request["cmd"]] = repr(error)
    assert refused == {}
    hive.env["PYTHONPATH"] = before or str(Path(package.__file__).parents[1])
    assert hive.interrupt() == 0
    assert "ModuleNotFoundError" not in hive.output()
    assert "Traceback" not in hive.output()
    assert eventually(lambda: "daemon_stopping" in hive.output(), what="the last events")
