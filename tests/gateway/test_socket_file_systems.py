"""Directories of sockets that are file systems of their own, in a mount namespace of the test."""

from __future__ import annotations

import asyncio
import inspect
import os
import shutil
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from hive.gateway.inotify import RemovalWatch
from hive.gateway.sockets import Listener
from tests.gateway.scripted import Script, ScriptedConnection
from tests.support.hives import Site, connected

UNSHARE = ("unshare", "--map-root-user", "--mount", "--propagation=private")


def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run((*UNSHARE, "true"), capture_output=True, check=False).returncode == 0


def mount(*args: str | Path) -> None:
    subprocess.run(("mount", *args), check=True)


def small_file_system(directory: Path) -> None:
    directory.mkdir(parents=True)
    mount("-t", "tmpfs", "-o", "size=64k,nr_inodes=8,mode=2755", "hive", directory)


def listener_at(path: Path) -> Listener:
    return Listener(path, lambda: ScriptedConnection(Script()), removals=RemovalWatch())


async def answers(path: Path) -> bool:
    async with connected(path) as line:
        return bool((await line.ok("say", text="x"))["ok"])


async def come_back(path: Path) -> None:
    async with asyncio.timeout(10):
        while not await asyncio.to_thread(path.is_socket):
            await asyncio.sleep(0.02)
    assert await answers(path)


async def works(run_dir: Path) -> None:
    path = run_dir / "agents" / "alice" / "mcp.sock"
    small_file_system(path.parent)
    listener = listener_at(path)
    await listener.open()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert [each.name for each in path.parent.iterdir()] == ["mcp.sock"]
    path.unlink()
    await come_back(path)
    await listener.close()
    assert not path.exists()


async def full_is_the_trouble_of_one(run_dir: Path) -> None:
    path, other = (run_dir / "agents" / name / "mcp.sock" for name in ("alice", "bob"))
    small_file_system(path.parent)
    listener, neighbour = listener_at(path), listener_at(other)
    await listener.open()
    await neighbour.open()
    path.unlink()
    with suppress(OSError):
        for number in range(100):
            (path.parent / f"{number}").touch()
    async with asyncio.timeout(10):
        while listener.trouble is None:
            await asyncio.sleep(0.02)
    assert "No space left on device; free space or inodes" in listener.trouble
    assert await answers(other)
    (path.parent / "0").unlink()
    await come_back(path)
    await listener.close()
    await neighbour.close()


async def read_only_binds_do(run_dir: Path) -> None:
    inside = run_dir / "inside"
    path = run_dir / "agents" / "alice" / "mcp.sock"
    path.parent.mkdir(parents=True)
    inside.mkdir()
    mount("--bind", path.parent, inside)
    mount("-o", "remount,bind,ro", inside)
    listener = listener_at(path)
    await listener.open()
    assert await answers(inside / "mcp.sock")
    for change in (Path.unlink, lambda it: it.rename(inside / "x"), lambda it: it.chmod(0o777)):
        with pytest.raises(OSError, match="Read-only file system"):
            change(inside / "mcp.sock")
    path.unlink()
    await come_back(inside / "mcp.sock")
    await listener.close()


SCENARIOS = (works, full_is_the_trouble_of_one, read_only_binds_do)


@pytest.mark.skipif(not _may_mount(), reason="this user may not make a mount namespace")
@pytest.mark.parametrize("scenario", [each.__name__ for each in SCENARIOS])
def test_a_directory_that_is_a_mount(site: Site, scenario: str) -> None:
    argv = (*UNSHARE, sys.executable, inspect.getfile(works), scenario, str(site.run_dir))
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    name, run_dir = sys.argv[1:]
    asyncio.run(next(each for each in SCENARIOS if each.__name__ == name)(Path(run_dir)))
