"""The emergency stop of a hive: what is frozen stays so until it is thawed, whatever happens."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest

from actors.testing import advance, settle
from hive.config import Limits, MachineProtection
from hive.daemon.hive import Hive
from hive.errors import ConflictError, FailedError
from hive.participants.freeze_rules import frozen_reason, is_hive_frozen, joining, require_thawed
from hive.participants.participant import Agent
from hive.store import Desired, Kind, ParticipantRecord
from hive.view.lines import turn_line
from tests.support.hives import Line, Site, connected, echo, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim

CONFIG = attrs.evolve(
    swarm("alice", "bob", manager=True, peers=["damocles"]), limits=Limits(lease_seconds=60.0)
)


@pytest.fixture
def runtime() -> ScriptedRuntime:
    return ScriptedRuntime()


@pytest.fixture
async def hive(site: Site, runtime: ScriptedRuntime) -> AsyncIterator[Hive]:
    async with site.simulated(runtime, CONFIG) as opened:
        for name in ("hm1nd", "alice", "bob"):
            await opened.until_state(name, "running")
        yield opened


@pytest.fixture
async def operator(hive: Hive) -> AsyncIterator[Line]:
    async with connected(hive.paths.host_socket) as line:
        yield line


async def stopped(operator: Line, *names: str) -> list[str]:
    found = (await operator.ok("estop", names=list(names)))["agents"]
    return [row["name"] for row in found if row["changed"]]


async def thawed(operator: Line, *names: str) -> list[str]:
    found = (await operator.ok("thaw", names=list(names)))["agents"]
    return [row["name"] for row in found if row["changed"]]


async def events(hive: Hive, *kinds: str) -> list[tuple[str, str | None, dict[str, Any]]]:
    found = await hive.parts.events.recent(100)
    return [(row.event, row.name, dict(row.detail or {})) for row in found if row.event in kinds]


# All agents, or some


async def test_all_agents_are_frozen_and_thawed_in_the_order_of_the_tree(
    hive: Hive, operator: Line, runtime: ScriptedRuntime
) -> None:
    assert await stopped(operator) == ["hm1nd", "alice", "bob"]
    assert runtime.frozen == {"hm1nd", "alice", "bob"}
    row = await hive.status("alice")
    assert (row.running, row.frozen_since is not None) == (True, True)
    assert row.reason is not None
    assert "'hive-c0re thaw alice' lets it go on" in row.reason
    assert await stopped(operator) == [], "a second time changes nothing"
    assert await thawed(operator) == ["hm1nd", "alice", "bob"]
    assert runtime.frozen == set()
    assert [call.name for call in runtime.calls if call.verb == "thaw"] == ["hm1nd", "alice", "bob"]
    assert (await hive.status("alice")).frozen_since is None
    assert await thawed(operator) == []


async def test_named_agents_are_frozen_alone(
    hive: Hive, operator: Line, runtime: ScriptedRuntime
) -> None:
    assert await stopped(operator, "bob") == ["bob"]
    assert runtime.frozen == {"bob"}
    await operator.ok("spawn", name="carol", exec=["agent"])
    assert await thawed(operator, "alice", "bob") == ["bob"]


@pytest.mark.parametrize("verb", ["estop", "thaw"])
async def test_a_wrong_name_changes_nothing(
    operator: Line, runtime: ScriptedRuntime, verb: str
) -> None:
    for wrong in ("nobody", "damocles"):
        await operator.refused(verb, names=["alice", wrong])
    assert runtime.frozen == set()


async def test_events_say_who_was_frozen_and_for_how_long(hive: Hive, operator: Line) -> None:
    await stopped(operator, "alice")
    await advance(90)
    await thawed(operator)
    assert await events(hive, "frozen", "thawed") == [
        ("frozen", "alice", {}),
        ("thawed", "alice", {"seconds": 90.0}),
    ]


# Mail


async def test_mail_is_taken_in_and_delivered_after_the_thaw(hive: Hive, operator: Line) -> None:
    async with connected(hive.paths.agent_socket("alice")) as alice:
        await stopped(operator)
        await operator.ok("send", to="alice", body="meanwhile")
        assert (await alice.ok("recv"))["messages"] == []
        alice.write({"cmd": "recv", "wait_seconds": 30})
        await settle()
        await thawed(operator)
        assert [each["body"] for each in (await alice.read())["messages"]] == ["meanwhile"]


async def test_a_turn_keeps_its_messages_however_long_it_is_frozen(
    hive: Hive, operator: Line
) -> None:
    async with connected(hive.paths.agent_socket("alice")) as alice:
        await operator.ok("send", to="alice", body="work")
        [message] = (await alice.ok("recv", wait_seconds=5))["messages"]
        await stopped(operator)
        await advance(10_000)
        await thawed(operator)
        await advance(50)
        assert (await alice.ok("ack", ids=[message["id"]]))["ok"]


async def test_a_turn_is_shown_without_the_time_in_which_it_was_frozen(
    hive: Hive, operator: Line
) -> None:
    async with connected(hive.paths.agent_socket("alice")) as alice:
        await alice.ok("hello", role="harness")
        began = hive.parts.harnesses._clock.now()
        await advance(20)
        await stopped(operator)
        await advance(600)
        await thawed(operator)
        await advance(10)
        turn = {"started_at": began, "ended_at": began + 630, "wake": "message", "outcome": "done"}
        await alice.ok("turn", **turn)
    [row] = (await operator.ok("turns", name="alice"))["turns"]
    assert row["seconds"] == pytest.approx(30, abs=1)
    assert row["frozen_seconds"] == pytest.approx(600, abs=1)
    assert re.search(r" done +\d+s  and 10m frozen  message", turn_line(row)), turn_line(row)


async def test_peers_go_on(hive: Hive, operator: Line) -> None:
    await stopped(operator)
    async with connected(hive.paths.agent_socket("damocles")) as peer:
        await operator.ok("send", to="damocles", body="hello")
        assert len((await peer.ok("recv", wait_seconds=5))["messages"]) == 1
        assert (await peer.ok("send", to="alice", body="later"))["ok"]


# Starts


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("start", {"scope": {"agent_names": ["alice"]}}),
        ("restart", {"name": "alice"}),
        ("rebuild", {"name": "alice"}),
        ("release", {"name": "alice"}),
        ("rename", {"name": "alice", "new": "carol", "restart": True}),
        ("spawn", {"name": "carol", "exec": ["agent"]}),
    ],
)
async def test_nothing_is_started_or_moved(
    hive: Hive, operator: Line, runtime: ScriptedRuntime, verb: str, fields: dict[str, Any]
) -> None:
    await stopped(operator)
    before = list(runtime.calls)
    code, sentence = await operator.refused(verb, **fields)
    assert code == "conflict"
    assert "'hive-c0re thaw" in sentence
    assert runtime.calls == before
    assert (await hive.status("alice")).state == "running"


async def test_an_agent_that_dies_while_frozen_is_restarted_after_the_thaw(
    hive: Hive, operator: Line, runtime: ScriptedRuntime
) -> None:
    await stopped(operator)
    runtime.end("alice")
    await advance(100)
    row = await hive.status("alice")
    assert (row.state, row.restarts) == ("queued", 1)
    assert row.reason is not None
    assert "frozen by 'hive-c0re estop'" in row.reason
    answer = (await operator.ok("thaw", names=["alice"]))["agents"]
    assert answer == [
        {"name": "alice", "changed": True, "state": "it does not run: killed by SIGKILL"}
    ]
    await hive.until_state("alice", "running")
    assert "alice" not in runtime.frozen


async def test_after_a_thaw_the_manager_starts_first_and_nobody_waits_for_the_machine(
    site: Site, runtime: ScriptedRuntime
) -> None:
    config = attrs.evolve(CONFIG, machine=MachineProtection(starts=1))
    async with site.simulated(runtime, config) as hive, connected(hive.paths.host_socket) as line:
        for name in ("hm1nd", "alice", "bob"):
            await hive.until_state(name, "running")
        await stopped(line)
        for name in ("bob", "alice", "hm1nd"):
            runtime.end(name)
            await advance(100)
        runtime.calls.clear()
        await thawed(line)
        for name in ("bob", "alice", "hm1nd"):
            await hive.until_state(name, "running", within=1)
        assert next(call.name for call in runtime.calls if call.verb == "start") == "hm1nd"


@pytest.mark.parametrize("verb", ["cancel_turn", "new_session"])
async def test_an_order_that_would_wait_for_the_thaw_is_refused(
    hive: Hive, operator: Line, verb: str
) -> None:
    async with connected(hive.paths.agent_socket("alice")) as alice:
        await alice.ok("hello", role="harness")
        before = (await alice.ok("orders", wait_seconds=0, after=0))["orders"]
        await stopped(operator, "alice")
        for cmd, fields in ((verb, {"name": "alice"}), ("check_names", {"names": ["alice"]})):
            given = {**fields, **({"orders": True} if cmd == "check_names" else {})}
            code, sentence = await operator.refused(cmd, **given)
            assert code == "conflict"
            assert "'hive-c0re thaw alice' lets it go on" in sentence
            assert sentence.endswith("'hive-c0re kill alice' ends it as it is; nothing was done")
        await thawed(operator)
        last = max((order["seq"] for order in before), default=0)
        assert (await alice.ok("orders", wait_seconds=0, after=last))["orders"] == []
        await operator.ok(verb, name="alice")
        assert len((await alice.ok("orders", wait_seconds=0, after=last))["orders"]) == 1


async def test_a_stopped_agent_is_not_started_before_its_thaw(hive: Hive, operator: Line) -> None:
    await hive.stop("alice")
    [row] = (await operator.ok("estop", names=["alice"]))["agents"]
    assert row == {"name": "alice", "changed": True, "state": "it is stopped"}
    with pytest.raises(ConflictError, match="thaw alice"):
        await hive.start("alice")
    await thawed(operator, "alice")
    await hive.start("alice")


@pytest.mark.parametrize("force", [False, True])
async def test_a_frozen_agent_is_killed_and_stays_frozen(
    hive: Hive, operator: Line, runtime: ScriptedRuntime, force: bool
) -> None:
    await stopped(operator, "alice")
    await operator.ok("stop", scope={"agent_names": ["alice"]}, graceful=not force)
    assert runtime.verbs("alice")[-1] == "kill", "it must not go on before its end"
    row = await hive.status("alice")
    assert (row.state, row.frozen_since is not None) == ("stopped", True)


async def test_a_frozen_agent_can_be_destroyed(hive: Hive, operator: Line) -> None:
    await stopped(operator, "alice")
    await operator.ok("destroy", name="alice")
    await operator.ok("spawn", name="alice", exec=["agent"])
    assert (await hive.status("alice")).frozen_since is None


async def test_an_agent_that_is_just_starting_is_frozen_once_it_runs(
    hive: Hive, operator: Line, runtime: ScriptedRuntime
) -> None:
    await hive.stop("alice")
    held = runtime.hold("start", "alice")
    starting = asyncio.ensure_future(hive.start("alice"))
    await settle()
    await stopped(operator)
    assert "alice" not in runtime.frozen
    held.set()
    await starting
    await settle()
    assert "alice" in runtime.frozen


# The next daemon


async def test_the_next_daemon_starts_nothing_and_gives_no_mail(
    site: Site, hive: Hive, operator: Line, runtime: ScriptedRuntime
) -> None:
    await stopped(operator)
    await hive.close(keep_agents=True)
    runtime.end("bob")
    runtime.frozen.clear()  # as if the daemon had died before they were frozen
    runtime.calls.clear()
    config = attrs.evolve(CONFIG, agents={**CONFIG.agents, "carol": CONFIG.agents["bob"]})
    async with site.simulated(runtime, config) as again:
        await advance(100)
        assert [call.name for call in runtime.calls if call.verb == "start"] == []
        assert runtime.frozen == {"hm1nd", "alice"}
        states = {row.name: row.state for row in await again.parts.snapshot.rows()}
        assert states["bob"] == states["carol"] == "queued"
        await again.send("alice", "wait")
        async with connected(again.paths.agent_socket("alice")) as alice:
            assert (await alice.ok("recv"))["messages"] == []
        async with connected(again.paths.host_socket) as line:
            assert await thawed(line) == ["hm1nd", "alice", "bob", "carol"]
        await again.until_state("carol", "running")


# Failures


async def test_an_agent_that_cannot_be_frozen_is_named_and_gets_no_mail(
    hive: Hive, operator: Line, runtime: ScriptedRuntime
) -> None:
    runtime.broken["freeze"] = "no freezer"
    [row] = (await operator.ok("estop", names=["alice"]))["agents"]
    assert (row["changed"], row["error"]) == (True, "no freezer")
    async with connected(hive.paths.agent_socket("alice")) as alice:
        await operator.ok("send", to="alice", body="no")
        assert (await alice.ok("recv"))["messages"] == []
    assert ("frozen", "alice", {"error": "no freezer"}) in await events(hive, "frozen")


async def test_an_agent_that_cannot_be_thawed_stays_frozen_and_others_go_on(
    hive: Hive, operator: Line, runtime: ScriptedRuntime
) -> None:
    await stopped(operator)
    runtime.broken["thaw"] = "no freezer"
    rows = (await operator.ok("thaw", names=["alice"]))["agents"]
    assert rows == [{"name": "alice", "changed": False, "error": "no freezer"}]
    assert (await hive.status("alice")).frozen_since is not None
    del runtime.broken["thaw"]
    assert await thawed(operator) == ["hm1nd", "alice", "bob"]


async def test_an_estop_wins_over_a_thaw_that_is_under_way(
    hive: Hive, operator: Line, runtime: ScriptedRuntime
) -> None:
    await stopped(operator)
    held = runtime.hold("thaw", "alice")
    async with connected(hive.paths.host_socket) as other:
        other.write({"cmd": "thaw"})
        await settle()
        assert await stopped(operator) == []
        held.set()
        rows = (await other.read())["agents"]
    assert [row["changed"] for row in rows] == [False, False, False]
    assert {row["error"] for row in rows} == {"another 'estop' came meanwhile"}
    await settle()
    assert runtime.frozen == {"hm1nd", "alice", "bob"}
    assert all(agent.is_frozen for agent in hive.parts.registry.agents)


async def test_a_disk_that_takes_no_writes_does_not_hold_up_an_estop(
    hive: Hive, operator: Line, runtime: ScriptedRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*args: Any, **changes: Any) -> None:
        raise FailedError("the disk is full")

    monkeypatch.setattr(hive.parts.store, "upsert_participant", full)
    [row] = (await operator.ok("estop", names=["alice"]))["agents"]
    assert row["error"] == "the next daemon does not know it: the disk is full"
    assert runtime.frozen == {"alice"}

    answers = asyncio.Event()

    async def hung(*args: Any, **changes: Any) -> None:
        await answers.wait()

    monkeypatch.setattr(hive.parts.store, "upsert_participant", hung)
    [row] = (await operator.ok("estop", names=["bob"]))["agents"]
    assert row["error"] == "the next daemon does not know it: it is not on disk after 1 s"
    assert runtime.frozen == {"alice", "bob"}
    answers.set()
    await settle()


async def test_functions_are_not_stopped_but_get_no_mail(site: Site) -> None:
    async with site.simulated(agents={"alice": echo}) as hive:
        await hive.until_state("alice", "running")
        async with connected(hive.paths.host_socket) as line:
            [row] = (await line.ok("estop"))["agents"]
            assert "cannot be stopped from outside" in row["error"]
            number = await hive.send("alice", "hi")
            await advance(60)
            assert await hive.inbox() == ()
            await line.ok("thaw")
            assert await hive.answer_to(number) == "echo hi"


# Rules


def record(name: str, frozen_at: float | None = None, **more: Any) -> ParticipantRecord:
    return ParticipantRecord(name, more.pop("kind", Kind.AGENT), frozen_at=frozen_at, **more)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], False),
        ([record("damocles", kind=Kind.PEER)], False),
        ([record("alice", 1.0)], True),
        ([record("alice", 1.0), record("damocles", kind=Kind.PEER)], True),
        ([record("alice", 1.0), record("bob")], False),
        ([record("alice", 1.0), record("bob", 1.0, desired=Desired.STOPPED)], True),
    ],
)
def test_a_hive_is_frozen_when_all_its_agents_are(
    records: list[ParticipantRecord], expected: bool
) -> None:
    assert is_hive_frozen(records) is expected
    assert joining(record("new"), records, 5.0).frozen_at == (5.0 if expected else None)
    peer = record("new", kind=Kind.PEER)
    assert joining(peer, records, 5.0) is peer


def test_a_refusal_names_the_time_and_the_way_out() -> None:
    agents = [Agent(record("alice", 0.0)), Agent(record("bob"))]
    require_thawed("bob", agents)
    require_thawed("new", agents)
    with pytest.raises(ConflictError, match=r"'alice' is frozen by .* at 1970.*thaw alice"):
        require_thawed("alice", agents)
    with pytest.raises(ConflictError, match="all agents of this hive"):
        require_thawed("new", agents[:1])
    assert frozen_reason(record("alice")) is None
