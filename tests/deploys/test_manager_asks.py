"""The manager asks for moves: adoptions and releases wait for the operator, and are done once."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest

from hive.daemon.hive import Hive
from hive.participants.moves import Moves
from hive.participants.participant import Agent, Peer
from hive.store import audit
from tests.support.hives import EXEC, Line, Site, connected, site, swarm
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]

pytestmark = pytest.mark.sim

TOML = 'exec = ["agent"]\nmemory_max = "8G"\n\n[env]\nTOKEN = "hunter2"\n'

CONFIG = swarm("alice", manager=True, peers=["damocles"])


@pytest.fixture
async def hive(site: Site) -> AsyncIterator[Hive]:
    async with site.simulated(ScriptedRuntime(), CONFIG) as opened:
        await opened.until_state("alice", "running")
        yield opened


@pytest.fixture
async def manager(hive: Hive) -> AsyncIterator[Line]:
    async with connected(hive.paths.agent_socket("hm1nd")) as line:
        yield line


@pytest.fixture
async def host(hive: Hive) -> AsyncIterator[Line]:
    async with connected(hive.paths.host_socket) as line:
        yield line


async def approve(hive: Hive, host: Line, number: int) -> dict[str, Any]:
    await host.ok("approve", id=number)
    await hive.parts.approvals.wait_carried_out(number)
    row: dict[str, Any] = (await host.ok("approval", id=number))["approval"]
    return row


async def told(hive: Hive) -> list[dict[str, Any]]:
    """Return what the manager was told about the ends of approvals."""
    found = [json.loads(each.body or "{}") for each in await hive.inbox("hm1nd")]
    return [each for each in found if each.get("event") == "approval_resolved"]


async def test_an_agent_is_released_after_the_approval(
    hive: Hive, manager: Line, host: Line
) -> None:
    answer = await manager.ok("request_release", name="alice", description="it goes its own way")
    assert isinstance(hive.parts.registry.get("alice"), Agent)
    (row,) = (await host.ok("pending"))["approvals"]
    assert (row["kind"], row["agent"], row["requested_by"]) == ("release", "alice", "hm1nd")
    assert row["description"] == "it goes its own way"
    done = await approve(hive, host, answer["approval"])
    assert done["status"] == "done"
    assert isinstance(hive.parts.registry.get("alice"), Peer)
    assert [(each["kind"], each["status"]) for each in await told(hive)] == [("release", "done")]
    (entry,) = [
        each
        for each in await hive.parts.store.read(audit.newest(100, "alice"))
        if each.verb == "release"
    ]
    assert entry.actor == done["decided_by"]


async def test_a_peer_is_adopted_after_the_approval(hive: Hive, manager: Line, host: Line) -> None:
    await hive.send("damocles", "hello")
    number = (await manager.ok("request_adopt", name="damocles", manifest=TOML))["approval"]
    shown = (await host.ok("approval", id=number))["approval"]
    assert (shown["kind"], shown["requested_by"]) == ("adopt", "hm1nd")
    assert 'memory_max = "8G"' in shown["content"]
    assert 'TOKEN = "hunter2"' in shown["content"]
    assert isinstance(hive.parts.registry.get("damocles"), Peer)
    assert (await approve(hive, host, number))["status"] == "done"
    agent = hive.parts.registry.agent("damocles")
    assert agent.settings.memory_max == "8G"
    assert [each.body for each in await hive.inbox("damocles")] == ["hello"]
    assert [(each["kind"], each["status"]) for each in await told(hive)] == [("adopt", "done")]


async def test_only_a_manifest_that_the_manager_wrote_shows_its_secrets(
    hive: Hive, manager: Line, host: Line
) -> None:
    evil = 'exec = ["agent"]\n[env]\nLD_PRELOAD = "/x\\u001b[2J\\nDone: 1"\n'
    asked = (await manager.ok("request_adopt", name="damocles", manifest=evil))["approval"]
    content = (await host.ok("approval", id=asked))["approval"]["content"]
    assert 'LD_PRELOAD = "/x\\u001b[2J\\nDone: 1"' in content
    await host.ok("deny", id=asked)
    own = await host.ok("adopt", name="damocles", manifest=TOML, manifest_path="/agent.toml")
    assert (
        "hunter2"
        not in (await host.ok("approval", id=own["approval"]["id"]))["approval"]["content"]
    )
    await host.ok("deny", id=own["approval"]["id"])
    table = attrs.evolve(EXEC, env={"TOKEN": "hunter2"})
    hive.parts.reloader._read = None
    hive.parts.reloader.config = attrs.evolve(CONFIG, agents={"damocles": table})
    asked = (await manager.ok("request_adopt", name="damocles", manifest=evil))["approval"]
    content = (await host.ok("approval", id=asked))["approval"]["content"]
    assert 'TOKEN = "(secret)"' in content, "it is the operator's table that would be in force"
    assert "LD_PRELOAD" not in content


async def test_a_second_adoption_with_another_manifest_fails(
    hive: Hive, manager: Line, host: Line
) -> None:
    other = 'exec = ["another"]\n'
    first = (await manager.ok("request_adopt", name="damocles", manifest=TOML))["approval"]
    second = (await manager.ok("request_adopt", name="damocles", manifest=other))["approval"]
    same = (await manager.ok("request_adopt", name="damocles", manifest=f"# x\n{TOML}", stop=True))[
        "approval"
    ]
    assert (await approve(hive, host, first))["status"] == "done"
    row = await approve(hive, host, second)
    assert row["status"] == "failed"
    assert "became an agent meanwhile, with another manifest" in row["error"]
    assert hive.parts.registry.agent("damocles").settings.exec == ("agent",)
    assert (await approve(hive, host, same))["status"] == "done", "it is in force already"


LACKING = f'{TOML}\n[credentials]\ntoken = "/nope/token"\n'
LACK = "'damocles' could not run as an agent: credentials.token: there is no /nope/token"


async def test_what_is_not_on_this_machine_is_found_before_an_adoption_of_the_operator_waits(
    hive: Hive, host: Line
) -> None:
    wish = {"name": "damocles", "manifest": LACKING}
    assert LACK in (await host.ok("adopt", **wish, dry_run=True))["refusal"]
    assert LACK in (await host.refused("adopt", **wish))[1]
    assert (await host.ok("pending"))["approvals"] == []


async def test_the_manager_does_not_find_out_which_files_the_host_has(
    hive: Hive, manager: Line, host: Line
) -> None:
    number = (await manager.ok("request_adopt", name="damocles", manifest=LACKING))["approval"]
    row = await approve(hive, host, number)
    assert (row["status"], LACK in row["error"]) == ("failed", True)
    assert isinstance(hive.parts.registry.get("damocles"), Peer), "nothing has changed"


async def test_what_is_denied_or_taken_back_changes_nothing(
    hive: Hive, manager: Line, host: Line
) -> None:
    first = (await manager.ok("request_release", name="alice"))["approval"]
    second = (await manager.ok("request_adopt", name="damocles", manifest=TOML))["approval"]
    listed = (await manager.ok("loose_ends"))["approvals"]
    assert [each["id"] for each in listed] == [first, second]
    await host.ok("deny", id=first, note="not now")
    await manager.ok("cancel", kind="approval", id=second)
    assert isinstance(hive.parts.registry.get("alice"), Agent)
    assert isinstance(hive.parts.registry.get("damocles"), Peer)
    assert (await manager.ok("loose_ends"))["approvals"] == []


@pytest.mark.parametrize("verb", ["request_release", "request_adopt"])
@pytest.mark.parametrize("seconds", [3, 60])
async def test_a_deadline_denies_on_time(
    hive: Hive, manager: Line, host: Line, verb: str, seconds: int
) -> None:
    fields = {"name": "alice"} if verb == "request_release" else {"name": "damocles"}
    if verb == "request_adopt":
        fields["manifest"] = TOML
    number = (await manager.ok(verb, **fields, ttl_seconds=seconds, on_expiry="deny"))["approval"]
    await asyncio.sleep(seconds - 0.1)
    assert (await host.ok("approval", id=number))["approval"]["status"] == "pending"
    await asyncio.sleep(0.2)
    found = (await host.ok("events", max=5))["events"][-1]
    assert (found["event"], found["detail"]["status"]) == ("approval_resolved", "expired")
    assert (await host.ok("approval", id=number))["approval"]["status"] == "expired"
    code, error = await host.refused("approve", id=number)
    assert (code, "has expired" in error) == ("conflict", True)
    assert isinstance(hive.parts.registry.get("alice"), Agent)


@pytest.mark.parametrize(
    ("verb", "fields", "sentence"),
    [
        ("request_release", {"name": "hm1nd"}, "hm1nd"),
        ("request_release", {"name": "manager"}, "hm1nd"),
        ("request_release", {"name": "damocles"}, "'damocles' is a peer"),
        ("request_release", {"name": "alise"}, "did you mean 'alice'?"),
        ("request_adopt", {"name": "alice", "manifest": TOML}, "'alice' is an agent already"),
        ("request_adopt", {"name": "nobody", "manifest": TOML}, "no participant 'nobody'"),
        ("request_adopt", {"name": "damocles"}, "nothing says what 'damocles' is as an agent"),
        ("request_adopt", {"name": "damocles", "manifest": "x = 1\n"}, "there is no such key"),
        ("request_adopt", {"name": "damocles", "manifest": "x" * 65537}, "at most 65536 are"),
        ("request_adopt", {"name": "damocles", "approve": True}, "approve"),
        ("request_adopt", {"name": "damocles", "dry_run": True}, "dry_run"),
    ],
)
async def test_what_cannot_be_carried_out_is_refused_before_it_waits(
    hive: Hive, manager: Line, host: Line, verb: str, fields: dict[str, Any], sentence: str
) -> None:
    _, error = await manager.refused(verb, **fields)
    assert sentence in error
    assert (await host.ok("pending"))["approvals"] == []


async def test_the_same_waits_once(hive: Hive, manager: Line) -> None:
    for number, (verb, fields) in enumerate(
        [
            ("request_release", {"name": "alice"}),
            ("request_adopt", {"name": "damocles", "manifest": TOML}),
        ],
        start=1,
    ):
        await manager.ok(verb, **fields)
        _, error = await manager.refused(verb, **fields)
        assert f"approval {number} asks for the same and waits already" in error


async def test_an_approval_about_one_that_was_removed_is_cancelled(
    hive: Hive, manager: Line, host: Line
) -> None:
    first = (await manager.ok("request_release", name="alice"))["approval"]
    second = (await manager.ok("request_adopt", name="damocles", manifest=TOML))["approval"]
    await host.ok("destroy", name="alice")
    await host.ok("unregister_peer", name="damocles")
    await asyncio.sleep(11)
    for number in (first, second):
        row = (await host.ok("approval", id=number))["approval"]
        assert row["status"] == "cancelled"
        assert row["note"].endswith("was removed")


async def test_a_release_that_the_operator_did_himself_is_done(
    hive: Hive, manager: Line, host: Line
) -> None:
    number = (await manager.ok("request_release", name="alice"))["approval"]
    await host.ok("release", name="alice")
    assert (await approve(hive, host, number))["status"] == "done"


@pytest.mark.parametrize("done", [False, True])
async def test_a_daemon_that_ends_in_the_middle_releases_once(
    site: Site, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    reached = asyncio.Event()
    release = Moves.release

    async def stopping(self: Moves, *arguments: Any, **options: Any) -> Any:
        if done:
            await release(self, *arguments, **options)
        reached.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Moves, "release", stopping)
    runtime = ScriptedRuntime()
    async with site.simulated(runtime, CONFIG) as hive:
        await hive.until_state("alice", "running")
        async with (
            connected(hive.paths.agent_socket("hm1nd")) as manager,
            connected(hive.paths.host_socket) as host,
        ):
            number = (await manager.ok("request_release", name="alice"))["approval"]
            await host.ok("approve", id=number)
            await reached.wait()
        await hive.close(keep_agents=True)
    monkeypatch.undo()
    # With it in hive.toml as an agent, the next daemon would refuse to say what it is.
    after = CONFIG if not done else attrs.evolve(CONFIG, agents={})
    async with site.simulated(runtime, after) as hive:
        ended = await hive.parts.approvals.wait_carried_out(number)
        assert (ended.state.value, ended.error) == ("done", None)
        assert isinstance(hive.parts.registry.get("alice"), Peer)
        entries = await hive.parts.store.read(audit.newest(100, "alice"))
        assert [each.verb for each in entries].count("release") == 1
