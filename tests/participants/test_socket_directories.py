"""The directory of a participant's socket, in which its agent may do what it likes."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.testing import advance
from hive.daemon.hive import Hive
from hive.errors import FailedError
from hive.names import MANAGER
from tests.support.hives import EXEC, Site, connected, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim


@pytest.fixture
async def hive(site: Site) -> AsyncIterator[Hive]:
    config = swarm("alice", "bob", peers=["damocles"], manager=True)
    async with site.simulated(ScriptedRuntime(), config) as opened:
        for name in ("alice", "bob", MANAGER):
            await opened.until_state(name, "running")
        yield opened


def block(path: Path) -> None:
    """Put a directory that is not empty in place of a socket."""
    path.unlink()
    (path / "content").mkdir(parents=True)


async def answers(path: Path) -> None:
    async with connected(path) as line:
        assert await line.ok("list" if path.name == "host.sock" else "whoami")


@pytest.mark.parametrize("name", ["bob", "damocles"])
async def test_a_socket_that_is_lost_is_in_the_status_and_affects_no_other(
    hive: Hive, name: str
) -> None:
    path = hive.paths.agent_socket(name)
    block(path)
    await advance(2)
    row = await hive.status(name)
    assert row.reason == (
        f"cannot listen on {path}: Is a directory; remove the directory that is in its place"
    )
    assert (await hive.status("alice")).reason is None
    await answers(hive.paths.agent_socket("alice"))
    shutil.rmtree(path)
    await advance(2)
    assert (await hive.status(name)).reason is None
    await answers(path)


async def test_a_stop_with_a_lost_socket_is_a_stop(
    hive: Hive, caplog: pytest.LogCaptureFixture
) -> None:
    path = hive.paths.agent_socket("bob")
    block(path)
    await hive.stop("bob")
    assert (await hive.status("bob")).state == "stopped"
    with pytest.raises(FailedError, match=r"cannot listen on .*; remove the directory"):
        await hive.start("bob")
    assert (await hive.status("alice")).state == "running"
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]
    shutil.rmtree(path)
    await hive.start("bob")
    await answers(path)


async def test_a_stopped_manager_has_no_socket_whatever_it_left_behind(hive: Hive) -> None:
    async with connected(hive.paths.manager_socket) as line:
        await line.ok("whoami")
        block(hive.paths.agent_socket(MANAGER))
        await hive.stop(MANAGER)
        assert await line.reader.read() == b"", "the connection is closed"
    assert not hive.paths.manager_socket.exists()


@pytest.mark.parametrize("name", ["host.sock", "manager.sock", "agents/alice/mcp.sock"])
async def test_a_removed_socket_is_back_within_two_seconds(hive: Hive, name: str) -> None:
    path = hive.paths.run_dir / name
    path.unlink()
    await advance(2)
    await answers(path)


async def test_all_sockets_are_back_after_the_removal_of_the_run_directory(hive: Hive) -> None:
    shutil.rmtree(hive.paths.run_dir)
    await advance(2)
    sockets = [hive.paths.agent_socket(name) for name in ("alice", "bob", "damocles", MANAGER)]
    for path in (hive.paths.host_socket, hive.paths.manager_socket, *sockets):
        await answers(path)
    assert (await hive.status("alice")).reason is None


async def test_a_purge_leaves_nothing_of_an_agent_in_the_run_directory(
    hive: Hive, tmp_path: Path
) -> None:
    directory, outside = hive.paths.socket_dir("alice"), tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    (directory / "deep" / "down").mkdir(parents=True)
    (directory / "deep" / "file").touch()
    (directory / "link").symlink_to(outside)
    block(hive.paths.agent_socket("alice"))
    await hive.parts.lifecycle.destroy("alice", purge=True)
    assert not directory.exists()
    assert (outside / "file").exists()
    await hive.parts.lifecycle.spawn("alice", EXEC)
    await answers(hive.paths.agent_socket("alice"))


async def test_others_can_write_to_no_directory_of_a_hive(site: Site) -> None:
    before = os.umask(0)
    try:
        async with site.simulated(ScriptedRuntime(), swarm("alice", manager=True)) as hive:
            await hive.until_state("alice", "running")
            found = await asyncio.to_thread(_writable, site.run_dir, site.state_dir)
    finally:
        os.umask(before)
    assert not found


async def test_directories_of_an_earlier_hive_lose_the_rights_of_others(site: Site) -> None:
    for directory in (site.run_dir / "agents", site.state_dir / "agents"):
        directory.mkdir(parents=True)
        directory.chmod(0o777)
    async with site.simulated(ScriptedRuntime(), swarm("alice")):
        assert not _writable(site.run_dir / "agents", site.state_dir / "agents")


def _writable(*roots: Path) -> list[Path]:
    """Return the directories that others may write to."""
    found = [path for root in roots for path in (root, *root.rglob("*")) if path.is_dir()]
    return [path for path in found if path.stat().st_mode & 0o022]
