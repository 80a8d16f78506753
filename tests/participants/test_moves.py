"""An agent becomes a peer and a peer an agent: its mail, its socket and its container stay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest

from actors.testing import settle
from hive.config import AgentManifest, HiveConfig, PeerConfig, RuntimeName, read_manifest
from hive.daemon.hive import Hive
from hive.errors import BadRequestError, ConflictError, FailedError, NotAllowedError
from hive.machines.found_container import FoundContainer
from hive.participants.adoptions import AdoptionWish
from hive.participants.manifest_proposal import AgentProgram, new_manifest
from hive.participants.participant import Agent, Peer, peer_settings
from hive.store import Desired, Kind, ParticipantOrigin, audit, move_rows
from hive.store.errors import StoreError
from hive.store.transaction import Op
from tests.support.hives import EXEC, Site, connected, swarm, until
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim

TOML = 'exec = ["agent"]\nmemory_max = "8G"\n'


@pytest.fixture
async def runtime() -> ScriptedRuntime:
    return ScriptedRuntime()


CONFIG = swarm("alice", manager=True, peers=["damocles"])


@pytest.fixture
async def hive(site: Site, runtime: ScriptedRuntime) -> AsyncIterator[Hive]:
    async with site.simulated(runtime, CONFIG) as opened:
        await opened.until_state("alice", "running")
        await opened.until_state("hm1nd", "running")
        runtime.calls.clear()
        yield opened


def with_file(hive: Hive, config: HiveConfig) -> None:
    """Let hive.toml be this from now on."""
    hive.parts.reloader._read = None
    hive.parts.reloader.config = config


async def kind_on_disk(hive: Hive, name: str) -> Kind:
    records = {record.name: record for record in await hive.parts.store.participants()}
    return records[name].kind


async def audited(hive: Hive, name: str) -> list[tuple[str, str]]:
    found = await hive.parts.store.read(audit.newest(100, name))
    return [(entry.verb, entry.actor) for entry in found]


def wish(name: str = "damocles", text: str | None = TOML, **options: Any) -> AdoptionWish:
    return AdoptionWish(name=name, text=text, **options)


# Release


async def test_a_released_container_runs_on_and_nothing_can_touch_it_any_more(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    before = runtime.machines["alice"].running
    moved = await hive.parts.moves.release("alice")
    assert runtime.machines["alice"].running is before
    assert runtime.verbs("alice") == ["release"]
    assert moved.advice is not None
    assert "[agents.alice]" in moved.advice
    peer = hive.parts.registry.peer("alice")
    assert (peer.record.kind, peer.is_listening) == (Kind.PEER, True)
    assert await kind_on_disk(hive, "alice") is Kind.PEER
    assert await audited(hive, "alice") == [("release", "operator")]
    with pytest.raises(NotAllowedError, match="peer"):
        await hive.stop("alice")
    runtime.end("alice")
    await settle()
    assert (await hive.status("alice")).kind == "peer"


async def test_mail_in_flight_is_delivered_again_after_a_release_and_marked(hive: Hive) -> None:
    socket = hive.paths.agent_socket("alice")
    async with connected(socket) as line:
        first = (await hive.send("alice", "one")) or 0
        await hive.send("alice", "two", in_reply_to=first)
        [leased] = (await line.ok("recv", max=1))["messages"]
        waiting = asyncio.ensure_future(hive.parts.moves.release("alice"))
        assert await line.reader.read() == b""  # the session is closed
        await waiting
    async with connected(socket) as line:
        found = (await line.ok("recv", max=10))["messages"]
        assert [each["body"] for each in found] == ["one", "two"]
        assert found[0]["attempt"] == 2
        assert leased["id"] == found[0]["id"] == found[1]["in_reply_to"]
        await line.ok("ack", ids=[each["id"] for each in found])
        await line.ok("send", to="operator", body="done", in_reply_to=first)
    assert [each.body for each in await hive.inbox("alice")] == ["one", "two"]


async def test_a_stopped_and_paused_agent_is_released_and_its_mail_is_delivered(hive: Hive) -> None:
    await hive.stop("alice")
    await hive.parts.lifecycle.set_paused("alice", paused=True)
    await hive.send("alice", "hello")
    await hive.parts.moves.release("alice")
    async with connected(hive.paths.agent_socket("alice")) as line:
        [message] = (await line.ok("recv", max=10))["messages"]
        assert message["body"] == "hello"


async def test_a_released_agent_gets_broadcasts_as_before(hive: Hive) -> None:
    await hive.parts.moves.release("alice")
    await hive.send("*", "to all")
    assert [each.body for each in await hive.inbox("alice")] == ["to all"]


async def test_the_settings_of_hive_toml_count_if_it_has_the_peer_already(hive: Hive) -> None:
    table = PeerConfig(broadcast=False, description="day job")
    with_file(hive, HiveConfig(manager=EXEC, peers={"alice": table}))
    assert (await hive.parts.moves.release("alice")).advice is None
    record = hive.parts.registry.peer("alice").record
    assert (record.origin, record.broadcast, record.description) == (
        *(ParticipantOrigin.CONFIG, False, "day job"),
    )


async def test_the_manager_and_peers_cannot_be_released(hive: Hive) -> None:
    with pytest.raises(NotAllowedError, match="manager"):
        await hive.parts.moves.release("manager")
    with pytest.raises(NotAllowedError, match="peer"):
        await hive.parts.moves.release("damocles")


async def test_an_agent_stays_one_if_its_release_cannot_be_stored(
    hive: Hive, runtime: ScriptedRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch)
    with pytest.raises(StoreError):
        await hive.parts.moves.release("alice")
    await settle()
    assert isinstance(hive.parts.registry.get("alice"), Agent)
    assert runtime.verbs("alice") == ["adopt"]
    assert (await hive.status("alice")).state == "running"
    await hive.stop("alice")


def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Op[None]:
        def op(_: object) -> None:
            raise StoreError("the disk is full")

        return op

    monkeypatch.setattr("hive.participants.moves.move", refuse)


# Adoption


async def test_an_adopted_peer_is_started_with_its_mail(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    await hive.send("damocles", "hello")
    moved = await hive.parts.adoptions.adopt(wish())
    assert moved.advice is not None
    assert "[peers.damocles]" in moved.advice
    agent = hive.parts.registry.agent("damocles")
    assert agent.running is not None
    assert runtime.specs["damocles"].memory_max == "8G"
    assert await kind_on_disk(hive, "damocles") is Kind.AGENT
    assert [verb for verb, _ in await audited(hive, "damocles")] == [
        *("submit", "approve", "adopt", "carry_out"),
    ]
    async with connected(hive.paths.agent_socket("damocles")) as line:
        [message] = (await line.ok("recv", max=10))["messages"]
        assert message["body"] == "hello"


async def test_an_adoption_waits_for_its_approval_and_then_uses_what_was_shown(hive: Hive) -> None:
    approval = await hive.parts.adoptions.propose(wish())
    assert isinstance(hive.parts.registry.get("damocles"), Peer)
    async with connected(hive.paths.host_socket) as line:
        [row] = (await line.ok("pending"))["approvals"]
        assert (row["kind"], row["agent"], row["id"]) == ("adopt", "damocles", approval.id)
        await line.ok("approve", id=approval.id)
    await hive.parts.approvals.wait_carried_out(approval.id)
    assert hive.parts.registry.agent("damocles").settings.memory_max == "8G"


async def test_the_table_of_hive_toml_is_the_manifest_if_there_is_one(hive: Hive) -> None:
    table = attrs.evolve(EXEC, memory_max="2G")
    with_file(hive, HiveConfig(manager=EXEC, agents={"damocles": table}))
    assert (await hive.parts.adoptions.adopt(wish(text=None))).advice is None
    record = hive.parts.registry.agent("damocles").record
    assert record.origin is ParticipantOrigin.CONFIG
    assert hive.parts.registry.agent("damocles").settings.memory_max == "2G"


class Reader:
    """Has one container."""

    def __init__(self, found: FoundContainer) -> None:
        self.found = found

    async def read(self, subject: str) -> FoundContainer | None:
        return self.found if subject == self.found.machine else None


FOUND = FoundContainer(machine="damocles", unit="systemd-nspawn@damocles.service", tasks_max=99)


async def test_a_container_is_taken_over_with_the_manifest_that_is_read_from_it(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    hive.parts.adoptions._reader = Reader(FOUND)
    runtime.foreign["damocles"] = True
    found = await hive.parts.adoptions.look(wish(text=None))
    assert found.refusal == "the container damocles runs"
    assert "tasks_max = 99" in found.proposal.text
    with pytest.raises(ConflictError, match="runs"):
        await hive.parts.adoptions.adopt(wish(text=None))
    await hive.parts.adoptions.adopt(wish(text=None, stop=True))
    assert runtime.foreign == {}
    assert runtime.verbs("damocles") == ["take over", "create", "start"]
    assert runtime.specs["damocles"].tasks_max == 99


async def test_an_approval_says_what_becomes_of_the_container(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    async def subject(found: FoundContainer, *, stop: bool = False) -> Any:
        hive.parts.adoptions._reader = Reader(found)
        approval = await hive.parts.adoptions.propose(wish(stop=stop))
        await hive.parts.approvals.cancel(approval.id, "operator", "only looked at")
        return json.loads(approval.detail)["subject"]

    assert await subject(FOUND) == "gets a container of its own"
    runtime.foreign["damocles"] = True
    assert await subject(FOUND, stop=True) == (
        "takes over the container damocles, which is stopped for it"
    )
    peer = hive.parts.registry.peer("damocles")
    await hive.parts.registry.save(peer, manifest=peer_settings("h-damocles"))
    own = attrs.evolve(FOUND, machine="h-damocles")
    assert await subject(own) == "keeps its container h-damocles"


async def test_a_declared_container_is_not_adopted_and_the_sentence_says_what_to_change(
    hive: Hive,
) -> None:
    hive.parts.adoptions._reader = Reader(attrs.evolve(FOUND, declared=True))
    with pytest.raises(ConflictError, match=r"take 'containers\.damocles' out of"):
        await hive.parts.adoptions.propose(wish())
    assert isinstance(hive.parts.registry.get("damocles"), Peer)
    assert hive.parts.approvals.pending == ()


async def test_a_connected_peer_is_not_adopted(hive: Hive) -> None:
    async with connected(hive.paths.agent_socket("damocles")) as line:
        await line.ok("hello", role="harness")
        with pytest.raises(ConflictError, match="is connected"):
            await hive.parts.adoptions.adopt(wish())


async def test_without_any_manifest_the_sentence_says_how_to_give_one(hive: Hive) -> None:
    with pytest.raises(BadRequestError, match="--file"):
        await hive.parts.adoptions.look(wish(text=None))


async def test_a_name_that_is_too_long_for_a_container_is_refused_with_the_remedy(
    hive: Hive,
) -> None:
    await hive.register_peer("damocles-lab")
    with pytest.raises(BadRequestError, match="hive-c0re rename damocles-lab NEW"):
        await hive.parts.adoptions.look(wish("damocles-lab"))


async def test_an_adoption_that_cannot_start_says_why_and_the_agent_exists(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    runtime.broken["create"] = "no such image"
    with pytest.raises(FailedError, match="no such image"):
        await hive.parts.adoptions.adopt(wish())
    assert isinstance(hive.parts.registry.get("damocles"), Agent)
    await hive.stop("damocles")


async def test_a_peer_stays_one_if_its_adoption_cannot_be_stored(
    hive: Hive, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch)
    with pytest.raises(FailedError, match="the disk is full"):
        await hive.parts.adoptions.adopt(wish())
    await hive.until_state("damocles", "away")
    assert isinstance(hive.parts.registry.get("damocles"), Peer)


# There and back


async def test_there_and_back_again_keeps_threads_questions_and_reminders(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    async with connected(hive.paths.agent_socket("alice")) as line:
        asked = (await line.ok("ask", to="damocles", question="why?"))["id"]
        await line.ok("remind", message="later", delay_seconds=60)
        keyed = await line.ok("send", to="damocles", body="x", dedupe_key="k")
    await hive.parts.moves.release("alice")
    await hive.parts.adoptions.adopt(wish())
    async with connected(hive.paths.agent_socket("damocles")) as line:
        await line.ok("answer", id=asked, answer="because")
    runtime.machines.pop("alice")
    await hive.parts.adoptions.adopt(wish("alice"))
    async with connected(hive.paths.agent_socket("alice")) as line:
        again = await line.ok("send", to="damocles", body="x", dedupe_key="k")
        assert (again["id"], again["duplicate"]) == (keyed["id"], True)
        [answer] = (await line.ok("recv", max=10))["messages"]
        assert (answer["body"], answer["in_reply_to"]) == ("because", asked)
        await line.ok("ack", ids=[answer["id"]])
        await asyncio.sleep(61)
        [reminder] = (await line.ok("recv", max=10))["messages"]
        assert reminder["body"] == "later"


# Crashes


class Crash:
    """Stops a move at its write, before or after it, as a kill of the daemon would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
        self.reached = asyncio.Event()
        original = move_rows.move

        def move(*arguments: Any) -> Op[None]:
            return original(*arguments)

        monkeypatch.setattr("hive.participants.moves.move", move)
        self._move, self.after = move, after

    async def during(self, hive: Hive, moving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Begin a move, end the daemon at its write."""
        write = hive.parts.store.write

        def stopping(op: Op[Any]) -> asyncio.Future[Any]:
            if op.__qualname__.startswith("move."):
                return asyncio.ensure_future(self._stop(write, op))
            return write(op)

        monkeypatch.setattr(hive.parts.store, "write", stopping)
        task = asyncio.ensure_future(moving)
        await self.reached.wait()
        await hive.close(keep_agents=True)
        task.cancel()
        await asyncio.wait([task])

    async def _stop(self, write: Any, op: Op[Any]) -> None:
        if self.after:
            await write(op)
        self.reached.set()
        await asyncio.Event().wait()


@pytest.mark.parametrize("after", [False, True])
async def test_a_release_is_done_or_not_done_after_a_crash_at_its_write(
    site: Site, runtime: ScriptedRuntime, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    async with site.simulated(runtime, CONFIG) as hive:
        await hive.until_state("alice", "running")
        await hive.send("alice", "hello")
        crash = Crash(monkeypatch, after=after)
        await crash.during(hive, hive.parts.moves.release("alice"), monkeypatch)
    running = runtime.machines["alice"].running
    runtime.calls.clear()
    async with site.simulated(runtime, CONFIG) as hive:
        assert runtime.machines["alice"].running is running
        found = hive.parts.registry.get("alice")
        if after:
            assert isinstance(found, Peer)
            assert runtime.verbs("alice") == ["release"]
            await until(lambda: hive.parts.registry.get("alice").is_listening)
        else:
            await hive.until_state("alice", "running")
            assert runtime.verbs("alice") == ["adopt"]
        async with connected(hive.paths.agent_socket("alice")) as line:
            [message] = (await line.ok("recv", max=10))["messages"]
            assert message["body"] == "hello"


@pytest.mark.parametrize("after", [False, True])
async def test_an_approved_adoption_is_finished_by_the_next_daemon(
    site: Site, runtime: ScriptedRuntime, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    runtime.foreign["damocles"] = False
    async with site.simulated(runtime, CONFIG) as hive:
        await hive.send("damocles", "hello")
        crash = Crash(monkeypatch, after=after)
        await crash.during(hive, hive.parts.adoptions.adopt(wish()), monkeypatch)
    assert runtime.verbs("damocles") == ["take over"]
    async with site.simulated(runtime, CONFIG) as hive:
        await hive.until_state("damocles", "running")
        approval = await hive.parts.approvals.wait_carried_out(1)
        assert (approval.state.value, approval.error) == ("done", None)
        assert runtime.verbs("damocles").count("start") == 1
        record = hive.parts.registry.agent("damocles").record
        assert (record.kind, record.desired) == (Kind.AGENT, Desired.RUNNING)
        assert [each.body for each in await hive.inbox("damocles")] == ["hello"]


async def test_leftovers_that_cannot_be_removed_are_reported_and_removed_by_the_next_daemon(
    site: Site, runtime: ScriptedRuntime
) -> None:
    runtime.broken["release"] = "permission denied"
    async with site.simulated(runtime, CONFIG) as hive:
        await hive.until_state("alice", "running")
        with pytest.raises(FailedError, match="permission denied"):
            await hive.parts.moves.release("alice")
        assert isinstance(hive.parts.registry.get("alice"), Peer)
        await hive.close(keep_agents=True)
    for failing_again in (True, False):
        runtime.calls.clear()
        if not failing_again:
            runtime.broken.clear()
        async with site.simulated(runtime, CONFIG) as hive:
            assert runtime.verbs("alice") == ["release"]
            assert await hive.parts.store.read(move_rows.unfinished) == (
                [move_rows.UnfinishedMove("alice")] if failing_again else []
            )
            await settle()
            troubles = [
                each
                for each in await hive.parts.events.recent(100)
                if "permission denied" in str(each.detail)
            ]
            assert len(troubles) == 2
            await hive.close(keep_agents=True)


async def test_nothing_is_released_for_a_peer_that_was_never_an_agent(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    assert runtime.verbs("damocles") == []


async def test_an_unfinished_release_does_not_touch_an_agent_that_got_the_name(
    site: Site, runtime: ScriptedRuntime
) -> None:
    runtime.broken["release"] = "permission denied"
    async with site.simulated(runtime, HiveConfig(agents={"alice": EXEC})) as hive:
        await hive.until_state("alice", "running")
        with pytest.raises(FailedError):
            await hive.parts.moves.release("alice")
        runtime.machines.clear()
        await hive.parts.lifecycle.unregister_peer("alice")
        await hive.parts.lifecycle.spawn("alice", EXEC)
        await hive.close(keep_agents=True)
    runtime.broken.clear()
    runtime.calls.clear()
    async with site.simulated(runtime, HiveConfig(agents={"alice": EXEC})) as hive:
        await hive.until_state("alice", "running")
        assert runtime.verbs("alice") == ["adopt"]
        assert await hive.parts.store.read(move_rows.unfinished) == []


@pytest.mark.parametrize(
    ("runtime", "words"),
    [
        (RuntimeName.PROCESS, "it becomes a process of this machine"),
        (RuntimeName.MACHINECTL, "no container of this machine is found for 'damocles'"),
    ],
)
def test_a_program_is_the_whole_manifest_where_no_container_is_found(
    runtime: RuntimeName, words: str
) -> None:
    config = HiveConfig(runtime)
    found = new_manifest("damocles", AgentProgram(run=("cat", "-u")), "my day job", config)
    assert read_manifest(found.text, None, config) == AgentManifest(
        run=("cat", "-u"), description="my day job"
    )
    (note,) = found.notes
    assert words in note


async def test_an_adoption_with_a_program_gets_a_machine_of_its_own(hive: Hive) -> None:
    program = AgentProgram(driver="claude")  # its package is looked for later, in the container
    adoption = await hive.parts.adoptions.look(wish(text=None, program=program))
    assert adoption.manifest.driver == "claude"
    approval = await hive.parts.adoptions.propose(wish(text=None, program=program))
    assert approval.details["subject"] == "gets a container of its own"


# An estop meanwhile


async def test_an_agent_that_is_frozen_while_its_release_waits_stays_one(hive: Hive) -> None:
    """A frozen peer would get no mail, and nothing thaws a peer."""
    alice = hive.parts.registry.agent("alice")
    async with alice.lifecycle_lock:
        releasing = asyncio.ensure_future(hive.parts.moves.release("alice"))
        await settle()
        await hive.parts.freezes.estop([alice])
    with pytest.raises(ConflictError, match="frozen by 'hive-c0re estop'"):
        await releasing
    assert hive.parts.registry.agent("alice").is_frozen
    assert await kind_on_disk(hive, "alice") is Kind.AGENT


async def test_a_peer_does_not_become_an_agent_that_runs_in_a_frozen_hive(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    damocles = hive.parts.registry.peer("damocles")
    async with damocles.lifecycle_lock:
        manifest = AgentManifest(exec=("agent",))
        adopting = asyncio.ensure_future(hive.parts.moves.adopt("damocles", manifest))
        await settle()
        await hive.parts.freezes.estop(hive.parts.registry.agents)
    with pytest.raises(ConflictError, match="all agents of this hive are frozen"):
        await adopting
    assert runtime.verbs("damocles") == []
    assert await kind_on_disk(hive, "damocles") is Kind.PEER


async def test_an_estop_while_a_spawn_looks_at_the_disk_lets_nothing_start(
    hive: Hive, runtime: ScriptedRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    lifecycle, agents = hive.parts.lifecycle, hive.parts.registry.agents
    looked = lifecycle._has_directory

    def look(name: str) -> bool:
        for agent in agents:
            agent.change(frozen_at=1.0)
        return looked(name)

    monkeypatch.setattr(lifecycle, "_has_directory", look)
    with pytest.raises(ConflictError, match="all agents of this hive are frozen"):
        await lifecycle.spawn("carol", AgentManifest(exec=("agent",)))
    assert runtime.verbs("carol") == []
