"""A participant gets another name: its mail, its groups and its files move along."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest

from actors.testing import settle
from hive.config import HiveConfig, manifest_to_json
from hive.daemon.hive import Hive
from hive.errors import (
    BadRequestError,
    ConflictError,
    FailedError,
    HiveError,
    NotAllowedError,
    UnavailableError,
)
from hive.names import container_name
from hive.participants.adoptions import AdoptionWish
from hive.participants.participant import Agent, Peer
from hive.participants.renames import Renames
from hive.store import Desired, InlineEngine, ParticipantOrigin
from hive.store.move_rows import unfinished
from tests.broker.faults import Faults
from tests.support.hives import EXEC, Site, connected, swarm, until
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim

CONFIG = swarm("alice", "bob", manager=True, peers=["damocles"])


@pytest.fixture
async def runtime() -> ScriptedRuntime:
    return ScriptedRuntime()


@pytest.fixture
async def hive(site: Site, runtime: ScriptedRuntime) -> AsyncIterator[Hive]:
    async with site.simulated(runtime, CONFIG) as opened:
        await opened.until_state("alice", "running")
        yield opened


async def bodies(hive: Hive, name: str) -> list[str | None]:
    return [each.body for each in await hive.inbox(name)]


async def delivered(hive: Hive, name: str) -> list[dict[str, Any]]:
    await until(lambda: hive.parts.registry.get(name).is_listening)
    async with connected(hive.paths.agent_socket(name)) as line:
        found: list[dict[str, Any]] = (await line.ok("recv", max=10))["messages"]
        await line.ok("ack", ids=[each["id"] for each in found])
        return found


async def test_unread_mail_history_groups_and_files_move_along(hive: Hive) -> None:
    async with connected(hive.paths.host_socket) as line:
        await line.ok("change_group", name="team", add=["alice", "bob"])
    await hive.send("alice", "read")
    await delivered(hive, "alice")
    await hive.send("alice", "unread")
    hive.paths.agent_state("alice").mkdir(parents=True)
    (hive.paths.agent_state("alice") / "notes").write_text("mine")
    await hive.stop("alice")
    moved = await hive.parts.renames.rename("alice", "carol")
    assert moved.advice is not None
    assert "[agents.alice]" in moved.advice
    assert await bodies(hive, "carol") == ["read", "unread"]
    assert (hive.paths.agent_state("carol") / "notes").read_text() == "mine"
    assert not hive.paths.agent_dir("alice").exists()
    assert "alice" not in hive.parts.registry
    await hive.start("carol")
    await hive.send("@team", "to the team")
    assert [each["body"] for each in await delivered(hive, "carol")] == ["unread", "to the team"]
    with pytest.raises(HiveError, match="there is no participant 'alice'"):
        await hive.send("alice", "gone")


async def test_a_peer_is_renamed_while_it_runs_and_then_adopted(hive: Hive) -> None:
    await hive.register_peer("damocles-lab")
    await hive.send("damocles-lab", "hello")
    directory = hive.paths.socket_dir("damocles-lab").stat().st_ino
    await hive.parts.renames.rename("damocles-lab", "lab")
    # A bind mount of the directory shows the new socket.
    assert hive.paths.socket_dir("lab").stat().st_ino == directory
    await hive.parts.adoptions.adopt(AdoptionWish(name="lab", text='exec = ["agent"]\n'))
    assert [each["body"] for each in await delivered(hive, "lab")] == ["hello"]


async def test_questions_reminders_and_replies_go_to_the_new_name(hive: Hive) -> None:
    async with connected(hive.paths.agent_socket("damocles")) as line:
        asked = (await line.ok("ask", to="bob", question="why?"))["id"]
        await line.ok("remind", message="later", delay_seconds=60)
        await line.ok("send", to="bob", body="first", supersede_key="s")
    await hive.send("damocles", "old mail")
    await hive.parts.renames.rename("damocles", "lab")
    async with connected(hive.paths.agent_socket("bob")) as line:
        await line.ok("answer", id=asked, answer="because")
    await asyncio.sleep(61)
    assert [each["body"] for each in await delivered(hive, "lab")] == [
        *("later", "old mail", "because"),
    ]
    [first] = [each for each in await hive.inbox("bob") if each.body == "first"]
    assert first.sender == "damocles"


async def test_mail_to_a_renamed_participant_is_superseded_by_its_sender(hive: Hive) -> None:
    async with connected(hive.paths.agent_socket("bob")) as line:
        await line.ok("send", to="damocles", body="one", supersede_key="s")
        await hive.parts.renames.rename("damocles", "lab")
        await line.ok("send", to="lab", body="two", supersede_key="s")
    assert [each["body"] for each in await delivered(hive, "lab")] == ["two"]


async def test_it_survives_a_restart_and_mail_of_a_former_one_of_that_name_joins(
    site: Site, runtime: ScriptedRuntime
) -> None:
    async with site.simulated(runtime, HiveConfig()) as hive:
        for name in ("one", "two"):
            await hive.register_peer(name)
            await hive.send(name, f"to {name}")
            await delivered(hive, name)
        await hive.parts.lifecycle.unregister_peer("two")
        socket_dir = hive.paths.socket_dir("two")
        await asyncio.to_thread(socket_dir.rmdir)
        await hive.send("one", "unread")
        await hive.parts.renames.rename("one", "two")
        await hive.register_peer("one")
        await hive.send("one", "to the new one")
        await hive.send("two", "more")
    async with site.simulated(runtime, HiveConfig()) as hive:
        assert sorted(map(str, await bodies(hive, "two"))) == ["more", "to one", "to two", "unread"]
        assert await bodies(hive, "one") == ["to the new one"]
        assert [each["body"] for each in await delivered(hive, "two")] == ["unread", "more"]


async def test_an_agent_that_runs_is_only_renamed_by_a_restart(
    hive: Hive, runtime: ScriptedRuntime
) -> None:
    with pytest.raises(ConflictError, match="--restart"):
        await hive.parts.renames.rename("alice", "carol")
    runtime.calls.clear()
    runtime.foreign[container_name("alice")] = False
    await hive.parts.renames.rename("alice", "carol", restart=True)
    assert runtime.verbs("alice") == ["stop"]
    assert runtime.verbs("carol") == ["take over", "create", "start"]
    assert (await hive.status("carol")).state == "running"
    await hive.stop("bob")
    await hive.parts.renames.rename("bob", "ben", restart=True)
    assert hive.parts.registry.agent("ben").record.desired is Desired.STOPPED


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ("hm1nd", "boss", NotAllowedError, "manager"),
        ("manager", "boss", NotAllowedError, "manager"),
        ("damocles", "hm1nd", NotAllowedError, "manager"),
        ("alice", "bob", ConflictError, "already"),
        ("alice", "damocles-lab", BadRequestError, "at most 9"),
        ("alice", "operator", BadRequestError, "reserved"),
        ("alice", "A/b", BadRequestError, "no name"),
    ],
)
async def test_what_cannot_be_renamed_is_refused(
    hive: Hive, old: str, new: str, error: type[HiveError], words: str
) -> None:
    with pytest.raises(error, match=words):
        await hive.parts.renames.rename(old, new, restart=True)
    assert (await hive.status("alice")).state == "running"


async def test_an_agent_whose_system_is_built_under_its_name_is_not_renamed(hive: Hive) -> None:
    agent = hive.parts.registry.agent("alice")
    flake = f"path:{hive.paths.meta_dir}#alice"
    manifest = manifest_to_json(attrs.evolve(agent.settings, flake=flake))
    await hive.parts.registry.save(agent, manifest=manifest)
    with pytest.raises(NotAllowedError, match=r"agent\.nix.*for a new agent 'carol'"):
        await hive.parts.renames.rename("alice", "carol", restart=True)
    assert (await hive.status("alice")).state == "running"


async def test_a_name_with_files_or_unread_mail_of_a_former_participant_is_refused(
    hive: Hive,
) -> None:
    await hive.register_peer("former")
    await hive.send("former", "unread")
    await hive.parts.lifecycle.unregister_peer("former", force=True)
    with pytest.raises(ConflictError, match="destroy --purge former"):
        await hive.parts.renames.rename("damocles", "former")
    hive.paths.socket_dir("former").rmdir()
    with pytest.raises(ConflictError, match="discard --inbox former"):
        await hive.parts.renames.rename("damocles", "former")
    await settle()
    assert hive.parts.registry.peer("damocles").is_listening
    await hive.send("damocles", "still here")


async def test_paths_of_the_agents_own_directories_follow(hive: Hive) -> None:
    record = hive.parts.registry.agent("alice").record
    inside = hive.paths.deployed("alice", "abc") / "agent.sh"
    manifest = json.dumps({"exec": [str(inside), "/alice/other"]})
    await hive.parts.registry.save(hive.parts.registry.agent("alice"), manifest=manifest)
    await hive.parts.renames.rename("alice", "carol", restart=True)
    agent = hive.parts.registry.agent("carol")
    assert agent.settings.exec == (
        str(hive.paths.deployed("carol", "abc") / "agent.sh"),
        "/alice/other",
    )
    assert record.origin is ParticipantOrigin.CONFIG
    assert agent.record.origin is ParticipantOrigin.COMMAND


async def test_what_waits_for_approval_is_about_the_new_name(hive: Hive) -> None:
    approval = await hive.parts.adoptions.propose(
        AdoptionWish(name="damocles", text='exec = ["agent"]\n')
    )
    await hive.parts.renames.rename("damocles", "lab")
    async with connected(hive.paths.host_socket) as line:
        [row] = (await line.ok("pending"))["approvals"]
        assert row["agent"] == "lab"
        await line.ok("approve", id=approval.id)
    await hive.parts.approvals.wait_carried_out(approval.id)
    assert isinstance(hive.parts.registry.get("lab"), Agent)


async def test_files_that_cannot_be_moved_are_moved_by_the_next_daemon(
    site: Site, runtime: ScriptedRuntime
) -> None:
    async with site.simulated(runtime, CONFIG) as hive:
        await hive.stop("alice")
        runtime.foreign["h-alice"] = False
        runtime.broken["take over"] = "the image is busy"
        with pytest.raises(FailedError, match="the image is busy"):
            await hive.parts.renames.rename("alice", "carol")
        assert isinstance(hive.parts.registry.get("carol"), Agent)
    runtime.broken.clear()
    config = attrs.evolve(CONFIG, agents={"carol": EXEC, "bob": EXEC})
    async with site.simulated(runtime, config) as hive:
        assert runtime.foreign == {}
        assert await hive.parts.store.read(unfinished) == []
        await hive.start("carol")


async def test_a_rename_that_cannot_be_stored_changes_nothing(
    site: Site, runtime: ScriptedRuntime
) -> None:
    faults = Faults()
    engine = InlineEngine(faults.connection_class())
    hive = site.simulated(runtime, CONFIG, engine=engine)
    async with hive:
        await hive.send("damocles", "hello")
        async with connected(hive.paths.agent_socket("damocles")) as line:
            asked = (await line.ok("ask", to="bob", question="why?"))["id"]
        reported: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context))
        faults.poison = "carol"
        with pytest.raises(UnavailableError):
            await hive.parts.renames.rename("damocles", "carol")
        faults.poison = None
        assert [str(each["exception"]) for each in reported] == ["poison"]
        await settle()
        assert "carol" not in hive.parts.registry
        assert hive.parts.registry.peer("damocles").is_listening
        async with connected(hive.paths.agent_socket("bob")) as line:
            await line.ok("answer", id=asked, answer="because")
        assert [each["body"] for each in await delivered(hive, "damocles")] == ["hello", "because"]
        with pytest.raises(HiveError, match="there is no participant 'carol'"):
            await hive.send("carol", "nobody")
        await hive.parts.renames.rename("damocles", "carol")
        assert await bodies(hive, "carol") == ["hello", "because"]


POINTS = ["before the write", "after the write", "after the files", "before the end"]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("name", ["alice", "damocles"])
async def test_a_rename_is_whole_or_not_at_all_after_a_crash(
    site: Site, runtime: ScriptedRuntime, monkeypatch: pytest.MonkeyPatch, point: str, name: str
) -> None:
    async with site.simulated(runtime, CONFIG) as hive:
        hive.paths.agent_state(name).mkdir(parents=True)
        await hive.send(name, "hello")
        if name == "alice":
            await hive.stop(name)
            runtime.foreign["h-alice"] = False
        reached = stop_at(monkeypatch, hive, point)
        task = asyncio.ensure_future(hive.parts.renames.rename(name, "carol"))
        await reached.wait()
        await hive.close(keep_agents=True)
        task.cancel()
        await asyncio.wait([task])
    monkeypatch.undo()
    runtime.held.clear()
    is_done = point != "before the write"
    new = "carol" if is_done else name
    async with site.simulated(runtime, HiveConfig(manager=EXEC)) as hive:
        assert (name in hive.parts.registry, "carol" in hive.parts.registry) == (
            *(not is_done, is_done),
        )
        assert await bodies(hive, new) == ["hello"]
        assert hive.paths.agent_state(new).exists()
        assert not hive.paths.agent_dir("carol" if new == name else name).exists()
        assert await hive.parts.store.read(unfinished) == []
        if name == "alice":
            assert runtime.foreign == ({} if is_done else {"h-alice": False})
            await hive.start(new)
        else:
            assert isinstance(hive.parts.registry.get(new), Peer)
        assert [each["body"] for each in await delivered(hive, new)] == ["hello"]


@pytest.mark.parametrize("point", ["before the write", "after the write"])
async def test_an_undone_rename_is_whole_after_a_crash(
    site: Site, runtime: ScriptedRuntime, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    move, reached = Renames._move, asyncio.Event()

    async def stop() -> None:
        reached.set()
        await asyncio.Event().wait()

    async def moves(renames: Renames, old: str, new: str) -> None:
        if new == "damocles":
            await stop()
        await move(renames, old, new)
        raise OSError("the socket cannot be opened")

    async with site.simulated(runtime, CONFIG) as hive:
        hive.paths.agent_state("damocles").mkdir(parents=True)
        await hive.send("damocles", "hello")
        monkeypatch.setattr(Renames, "_move", moves)
        if point == "before the write":
            monkeypatch.setattr(Renames, "_undo", lambda *_: stop())
        task = asyncio.ensure_future(hive.parts.renames.rename("damocles", "lab"))
        await reached.wait()
        await hive.close(keep_agents=True)
        task.cancel()
        await asyncio.wait([task])
    monkeypatch.undo()
    there = "lab" if point == "before the write" else "damocles"
    async with site.simulated(runtime, HiveConfig(manager=EXEC)) as hive:
        assert [peer.name for peer in hive.parts.registry.peers] == [there]
        assert await bodies(hive, there) == ["hello"]
        assert hive.paths.agent_state(there).exists()
        assert await hive.parts.store.read(unfinished) == []


def stop_at(monkeypatch: pytest.MonkeyPatch, hive: Hive, point: str) -> asyncio.Event:
    """Let a rename wait for ever at a point; return the event of its arrival there."""
    reached = asyncio.Event()

    async def never(*_: Any, **__: Any) -> Any:
        reached.set()
        await asyncio.Event().wait()

    match point:
        case "before the write":
            monkeypatch.setattr(hive.parts.broker, "ask", never)
        case "after the write":
            monkeypatch.setattr(Renames, "_move", never)
        case "after the files":
            monkeypatch.setattr(ScriptedRuntime, "take_over", never)
            monkeypatch.setattr(Renames, "_is_agent", lambda *_: True)
        case _:
            monkeypatch.setattr("hive.participants.renames.finished", lambda _: "finished")
            write = hive.parts.store.write
            monkeypatch.setattr(
                hive.parts.store,
                "write",
                lambda op: never() if op == "finished" else write(op),
            )
    return reached
