"""A request that fails leaves nothing behind; one that cannot succeed changes nothing at all."""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest

from actors.testing import advance, settle
from hive.config import AgentManifest, Bind, manifest_to_json
from hive.daemon.hive import Hive
from hive.errors import BadRequestError, ConfigError, ConflictError, FailedError, UnknownNameError
from hive.names import container_name
from hive.store import Desired
from hive.store.move_rows import UnfinishedMove, unfinished
from tests.support.hives import EXEC, Site, connected, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim

LACKING = AgentManifest(exec=("agent",), binds=(Bind(Path("/no/such/source"), Path("/data")),))
LACK = "there is no /no/such/source; create it"


@pytest.fixture
async def runtime() -> ScriptedRuntime:
    return ScriptedRuntime()


@pytest.fixture
async def hive(site: Site, runtime: ScriptedRuntime) -> AsyncIterator[Hive]:
    async with site.simulated(runtime, swarm("alice", "bob", peers=["damocles"])) as opened:
        await opened.until_state("alice", "running")
        runtime.calls.clear()
        yield opened


async def assert_nothing_of(hive: Hive, name: str) -> None:
    """Check registry, store, tree, sockets and broker."""
    await settle()
    assert name not in hive.parts.registry
    assert name not in {each.name for each in await hive.parts.store.participants()}
    supervisors = hive.parts.supervision._supervisors
    children = [*await supervisors.agents.children(), *await supervisors.peers.children()]
    assert name not in {each.id for each in children}
    assert not hive.paths.agent_socket(name).exists()
    with pytest.raises(UnknownNameError):
        await hive.send(name, "nobody is there")


# Spawn


async def test_an_agent_that_cannot_be_started_is_not_created_and_the_corrected_spawn_works(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    runtime.failing_starts["carol"] = deque(["no such image"])
    with pytest.raises(FailedError, match="no such image; nothing is left of it"):
        await hive.parts.lifecycle.spawn("carol", EXEC)
    await assert_nothing_of(hive, "carol")
    assert runtime.verbs("carol")[-1] == "purge"
    await hive.parts.lifecycle.spawn("carol", EXEC)
    assert (await hive.status("carol")).state == "running"


async def test_the_files_and_the_mail_of_an_earlier_agent_of_the_name_stay(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    await hive.send("alice", "keep me")
    hive.paths.agent_state("alice").mkdir(parents=True)
    await hive.parts.lifecycle.destroy("alice", purge=False)
    runtime.failing_starts["alice"] = deque(["no such image"])
    with pytest.raises(FailedError, match="nothing is left of it"):
        await hive.parts.lifecycle.spawn("alice", EXEC)
    await assert_nothing_of(hive, "alice")
    assert runtime.verbs("alice")[-1] == "destroy"
    assert hive.paths.agent_state("alice").exists()
    await hive.parts.lifecycle.spawn("alice", EXEC)
    assert [message.body for message in await hive.inbox("alice")] == ["keep me"]


async def test_what_is_missing_refuses_a_spawn_before_anything_is_made(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    with pytest.raises(ConfigError, match=f"'carol' is not started: .*{LACK}"):
        await hive.parts.lifecycle.spawn("carol", LACKING)
    await assert_nothing_of(hive, "carol")
    assert runtime.verbs("carol") == []


async def test_a_container_that_was_there_before_a_failed_spawn_stays(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    runtime.existing |= {"carol", "alice"}
    runtime.failing_starts["carol"] = deque(["its bind is missing"])
    with pytest.raises(FailedError, match="its bind is missing; nothing is left of it"):
        await hive.parts.lifecycle.spawn("carol", EXEC)
    await assert_nothing_of(hive, "carol")
    assert "carol" in runtime.existing
    await hive.parts.lifecycle.destroy("alice", purge=False)
    assert "alice" not in runtime.existing, "a request to remove it does"


async def test_a_start_by_another_request_waits_until_it_is_undone_and_is_refused(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    runtime.failing_starts["carol"] = deque(["no such image"])
    release = runtime.hold("purge", "carol")
    spawning = asyncio.ensure_future(hive.parts.lifecycle.spawn("carol", EXEC))
    await settle()
    starting = asyncio.ensure_future(hive.start("carol"))
    await settle()
    release.set()
    outcomes = await asyncio.gather(spawning, starting, return_exceptions=True)
    assert [type(each) for each in outcomes] == [FailedError, ConflictError]
    await assert_nothing_of(hive, "carol")


async def test_a_spawn_that_is_cancelled_while_it_is_undone_leaves_nothing_either(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    runtime.failing_starts["carol"] = deque(["no such image"])
    release = runtime.hold("purge", "carol")
    spawning = asyncio.ensure_future(hive.parts.lifecycle.spawn("carol", EXEC))
    await settle()
    spawning.cancel()
    await settle()
    release.set()
    await asyncio.wait([spawning])
    assert spawning.cancelled()
    await assert_nothing_of(hive, "carol")


async def test_files_that_cannot_be_removed_are_told(hive: Hive, runtime: ScriptedRuntime) -> None:
    runtime.failing_starts["carol"] = deque(["no such image"])
    runtime.broken["purge"] = "the disk is read-only"
    with pytest.raises(FailedError, match=r"no such image; .*the disk is read-only"):
        await hive.parts.lifecycle.spawn("carol", EXEC)


# Start and restart


async def test_what_is_missing_refuses_a_start_and_the_desired_state_stays(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    await hive.stop("alice")
    agent = hive.parts.registry.agent("alice")
    await hive.parts.registry.save(agent, manifest=manifest_to_json(LACKING))
    with pytest.raises(ConfigError, match=f"'alice' is not started: .*{LACK}"):
        await hive.start("alice")
    assert agent.record.desired is Desired.STOPPED
    assert (await hive.status("alice")).state == "stopped"


async def test_what_is_missing_refuses_a_restart_and_the_agent_runs_on(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    agent = hive.parts.registry.agent("alice")
    await hive.parts.registry.save(agent, manifest=manifest_to_json(LACKING))
    for act in (hive.restart, hive.parts.lifecycle.rebuild, hive.parts.lifecycle.apply):
        with pytest.raises(ConfigError, match=LACK):
            await act("alice")
    assert runtime.verbs("alice") == []
    assert (await hive.status("alice")).state == "running"


async def test_what_is_missing_refuses_an_adoption_and_the_peer_stays_one(hive: Hive) -> None:
    with pytest.raises(ConfigError, match=LACK):
        await hive.parts.moves.adopt("damocles", LACKING)
    assert hive.parts.registry.peer("damocles").is_listening


async def test_a_bind_is_no_reason_where_it_has_no_effect(hive: Hive) -> None:
    checks = hive.parts.agent_services.checks
    found = await asyncio.to_thread(checks.problems, LACKING)
    wanted = f"bind[0].source: {LACK}, mount what belongs there, or set create = true beside it"
    assert found == [wanted]
    as_process = attrs.evolve(checks, runtime="process")
    present = attrs.evolve(LACKING, exec=("/bin/sh",))
    assert await asyncio.to_thread(as_process.problems, present) == []


# Peers


LONG = "p" * 32
"""The longest name of a peer."""


async def test_a_socket_path_that_is_too_long_refuses_a_peer_before_anything_is_made(
    site: Site, runtime: ScriptedRuntime
) -> None:
    room = 107 - len("/agents/alice/mcp.sock") - len(str(site.run_dir))
    deep = attrs.evolve(site, run_dir=site.run_dir / ("d" * (room - 1)))
    async with deep.simulated(runtime, swarm("alice")) as hive:
        with pytest.raises(BadRequestError, match="the kernel allows 107"):
            await hive.register_peer(LONG)
        await assert_nothing_of(hive, LONG)
        assert not hive.paths.socket_dir(LONG).exists()
        await hive.register_peer("lab")
        with pytest.raises(BadRequestError, match="the kernel allows 107"):
            await hive.parts.renames.rename("lab", LONG)
        assert hive.parts.registry.peer("lab").is_listening


async def test_a_peer_whose_directory_cannot_be_made_is_not_registered(hive: Hive) -> None:
    hive.paths.socket_dir("lab").write_text("a file in its place")
    with pytest.raises(FailedError, match="lab"):
        await hive.register_peer("lab")
    await assert_nothing_of(hive, "lab")
    hive.paths.socket_dir("lab").unlink()
    await hive.register_peer("lab")
    assert hive.parts.registry.peer("lab").is_listening


async def test_mail_for_an_earlier_peer_of_the_name_stays_after_a_failed_registration(
    hive: Hive,
) -> None:
    await hive.register_peer("lab")
    await hive.send("lab", "keep me")
    await hive.parts.lifecycle.unregister_peer("lab", force=True)
    directory = hive.paths.socket_dir("lab")
    if directory.exists():
        directory.rmdir()
    directory.write_text("a file in its place")
    with pytest.raises(FailedError):
        await hive.register_peer("lab")
    await assert_nothing_of(hive, "lab")
    directory.unlink()
    await hive.register_peer("lab")
    assert [message.body for message in await hive.inbox("lab")] == ["keep me"]


async def test_a_failed_change_of_a_peer_changes_none_of_its_settings(
    site: Site, runtime: ScriptedRuntime
) -> None:
    site.run_dir.joinpath("agents").mkdir()
    site.run_dir.joinpath("agents", "damocles").write_text("a file in its place")
    async with site.simulated(runtime, swarm(peers=["damocles"])) as hive:
        await settle()
        with pytest.raises(FailedError):
            await hive.parts.lifecycle.register_peer("damocles", description="the other session")
        assert hive.parts.registry.peer("damocles").record.description is None
        row = await hive.status("damocles")
        assert "damocles" in str(row.reason)


# Renames and groups


async def test_a_rename_that_fails_after_the_stop_starts_the_agent_again(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    release = runtime.hold("stop", "alice")
    renaming = asyncio.ensure_future(hive.parts.renames.rename("alice", "carol", restart=True))
    await settle()
    await hive.parts.lifecycle.spawn("carol", EXEC)
    release.set()
    with pytest.raises(ConflictError, match="already a participant 'carol'"):
        await renaming
    assert (await hive.status("alice")).state == "running"
    assert (await hive.status("carol")).state == "running"


async def test_a_rename_that_could_not_start_the_agent_again_does_not_stop_it(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    agent = hive.parts.registry.agent("alice")
    await hive.parts.registry.save(agent, manifest=manifest_to_json(LACKING))
    with pytest.raises(ConfigError, match=LACK):
        await hive.parts.renames.rename("alice", "carol", restart=True)
    assert (await hive.status("alice")).state == "running"
    assert runtime.verbs("alice") == []
    assert container_name("alice") == "h-alice"


async def test_one_unknown_name_changes_nothing_of_a_group(hive: Hive) -> None:
    async with connected(hive.paths.host_socket) as line:
        await line.ok("change_group", name="team", add=["alice"])
        code, _ = await line.refused("change_group", name="team", add=["bob", "nobody"])
        assert code == "unknown_name"
        assert (await line.ok("groups"))["groups"] == {"team": ["alice"]}


async def state_of(hive: Hive, name: str) -> tuple[object, ...]:
    """Return what a rename of a peer must leave as it was."""
    record = {each.name: each for each in await hive.parts.store.participants()}[name]
    async with connected(hive.paths.host_socket) as line:
        groups = (await line.ok("groups"))["groups"]
    return record, groups, [each.body for each in await hive.inbox(name)], await unfinished_of(hive)


async def unfinished_of(hive: Hive) -> list[UnfinishedMove]:
    return await hive.parts.store.read(unfinished)


@pytest.fixture
async def before_rename(hive: Hive) -> tuple[object, ...]:
    async with connected(hive.paths.host_socket) as line:
        await line.ok("change_group", name="team", add=["damocles", "bob"])
    await hive.send("damocles", "keep me")
    hive.paths.agent_state("damocles").mkdir(parents=True)
    return await state_of(hive, "damocles")


async def test_a_rename_of_a_peer_whose_socket_cannot_be_opened_leaves_all_as_it_was(
    hive: Hive, before_rename: tuple[object, ...]
) -> None:
    socket = hive.paths.agent_socket("damocles")
    await hive.parts._sockets.close(hive.parts.registry.peer("damocles"))
    socket.mkdir()
    with pytest.raises(FailedError, match=r"'damocles' keeps its name: .*mcp.sock: Is a directory"):
        await hive.parts.renames.rename("damocles", "lab")
    assert await state_of(hive, "damocles") == before_rename
    await assert_nothing_of(hive, "lab")
    assert not hive.paths.agent_dir("lab").exists()
    assert hive.paths.agent_state("damocles").exists()
    socket.rmdir()
    await advance(30)
    assert hive.parts.registry.peer("damocles").is_listening
    await hive.parts.renames.rename("damocles", "lab")
    assert [each.body for each in await hive.inbox("lab")] == ["keep me"]


@pytest.mark.parametrize("stays", ["agent_dir", "socket_dir"])
async def test_a_rename_of_a_peer_whose_files_cannot_be_moved_leaves_all_as_it_was(
    site: Site,
    hive: Hive,
    runtime: ScriptedRuntime,
    before_rename: tuple[object, ...],
    monkeypatch: pytest.MonkeyPatch,
    stays: str,
) -> None:
    immovable, move = getattr(hive.paths, stays)("damocles"), Path.rename

    def rename(path: Path, target: Path) -> Path:
        if path == immovable:
            raise PermissionError(errno.EPERM, "Operation not permitted", str(path))
        return move(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(FailedError, match=r"'damocles' keeps its name: .*Operation not permitted"):
        await hive.parts.renames.rename("damocles", "lab")
    assert await state_of(hive, "damocles") == before_rename
    await assert_nothing_of(hive, "lab")
    assert hive.paths.agent_state("damocles").exists()
    assert hive.parts.registry.peer("damocles").is_listening
    await hive.close()
    async with site.simulated(runtime, swarm("alice", "bob", peers=["damocles"])) as again:
        assert again.paths.agent_state("damocles").exists(), "nothing is left to finish"
        assert not again.paths.agent_dir("lab").exists()
        assert [each.body for each in await again.inbox("damocles")] == ["keep me"]


async def test_a_mount_at_a_directory_of_a_participant_refuses_a_rename(
    hive: Hive, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = hive.paths.socket_dir("alice")
    monkeypatch.setattr(Path, "is_mount", lambda path: path == mounted)
    with pytest.raises(ConflictError, match=f"something is mounted at {mounted}"):
        await hive.parts.renames.rename("alice", "carol", restart=True)
    assert (await hive.status("alice")).state == "running"
