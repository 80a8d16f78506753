"""An operator is attached to an agent for as long as a connection lasts, and its turns wait."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from actors.testing import advance, settle
from hive.config import AgentManifest
from hive.daemon.hive import Hive
from hive.errors import NotAllowedError
from hive.machines.entrance import Entrance, entrance_of
from hive.machines.inside import SEARCH_PATH
from hive.machines.runtime import MachineSpec
from hive.store import audit
from tests.support.hives import Line, Site, connected, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim

CLAUDE = AgentManifest(driver="claude")


@pytest.fixture
async def hive(site: Site) -> AsyncIterator[Hive]:
    config = swarm("alice", "bob", peers=["damocles"], manifest=CLAUDE)
    async with site.simulated(ScriptedRuntime(), config) as opened:
        await opened.until_state("alice", "running")
        yield opened


@pytest.fixture
async def operator(hive: Hive) -> AsyncIterator[Line]:
    async with connected(hive.paths.host_socket) as line:
        yield line


@pytest.fixture
async def alice(hive: Hive) -> AsyncIterator[Line]:
    """The harness of alice, which has a conversation."""
    async with connected(hive.paths.agent_socket("alice")) as line:
        await line.ok("hello", role="harness")
        await report(line, "idle")
        yield line


async def report(line: Line, state: str) -> None:
    await line.ok("report", state=state, since=0.0, session="s-1")


async def ordered(line: Line) -> list[tuple[str, str | None]]:
    """Return the orders of a harness, each with its reason."""
    return [(each["order"], each.get("reason")) for each in (await line.ok("orders"))["orders"]]


async def status(operator: Line) -> dict[str, Any]:
    """Return the status row of alice."""
    rows = (await operator.ok("agent_status"))["agent_statuses"]
    found: dict[str, Any] = next(row for row in rows if row["name"] == "alice")
    return found


async def kinds(hive: Hive) -> list[str]:
    """Return the kinds of the events about an operator inside an agent."""
    rows = await hive.parts.events.recent(100)
    about = ("attached", "detached", "shell_opened")
    return [row.event for row in rows if row.event in about]


async def audited(hive: Hive) -> list[tuple[str, bool]]:
    rows = await hive.parts.store.read(audit.newest(10))
    return [(row.verb, row.done) for row in rows]


PAUSE = ("pause", "an operator is attached to its conversation")
RESUME = ("resume", None)


async def test_the_turns_wait_for_as_long_as_the_connection_lasts(
    hive: Hive, operator: Line, alice: Line
) -> None:
    assert await ordered(alice) == [RESUME]
    async with connected(hive.paths.host_socket) as attached:
        await attached.ok("attach", name="alice")
        await settle()
        assert await ordered(alice) == [RESUME, PAUSE]
        assert (await status(operator))["reason"] == PAUSE[1]
        await report(alice, "paused")
        await advance(1)
        entrance = (await attached.read())["entrance"]
        assert (entrance["session"], entrance["runtime"]) == (
            "s-1",
            hive.parts.agent_services.runtime.name,
        )
        await advance(3600)
        assert await ordered(alice) == [RESUME, PAUSE]
    await settle()
    assert await ordered(alice) == [RESUME, PAUSE, RESUME]
    assert "reason" not in await status(operator)
    assert await kinds(hive) == ["attached", "detached"]
    assert await audited(hive) == [("attach", True)]


async def test_a_turn_that_runs_is_waited_for_in_words(
    hive: Hive, operator: Line, alice: Line
) -> None:
    await operator.ok("send", to="alice", body="work")
    [message] = (await alice.ok("recv", wait_seconds=5))["messages"]
    await report(alice, "working")
    async with connected(hive.paths.host_socket) as attached:
        await attached.ok("attach", name="alice")
        assert (await attached.read())["waiting"] == "holds 1 message"
        await alice.ok("ack", ids=[message["id"]])
        await advance(1)
        assert (await attached.read())["waiting"] == "is working"
        await report(alice, "idle")
        await advance(10)
        assert (await attached.read())["waiting"] == "is idle, and has not paused yet"
        await report(alice, "paused")
        await advance(1)
        assert "entrance" in await attached.read()


async def test_now_cancels_the_turn(hive: Hive, operator: Line, alice: Line) -> None:
    await ordered(alice)
    await report(alice, "working")
    async with connected(hive.paths.host_socket) as attached:
        await attached.ok("attach", name="alice", now=True)
        await settle()
        assert [order for order, _ in await ordered(alice)] == ["resume", "pause", "cancel"]


async def test_a_paused_agent_stays_paused(hive: Hive, operator: Line, alice: Line) -> None:
    await operator.ok("set_paused", name="alice", paused=True)
    await report(alice, "paused")
    async with connected(hive.paths.host_socket) as attached:
        await attached.ok("attach", name="alice")
        assert "entrance" in await attached.read()
    await settle()
    assert [order for order, _ in await ordered(alice)] == ["pause"]
    assert (await status(operator))["paused"]


async def test_a_resume_meanwhile_takes_effect_at_the_end(
    hive: Hive, operator: Line, alice: Line
) -> None:
    await ordered(alice)
    async with connected(hive.paths.host_socket) as attached:
        await attached.ok("attach", name="alice")
        await operator.ok("set_paused", name="alice", paused=True)
        await operator.ok("set_paused", name="alice", paused=False)
        assert (await ordered(alice))[-1] == PAUSE
    await settle()
    assert (await ordered(alice))[-1] == RESUME


async def refusal(hive: Hive, **fields: Any) -> tuple[str, str]:
    """Return the error of an attach: its code and its sentence."""
    async with connected(hive.paths.host_socket) as line:
        await line.ok("attach", **fields)
        answer = await line.read()
    assert not answer["ok"]
    return answer["code"], answer["error"]


async def test_what_cannot_be_attached_is_refused_with_the_reason(
    hive: Hive, operator: Line, alice: Line
) -> None:
    assert (
        "'damocles' is a peer: hive-c0re does not manage"
        in (await refusal(hive, name="damocles"))[1]
    )
    assert "no harness of 'bob' is connected" in (await refusal(hive, name="bob"))[1]
    assert (await refusal(hive, name="nobody"))[0] == "unknown_name"
    await operator.ok("stop", scope={"agent_names": ["bob"]})
    assert "'bob' does not run" in (await refusal(hive, name="bob"))[1]
    await operator.ok("estop", names=["alice"])
    assert "'alice' is frozen" in (await refusal(hive, name="alice"))[1]
    await operator.ok("thaw", names=["alice"])
    async with connected(hive.paths.host_socket) as attached:
        await attached.ok("attach", name="alice")
        await settle()
        code, error = await refusal(hive, name="alice")
        assert (code, "is attached to 'alice' since" in error) == ("conflict", True)
    assert ("attach", False) in await audited(hive)


async def test_a_harness_without_a_conversation_has_none_to_open(hive: Hive) -> None:
    async with connected(hive.paths.agent_socket("bob")) as line:
        await line.ok("hello", role="harness")
        await line.ok("report", state="idle", since=0.0)
        code, error = await refusal(hive, name="bob")
    assert (code, "'bob' has no conversation yet" in error) == ("conflict", True)


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (AgentManifest(run=("cat",)), "'alice' has the driver 'command'"),
        (AgentManifest(exec=("agent",)), "'alice' runs a program of its own"),
    ],
)
async def test_other_drivers_are_refused_and_the_shell_is_named(
    site: Site, manifest: AgentManifest, words: str
) -> None:
    config = swarm("alice", manifest=manifest)
    async with site.simulated(ScriptedRuntime(), config) as hive:
        await hive.until_state("alice", "running")
        code, error = await refusal(hive, name="alice")
        assert (code, words in error) == ("not_allowed", True)
        assert "'hive-c0re shell alice' opens a shell" in error


async def test_a_shell_holds_nothing_and_is_recorded(
    hive: Hive, operator: Line, alice: Line
) -> None:
    entrance = (await operator.ok("open_shell", name="alice"))["entrance"]
    assert entrance["variables"]["HIVE_NAME"] == "alice"
    assert "session" not in entrance
    assert await ordered(alice) == [RESUME]
    assert await kinds(hive) == ["shell_opened"]
    code, error = await operator.refused("open_shell", name="damocles")
    assert (code, "opens neither its conversation nor a shell" in error) == ("not_allowed", True)
    assert await audited(hive) == [("open_shell", True), ("open_shell", False)]


SPEC = MachineSpec(
    name="alice",
    command=("/p/hive-ag3nt", "serve", "--driver", "claude", "--"),
    environment={"HIVE_NAME": "alice", "HIVE_SOCKET": "/run/x/mcp.sock", "TOKEN": "secret"},
    socket_dir=Path("/run/x"),
    state_dir=Path("/var/x/alice/state"),
    log_file=Path("/var/x/alice/output.log"),
)


def test_the_entrance_to_a_container_has_paths_as_they_are_inside() -> None:
    found = entrance_of("machinectl", SPEC)
    assert found == Entrance(
        "h-alice",
        "/agents/alice/state",
        {
            "HIVE_NAME": "alice",
            "HIVE_SOCKET": "/run/hive/mcp.sock",
            "HIVE_STATE": "/agents/alice/state",
            "PATH": SEARCH_PATH,
        },
        ("/p/hive-ag3nt",),
    )


def test_a_harness_without_a_path_is_looked_up_inside_by_the_path_of_the_agent() -> None:
    spec = evolve(SPEC, command=("hive-ag3nt", "serve"), environment={"PATH": "/opt/bin"})
    found = entrance_of("nixos-container", spec)
    assert (found.program, found.variables["PATH"]) == (("/usr/bin/env", "hive-ag3nt"), "/opt/bin")
    own = entrance_of("machinectl", evolve(SPEC, command=("/opt/agent",)))
    assert own.program == (), "it has no harness"


def test_the_entrance_beside_a_process_tells_no_secret() -> None:
    found = entrance_of("process", SPEC)
    assert (found.machine, found.directory) == (None, "/var/x/alice/state")
    assert found.variables == {"HIVE_NAME": "alice", "HIVE_SOCKET": "/run/x/mcp.sock"}


def test_a_function_has_no_entrance() -> None:
    with pytest.raises(NotAllowedError, match="'alice' is a function of the program"):
        entrance_of("function", SPEC)
