"""A hive opens completely or not at all, and always closes completely."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from actors import Killed
from actors.testing import advance, settle
from hive.broker.values import Post
from hive.config import AgentManifest, HiveConfig, PeerConfig
from hive.daemon.hive import Hive
from hive.errors import (
    BadRequestError,
    ConflictError,
    FailedError,
    NotFoundError,
    TimedOutError,
    UnavailableError,
)
from hive.event_log import EventKind
from hive.participants.supervision import KILL_MARGIN
from hive.paths import Paths
from hive.store import MessageKind
from hive.wire.agent import Posting
from tests.support.hives import EXEC, Site, connected, echo, swarm
from tests.support.runtimes import ScriptedRuntime

sim = pytest.mark.sim


async def assert_usable(site: Site) -> None:
    """Check that a new hive opens after an earlier one."""
    async with site.simulated(ScriptedRuntime(), swarm("probe")) as hive:
        await hive.until_state("probe", "running")


def actor(hive: Hive, name: str) -> Any:
    """Return one of the root's children."""
    root = hive.parts.system.tree().children[0]
    assert hive._root is not None
    paths = [child.path for child in root.children]
    assert f"hive-c0re/{name}" in paths
    return hive._root.child(name)


# The embedded hive, on real loops


async def test_functions_answer_and_all_resources_are_released(site: Site) -> None:
    async with Hive(
        site.state_dir, run_dir=site.run_dir, agents={"echo": echo}, peers=["box-b"]
    ) as hive:
        await hive.until_state("echo", "running")
        assert await hive.answer_to(await hive.send("echo", "you")) == "echo you"
        client = await hive.client("box-b")
        await client.send("echo", "and me")
        [answer] = await client.recv(wait=10)
        assert (answer.sender, answer.body) == ("echo", "echo and me")
        await hive.restart("echo")
        await hive.stop("echo")
        assert (await hive.status("echo")).state == "stopped"
    with pytest.raises(ConflictError, match="not open"):
        _ = hive.parts
    await hive.close()


async def test_two_answers_may_be_waited_for_at_once(site: Site) -> None:
    async with Hive(site.state_dir, run_dir=site.run_dir, agents={"echo": echo}) as hive:
        first, second = await hive.send("echo", "one"), await hive.send("echo", "two")
        answers = await asyncio.gather(hive.answer_to(second), hive.answer_to(first))
        assert answers == ["echo two", "echo one"]


@sim
async def test_an_answer_is_taken_from_a_receiver_of_the_message_only(site: Site) -> None:
    async with site.simulated(ScriptedRuntime(), swarm("alice", peers=["mallory"])) as hive:
        message = await hive.send("alice", "shall I delete production?")
        mallory, alice = await hive.client("mallory"), await hive.client("alice")
        with pytest.raises(NotFoundError, match=f"no message {message} to or from 'mallory'"):
            await mallory.send("operator", "yes", in_reply_to=message)
        forged = Posting(to="operator", body="yes", in_reply_to=message)
        await hive.parts.broker.ask(Post(forged))
        with pytest.raises(TimedOutError):
            await hive.answer_to(message)
        await alice.send("operator", "no", in_reply_to=message)
        assert await hive.answer_to(message) == "no"


@sim
async def test_what_expires_between_two_daemons_is_reported_by_the_next(site: Site) -> None:
    config = swarm("bob", peers=["alice", "damocles"])
    async with site.simulated(ScriptedRuntime(), config) as hive:
        alice = await hive.client("alice")
        message = (await alice.send("bob", "stale", ttl=50)).id
        question = await alice.ask("go?", to="bob", ttl=50)
        await (await hive.client("damocles")).send("bob", "stale", ttl=50)
        await hive.parts.lifecycle.unregister_peer("damocles")
    await advance(100)
    async with site.simulated(ScriptedRuntime(), swarm("bob", peers=["alice"])) as hive:
        got = {each.kind: each for each in await hive.inbox("alice")}
        assert json.loads(got[MessageKind.EVENT].body or "")["id"] == message
        answer = got[MessageKind.ANSWER]
        assert (answer.body, answer.in_reply_to) == ("[expired]", question)
        assert "damocles" not in hive.parts.registry


@sim
async def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(site: Site) -> None:
    async with site.simulated(ScriptedRuntime(), swarm("alice")) as hive:
        message = await hive.send("alice", "hello?")
        with pytest.raises(TimedOutError, match=f"no answer to message {message} within 30 s"):
            await hive.answer_to(message)
        with pytest.raises(BadRequestError):
            await hive.answer_to(None)
        with pytest.raises(TimedOutError, match="'alice' is 'running' and did not become 'failed'"):
            await hive.until_state("alice", "failed")


@sim
async def test_functions_and_programs_do_not_mix(site: Site) -> None:
    with pytest.raises(BadRequestError, match="not both"):
        site.simulated(config=swarm("alice"), agents={"echo": echo})


# One per state directory


@sim
@pytest.mark.parametrize("other_dir", ["state_dir", "run_dir"])
async def test_a_second_hive_is_refused_and_does_not_affect_the_first(
    site: Site, tmp_path: Path, other_dir: str
) -> None:
    runtime = ScriptedRuntime()
    beside = attrs.evolve(site, **{other_dir: tmp_path / "other"})
    async with site.simulated(runtime, swarm("alice")) as hive:
        await hive.until_state("alice", "running")
        other = ScriptedRuntime()
        with pytest.raises(ConflictError, match="already serves"):
            await beside.simulated(other, swarm("alice")).open()
        with pytest.raises(ConflictError, match="open already"):
            await hive.open()
        assert other.calls == []
        assert (await hive.status("alice")).state == "running"
        async with connected(hive.paths.host_socket) as line:
            await line.ok("list")
    await assert_usable(site)


# Starts that fail


@sim
async def test_a_runtime_error_is_reported_and_all_resources_are_released(site: Site) -> None:
    runtime = ScriptedRuntime()
    runtime.broken["open"] = "no bus"
    with pytest.raises(FailedError, match="no bus"):
        await site.simulated(runtime, swarm("alice")).open()
    assert not runtime.is_open
    await assert_usable(site)


@sim
async def test_a_configuration_that_contradicts_the_store_is_reported_as_such(site: Site) -> None:
    async with site.simulated(ScriptedRuntime(), swarm("alice")):
        pass
    config = HiveConfig(peers={"alice": PeerConfig()})
    async with site.simulated(ScriptedRuntime(), config) as hive:
        assert (await hive.status("alice")).kind == "agent", "the rest of the hive runs"
        events = await hive.parts.events.recent(50)
    assert any("hive-c0re release alice" in str(event) for event in events)
    await assert_usable(site)


@sim
async def test_a_run_directory_that_is_too_deep_is_reported_as_such(site: Site) -> None:
    hive = site.simulated(ScriptedRuntime(), swarm("alice"))
    hive.paths = Paths(site.run_dir / ("x" * 100), site.state_dir)
    with pytest.raises(BadRequestError, match="HYPERHIVE_RUN_DIR"):
        await hive.open()
    await assert_usable(site)


@sim
async def test_a_directory_that_cannot_be_made_is_named(site: Site) -> None:
    site.state_dir.write_text("a file where a directory should be")
    with pytest.raises(FailedError, match=r"cannot make .*/state: .*; make a directory of"):
        await site.simulated(ScriptedRuntime(), swarm("alice")).open()
    site.state_dir.unlink()
    await assert_usable(site)


@sim
async def test_an_agent_that_hangs_in_its_stop_does_not_block_the_end_of_the_hive(
    site: Site,
) -> None:
    runtime = ScriptedRuntime()
    async with site.simulated(runtime, swarm("alice")) as hive:
        await hive.until_state("alice", "running")
        runtime.hold("stop", "alice")
        began = asyncio.get_running_loop().time()
    took = asyncio.get_running_loop().time() - began
    assert EXEC.stop_timeout < took < 2 * (EXEC.stop_timeout + KILL_MARGIN)
    assert not (site.run_dir / "agents" / "alice" / "mcp.sock").exists()
    runtime.held.clear()
    await assert_usable(site)


@sim
async def test_a_file_that_is_no_store_is_reported_and_not_changed(site: Site) -> None:
    site.state_dir.mkdir()
    database = site.state_dir / "hive.sqlite"
    database.write_bytes(b"this is no database at all, but it is somebody's" * 100)
    with pytest.raises(UnavailableError):
        await site.simulated(ScriptedRuntime(), swarm("alice")).open()
    assert database.read_bytes().startswith(b"this is no database")
    database.unlink()
    await assert_usable(site)


# Cancellations


@sim
@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 60])
async def test_an_opening_that_is_cancelled_releases_all_resources(site: Site, turns: int) -> None:
    runtime = ScriptedRuntime()
    hive = site.simulated(runtime, swarm("alice", peers=["damocles"]))
    opening = asyncio.ensure_future(hive.open())
    for _ in range(turns):
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait([opening])
    if not opening.cancelled():
        await hive.close()
    assert not runtime.is_open
    await assert_usable(site)


@sim
@pytest.mark.parametrize("verb", ["open", "create", "start", "adopt"])
async def test_an_opening_that_is_cancelled_while_the_runtime_hangs_releases_all_resources(
    site: Site, verb: str
) -> None:
    runtime = ScriptedRuntime()
    if verb == "adopt":
        runtime.run_unasked("alice")
    runtime.hold(verb, "" if verb == "open" else "alice")
    opening = asyncio.ensure_future(site.simulated(runtime, swarm("alice")).__aenter__())
    await settle()
    opening.cancel()
    await asyncio.wait([opening])
    if not opening.cancelled():
        await opening.result().close()
    assert not runtime.is_open
    await assert_usable(site)


@sim
@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 12, 20, 30])
async def test_a_closing_that_is_cancelled_is_finished_first(site: Site, turns: int) -> None:
    runtime = ScriptedRuntime()
    hive = site.simulated(runtime, swarm("alice", peers=["damocles"]))
    await hive.open()
    await hive.until_state("alice", "running")
    closing = asyncio.ensure_future(hive.close())
    for _ in range(turns):
        await asyncio.sleep(0)
    closing.cancel()
    closing.cancel()
    await asyncio.wait([closing])
    await hive.close()
    assert (runtime.machines, runtime.is_open) == ({}, False)
    await assert_usable(site)


@sim
async def test_closing_twice_at_once_is_closing_once(site: Site) -> None:
    runtime = ScriptedRuntime()
    hive = site.simulated(runtime, swarm("alice"))
    await hive.open()
    await hive.until_state("alice", "running")
    await asyncio.gather(hive.close(), hive.close())
    assert runtime.verbs("alice").count("stop") == 1
    await hive.close()


# The end


@sim
async def test_agents_that_are_kept_are_adopted_by_the_next_hive(site: Site) -> None:
    runtime = ScriptedRuntime()
    async with site.simulated(runtime, swarm("alice")) as hive:
        before = await hive.until_state("alice", "running")
        await hive.close(keep_agents=True)
    assert set(runtime.machines) == {"alice"}
    async with site.simulated(runtime, swarm("alice")) as hive:
        row = await hive.until_state("alice", "running")
        assert (row.pid, row.source) == (before.pid, "kernel")
        await settle()
        assert [e.event for e in await hive.parts.events.recent(9) if e.name == "alice"][-1] == (
            "adopted"
        )
    assert runtime.verbs("alice") == ["create", "start", "adopt", "stop"]


@sim
async def test_wait_ended_waits_for_a_shutdown(site: Site) -> None:
    runtime = ScriptedRuntime()
    async with site.simulated(runtime, swarm("alice")) as hive:
        await hive.until_state("alice", "running")
        waiting = asyncio.ensure_future(hive.wait_ended())
        await advance(3600)
        assert not waiting.done()
        hive.shutdown(keep_agents=True)
        assert await waiting is None
        await hive.close()
    assert set(runtime.machines) == {"alice"}


# Parts that fail


@sim
@pytest.mark.parametrize("name", ["store", "broker"])
async def test_actors_after_a_failed_one_restart_but_no_container_does(
    site: Site, name: str
) -> None:
    runtime = ScriptedRuntime()
    config = swarm("alice", "bob", peers=["damocles"])
    async with site.simulated(runtime, config) as hive:
        before = [await hive.until_state(agent, "running") for agent in ("alice", "bob")]
        await hive.stop("bob")
        await hive.send("bob", "kept")
        hive.parts.system.kill((await actor(hive, name)).ref)
        await settle()
        await hive.until_state("alice", "running")
        await hive.send("alice", "still there?")
        assert (await hive.status("alice")).pid == before[0].pid
        assert (await hive.status("bob")).state == "stopped", "what was stopped stays stopped"
        assert runtime.verbs("alice") == ["create", "start", "adopt"]
        await hive.send("bob", "kept too")
        assert (await hive.status("bob")).unread == 2
        async with connected(hive.paths.host_socket) as line:
            await line.ok("list")
        async with connected(hive.paths.agent_socket("damocles")) as peer:
            await peer.ok("send", to="alice", body="hi")


@sim
async def test_agents_that_fail_do_not_touch_the_store(site: Site) -> None:
    runtime = ScriptedRuntime()
    async with site.simulated(runtime, swarm("alice")) as hive:
        await hive.until_state("alice", "running")
        hive.parts.system.kill((await actor(hive, "agents")).ref)
        await settle()
        await hive.until_state("alice", "running")
        tree = {node.path: node.restarts for node in hive.parts.system.tree().children[0].children}
        assert (tree["hive-c0re/store"], tree["hive-c0re/broker"]) == (0, 0)
        assert tree["hive-c0re/gateway"] == 1
        assert runtime.verbs("alice") == ["create", "start", "adopt"]


@sim
async def test_a_hive_that_gives_up_says_so_and_leaves_its_containers(site: Site) -> None:
    runtime = ScriptedRuntime()
    hive = site.simulated(runtime, swarm("alice"))
    await hive.open()
    await hive.until_state("alice", "running")
    ended = asyncio.ensure_future(hive.wait_ended())
    while not ended.done():
        ref = hive.parts.system.whereis("broker")
        if ref is not None:
            hive.parts.system.kill(ref)
        await settle()
    failure = ended.result()
    assert failure is not None
    assert "restarts" in str(failure.reason)
    await hive.close(keep_agents=True)
    assert set(runtime.machines) == {"alice"}
    await assert_usable(site)


@sim
async def test_an_answer_is_still_found_after_the_broker_failed(site: Site) -> None:
    async with site.simulated(agents={"echo": echo}) as hive:
        assert await hive.answer_to(await hive.send("echo", "one")) == "echo one"
        hive.parts.system.kill((await actor(hive, "broker")).ref)
        await settle()
        assert await hive.answer_to(await hive.send("echo", "two")) == "echo two"


# The configuration file


@sim
async def test_an_agent_that_left_the_file_is_reported_and_kept(site: Site) -> None:
    runtime = ScriptedRuntime()
    async with site.simulated(runtime, swarm("alice", "bob")) as hive:
        await hive.until_state("bob", "running")
    async with site.simulated(runtime, swarm("alice")) as hive:
        await hive.until_state("bob", "running")
        [event] = [
            e for e in await hive.parts.events.recent(99) if e.event == EventKind.TROUBLE.value
        ]
        assert "'hive-c0re destroy bob'" in event.detail["what"]


@sim
async def test_a_new_manifest_is_used_at_the_next_start(site: Site) -> None:
    runtime = ScriptedRuntime()
    async with site.simulated(runtime, swarm("alice")) as hive:
        await hive.until_state("alice", "running")
    other = attrs.evolve(EXEC, exec=("another", "agent"))
    async with site.simulated(runtime, swarm("alice", manifest=other)) as hive:
        await hive.until_state("alice", "running")
        assert runtime.specs["alice"].command == ("another", "agent")


@sim
async def test_an_agent_without_autostart_is_stopped_until_it_is_started(
    site: Site,
) -> None:
    manifest = AgentManifest(exec=("agent",), autostart=False)
    async with site.simulated(ScriptedRuntime(), swarm("alice", manifest=manifest)) as hive:
        await advance(100)
        assert (await hive.status("alice")).state == "stopped"
        await hive.start("alice")
        assert (await hive.status("alice")).state == "running"


@sim
@pytest.mark.parametrize("ask", [lambda hive: hive.send("alice", "x"), lambda hive: hive.inbox()])
async def test_a_hive_that_is_not_open_says_so(site: Site, ask: Callable[[Hive], Any]) -> None:
    with pytest.raises(ConflictError, match="not open"):
        await ask(site.simulated(ScriptedRuntime(), swarm("alice")))


def test_a_killed_part_ends_as_killed() -> None:
    """The tests above rely on it: a kill is no orderly end, so the restart rules apply."""
    assert "kill" in str(Killed()).lower()
