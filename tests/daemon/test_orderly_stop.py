"""The stop of all agents at the end: in parallel, visible, and turned into a kill on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from actors.testing import advance, settle
from hive.daemon.hive import Hive
from hive.errors import UnavailableError
from hive.exits import Exited
from hive.gateway.handlers.operator_audit import AUDITED
from hive.gateway.stopping import REFUSED
from hive.store import Desired
from hive.wire.host import HostRequest
from tests.support.hives import Line, Site, connected, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim

NAMES = ("alice", "bob", "carol")


@pytest.fixture
def runtime() -> ScriptedRuntime:
    return ScriptedRuntime()


@pytest.fixture
async def hive(site: Site, runtime: ScriptedRuntime) -> AsyncIterator[Hive]:
    async with site.simulated(runtime, swarm(*NAMES, manager=True, peers=["damocles"])) as opened:
        for name in ("hm1nd", *NAMES):
            await opened.until_state(name, "running")
        yield opened


def stopping(hive: Hive) -> asyncio.Future[None]:
    return asyncio.ensure_future(hive.stop_agents())


async def states(line: Line) -> dict[str, str]:
    rows = (await line.ok("agent_status"))["agent_statuses"]
    return {row["name"]: row["state"] for row in rows if row["kind"] != "peer"}


async def test_agents_are_stopped_in_parallel(hive: Hive, runtime: ScriptedRuntime) -> None:
    held = [runtime.hold("stop", name) for name in NAMES]
    ended = stopping(hive)
    await settle()
    assert {call.name for call in runtime.calls if call.verb == "stop"} == {"hm1nd", *NAMES}
    for each in held:
        each.set()
    await ended
    assert runtime.machines == {}


async def test_host_sock_answers_and_says_what_the_stop_waits_for(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    release = runtime.hold("stop", "alice")
    async with connected(hive.paths.host_socket) as operator:
        assert "stopping" not in await operator.ok("agent_status")
        ended = stopping(hive)
        await settle()
        await advance(8)
        sentence = "stopping: 3 of 4 agents ended, waiting for alice 8 s"
        assert (await operator.ok("agent_status"))["stopping"] == sentence == hive.stopping
        assert (await states(operator))["alice"] == "stopping"
        release.set()
        await ended
        assert set((await states(operator)).values()) == {"stopped"}
        assert (await operator.ok("agent_status"))["stopping"] == ("stopping: 4 of 4 agents ended")


async def test_many_agents_are_counted_and_not_all_named(site: Site) -> None:
    runtime = ScriptedRuntime()
    names = [f"a{number}" for number in range(8)]
    async with site.simulated(runtime, swarm(*names)) as hive:
        for name in names:
            await hive.until_state(name, "running")
            runtime.hold("stop", name)
        ended = stopping(hive)
        await settle()
        assert hive.stopping == (
            "stopping: 0 of 8 agents ended, waiting for a0, a1, a2, a3, a4 and 3 more 0 s"
        )
        for held in runtime.held.values():
            held.set()
        await ended


REQUESTS = {
    "start": {"scope": {"agent_names": ["alice"]}},
    "restart": {"name": "alice"},
    "rebuild": {"name": "alice"},
    "spawn": {"name": "dave", "exec": ["true"]},
    "destroy": {"name": "alice"},
    "estop": {},
    "thaw": {},
    "drain": {},
    "attach": {"name": "alice"},
    "open_shell": {"name": "alice"},
    "register_peer": {"name": "box-b"},
    "unregister_peer": {"name": "damocles"},
    "approve": {"id": 1},
    "deny": {"id": 1},
    "request_spawn": {"name": "dave"},
    "cancel_deploy": {"id": 1},
    "rollback": {"name": "alice"},
    "reload": {},
    "release": {"name": "alice"},
    "adopt": {"name": "damocles", "run": ["cat"]},
    "rename": {"name": "damocles", "new": "box-b"},
    "init_config": {"name": "dave"},
    "update_inputs": {},
    "schedule": {"to": "alice", "when": "every 1h", "body": "x"},
    "cancel_schedule": {"id": 1},
}


async def test_verbs_that_start_or_change_participants_are_refused_in_words(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    release = runtime.hold("stop", "alice")
    async with (
        connected(hive.paths.host_socket) as operator,
        connected(hive.paths.manager_socket) as manager,
    ):
        await operator.ok("list")
        await manager.ok("whoami")
        ended = stopping(hive)
        await settle()
        for verb, fields in REQUESTS.items():
            code, sentence = await operator.refused(verb, **fields)
            assert (code, sentence) == (
                "unavailable",
                "hive-c0re is stopping: 3 of 4 agents ended, waiting for alice 0 s; "
                "this can be done after the next 'hive-c0re serve'",
            ), verb
        async with connected(hive.paths.host_socket) as later:
            assert "is stopping" in (await later.refused("start", **REQUESTS["start"]))[1]
        release.set()
        await ended
    assert {each.__struct_config__.tag for each in REFUSED & set(HostRequest.__args__)} == set(
        REQUESTS
    )
    assert AUDITED.keys() <= REFUSED, "what changes participants"


async def test_the_manager_starts_nothing_while_the_daemon_stops(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    release = runtime.hold("stop", "hm1nd")
    async with connected(hive.paths.manager_socket) as manager:
        ended = stopping(hive)
        await settle()
        for verb in ("start", "restart", "update"):
            assert "is stopping" in (await manager.refused(verb, name="alice"))[1]
        assert (await manager.ok("whoami"))["name"] == "hm1nd"
        release.set()
        await ended


async def test_answers_that_are_given_during_the_stop_arrive(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    number = await hive.send("alice", "job")
    client = await hive.client("alice")
    [message] = await client.recv(wait=10)
    release = runtime.hold("stop", "alice")
    ended = stopping(hive)
    await settle()
    await client.send("operator", "done", in_reply_to=message.id)
    await client.ack([message.id])
    assert await hive.answer_to(number) == "done"
    release.set()
    await ended


async def test_a_restart_that_is_under_way_starts_nothing_again(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    release = runtime.hold("stop", "alice")
    restart = asyncio.ensure_future(hive.restart("alice"))
    await settle()
    ended = stopping(hive)
    await settle()
    release.set()
    with pytest.raises(UnavailableError, match="is stopping"):
        await restart
    await ended
    assert runtime.machines == {}
    assert runtime.verbs("alice").count("start") == 1


async def test_the_next_hive_starts_what_ran_and_not_what_was_stopped(
    site: Site, runtime: ScriptedRuntime
) -> None:
    config = swarm(*NAMES)
    async with site.simulated(runtime, config) as hive:
        for name in NAMES:
            await hive.until_state(name, "running")
        await hive.stop("bob")
    async with site.simulated(runtime, config) as hive:
        await hive.until_state("alice", "running")
        assert hive.parts.registry.get("bob").record.desired is Desired.STOPPED
        assert (await hive.status("bob")).state == "stopped"


async def test_an_agent_that_waits_for_its_restart_is_not_started(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    runtime.end("alice", Exited(1))
    await hive.until_state("alice", "backoff")
    await hive.stop_agents()
    await advance(100)
    assert runtime.verbs("alice").count("start") == 1
    assert (await hive.status("alice")).state == "stopped"


async def test_one_agent_that_cannot_be_stopped_holds_up_no_other(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    runtime.broken["stop"] = "no"
    await hive.stop_agents()
    assert hive.stopping == "stopping: 4 of 4 agents ended"
    runtime.broken.clear()


# Turned into a kill


async def test_a_kill_ends_what_has_not_ended(hive: Hive, runtime: ScriptedRuntime) -> None:
    for name in ("alice", "bob"):
        runtime.hold("stop", name)
    ended = stopping(hive)
    await settle()
    assert hive.kill_agents() == ["alice", "bob"]
    await settle()
    assert runtime.machines == {}
    assert sorted(call.name for call in runtime.calls if call.verb == "kill") == ["alice", "bob"]
    for held in runtime.held.values():
        held.set()
    await ended


async def test_a_kill_before_the_stop_begins_kills_at_once(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    assert hive.kill_agents() == []
    await hive.stop_agents()
    assert "stop" not in runtime.verbs("alice")
    assert "kill" in runtime.verbs("alice")


async def test_the_operator_can_end_one_agent_at_once_during_the_stop(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    release = runtime.hold("stop", "alice")
    async with connected(hive.paths.host_socket) as operator:
        ended = stopping(hive)
        await settle()
        operator.write({"cmd": "kill", "name": "alice", "force": True})
        await settle()
        assert "alice" not in runtime.machines
        release.set()
        assert (await operator.read())["ok"]
        await ended


async def test_agents_that_are_kept_are_neither_stopped_nor_killed(
    site: Site, runtime: ScriptedRuntime
) -> None:
    async with site.simulated(runtime, swarm("alice")) as hive:
        await hive.until_state("alice", "running")
        hive.shutdown(keep_agents=True)
        hive.shutdown(keep_agents=False)
        await hive.stop_agents()
        assert (hive.stopping, hive.kill_agents()) == (None, [])
    assert set(runtime.machines) == {"alice"}


async def test_a_cancelled_close_stops_all_agents(site: Site, runtime: ScriptedRuntime) -> None:
    hive = site.simulated(runtime, swarm(*NAMES))
    await hive.open()
    for name in NAMES:
        await hive.until_state(name, "running")
    closing = asyncio.ensure_future(hive.close())
    await settle()
    closing.cancel()
    await asyncio.wait([closing])
    assert runtime.machines == {}
