"""The operator's socket: every verb once, over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from actors.testing import advance, settle
from hive.daemon.hive import Hive
from hive.exits import Exited
from tests.support.hives import Line, connected
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim

COMPATIBLE = (
    *("name", "running", "failed", "needs_update", "needs_login", "deployed_sha"),
    *("pending_reminders", "paused", "parent", "active_model", "status_text", "status_set_at"),
    "url",
)
"""The fields of the existing host socket's status row, in their order."""


@pytest.fixture
async def operator(hive: Hive) -> AsyncIterator[Line]:
    async with connected(hive.paths.host_socket) as line:
        yield line


async def rows(operator: Line) -> dict[str, dict[str, Any]]:
    answer = await operator.ok("agent_status")
    return {row["name"]: row for row in answer["agent_statuses"]}


async def until(line: Line, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Read a stream until a line matches, and return it."""
    while not fits(answer := await line.read()):
        pass
    return answer


# Verbs that show


async def test_list_names_agents_and_peers(operator: Line) -> None:
    assert await operator.ok("list") == {
        "version": 1,
        "ok": True,
        "agents": ["hm1nd", "alice", "bob"],
        "peers": ["damocles"],
    }


async def test_status_rows_keep_the_order_and_the_names_of_the_existing_socket(
    operator: Line,
) -> None:
    found = await rows(operator)
    assert list(found) == ["hm1nd", "alice", "bob", "damocles"]
    alice = found["alice"]
    shared = [field for field in alice if field in COMPATIBLE]
    assert shared == [field for field in COMPATIBLE if field in alice]
    assert list(alice)[: len(shared)] == shared, "what is ours comes after what is theirs"
    assert alice["parent"] == "hm1nd"
    assert "parent" not in found["hm1nd"]
    assert (alice["running"], alice["failed"], alice["paused"]) == (True, False, False)
    assert (alice["kind"], alice["state"], alice["restarts"]) == ("agent", "running", 0)
    peer = found["damocles"]
    assert (peer["kind"], peer["state"], peer["running"]) == ("peer", "away", False)
    assert "pid" not in peer


async def test_the_tree_shows_every_actor(operator: Line) -> None:
    tree = (await operator.ok("tree"))["tree"]
    assert tree["path"] == "hive-c0re"
    assert [child["path"].rpartition("/")[2] for child in tree["children"]] == [
        "store",
        "broker",
        "maintenance",
        "pressure",
        "agents",
        "peers",
        "schedules",
        "changes",
        "gateway",
        "notices",
    ]
    agents = tree["children"][4]
    assert [child["state"] for child in agents["children"]] == ["running"] * 3


async def test_what_is_not_there_yet_answers_as_the_existing_socket_does(operator: Line) -> None:
    assert (await operator.ok("urls"))["urls"] == {}
    assert (await operator.ok("pending"))["approvals"] == []
    for verb in ("approve", "deny"):
        code, error = await operator.refused(verb, id=42)
        assert (code, "42" in error) == ("not_found", True)


async def test_logs_are_the_last_lines(operator: Line, runtime: ScriptedRuntime) -> None:
    runtime.machines["alice"].lines.extend(["one", "two", "three"])
    assert (await operator.ok("logs", name="alice", lines=2))["lines"] == ["two", "three"]
    code, _ = await operator.refused("logs", name="damocles")
    assert code == "not_allowed"
    await operator.ok("logs", name="alice", follow=True)
    assert [(await operator.read())["lines"] for _ in range(3)] == [["one"], ["two"], ["three"]]
    assert await operator.reader.read() == b"", "the log has ended, so the stream does"


# Verbs that change


async def test_stop_and_start_take_a_scope(operator: Line, runtime: ScriptedRuntime) -> None:
    await operator.ok("stop", scope={"agent_names": ["alice", "bob", "alice"]})
    assert set(runtime.machines) == {"hm1nd"}
    assert runtime.verbs("alice").count("stop") == 1
    await operator.ok("start", scope={"agent_names": ["bob"]})
    assert set(runtime.machines) == {"hm1nd", "bob"}
    await operator.ok("stop", scope={"agent_names": ["bob"]}, graceful=False)
    assert runtime.verbs("bob")[-1] == "kill"


@pytest.mark.parametrize("verb", ["start", "stop"])
async def test_an_empty_scope_never_means_everyone(
    operator: Line, runtime: ScriptedRuntime, verb: str
) -> None:
    runtime.calls.clear()
    for scope in ({}, {"agent_names": []}):
        code, error = await operator.refused(verb, scope=scope)
        assert (code, "names no agent" in error) == ("bad_request", True)
    assert runtime.calls == []


CLASSES = ("agents", "ci", "forge", "gateway", "matrix")


async def test_the_classes_of_version_1_are_accepted_when_false(
    operator: Line, runtime: ScriptedRuntime
) -> None:
    classes = dict.fromkeys(CLASSES, False)
    await operator.ok("stop", scope={**classes, "agent_names": ["alice"]}, graceful=True)
    assert "alice" not in runtime.machines
    await operator.ok("start", scope={**classes, "agent_names": ["alice"]})
    assert "alice" in runtime.machines
    _, error = await operator.refused("start", scope={**classes})
    assert "names no agent" in error


@pytest.mark.parametrize("name", CLASSES)
async def test_a_class_of_version_1_is_refused_in_words_when_true(
    operator: Line, runtime: ScriptedRuntime, name: str
) -> None:
    runtime.calls.clear()
    scope = {**dict.fromkeys(CLASSES, False), name: True, "agent_names": ["alice"]}
    code, error = await operator.refused("stop", scope=scope)
    assert code == "bad_request"
    assert f"the class {name!r}" in error
    assert "'agent_names'" in error
    assert runtime.calls == []


async def test_a_scope_with_one_wrong_name_does_nothing_at_all(
    operator: Line, runtime: ScriptedRuntime
) -> None:
    runtime.calls.clear()
    code, _ = await operator.refused("stop", scope={"agent_names": ["alice", "nobody"]})
    assert code == "unknown_name"
    code, _ = await operator.refused("stop", scope={"agent_names": ["alice", "damocles"]})
    assert code == "not_allowed"
    assert runtime.calls == []


@pytest.mark.parametrize(
    ("cmd", "fields"),
    [
        ("start", lambda names: {"scope": {"agent_names": names}}),
        ("stop", lambda names: {"scope": {"agent_names": names}}),
        ("check_names", lambda names: {"names": names}),
    ],
    ids=["start", "stop", "check_names"],
)
async def test_all_wrong_names_are_told_in_the_same_words(
    operator: Line, runtime: ScriptedRuntime, cmd: str, fields: Callable[[list[str]], Any]
) -> None:
    before = len(runtime.calls)
    code, error = await operator.refused(cmd, **fields(["alice", "bobb", "damocles", "bobb"]))
    assert code == "unknown_name"
    assert error.startswith("nothing was done: there is no participant 'bobb'; did you mean 'bob'?")
    assert "\n'damocles' is a peer" in error, "a line for each"
    assert error.count("bobb") == 1
    _, error = await operator.refused(cmd, **fields(["damocles"]))
    assert error.startswith("'damocles' is a peer"), "of one name it is plain"
    assert len(runtime.calls) == before


async def test_names_are_checked_without_a_change(
    operator: Line, runtime: ScriptedRuntime, hive: Hive
) -> None:
    before = len(runtime.calls)
    await operator.ok("check_names", names=["alice", "bob", "manager"])
    assert len(runtime.calls) == before
    code, error = await operator.refused("check_names", names=["alice", "damocles"], orders=True)
    assert code == "conflict"
    assert "no harness of 'alice' is connected" in error
    async with connected(hive.paths.agent_socket("damocles")) as peer:
        await peer.ok("hello", role="harness")
        await operator.ok("check_names", names=["damocles"], orders=True)


async def test_every_agent_of_a_scope_that_failed_is_named(
    operator: Line, runtime: ScriptedRuntime
) -> None:
    runtime.broken["stop"] = "the bus is gone"
    code, error = await operator.refused("stop", scope={"agent_names": ["alice", "bob"]})
    assert (code, error.count("the bus is gone")) == ("failed", 2)
    runtime.broken.clear()


async def test_restart_and_rebuild_make_a_new_container(hive: Hive, operator: Line) -> None:
    seen = {(await rows(operator))["alice"]["pid"]}
    for verb in ("restart", "rebuild"):
        await operator.ok(verb, name="alice")
        seen.add((await rows(operator))["alice"]["pid"])
    assert len(seen) == 3


async def test_an_agent_whose_container_does_not_build_keeps_running(
    operator: Line, runtime: ScriptedRuntime
) -> None:
    before = (await rows(operator))["alice"]["pid"]
    runtime.broken["update"] = "error: undefined variable 'pkgs'"
    code, error = await operator.refused("rebuild", name="alice")
    assert (code, "undefined variable" in error) == ("failed", True)
    assert (await rows(operator))["alice"]["pid"] == before


async def test_kill_asks_first_unless_forced(operator: Line, runtime: ScriptedRuntime) -> None:
    await operator.ok("kill", name="alice")
    await operator.ok("kill", name="bob", force=True)
    assert (runtime.verbs("alice")[-1], runtime.verbs("bob")[-1]) == ("stop", "kill")


async def test_spawn_and_destroy(operator: Line, runtime: ScriptedRuntime) -> None:
    await operator.ok("spawn", name="carol", exec=["agent", "--fast"], env={"A": "b"}, cwd="/srv")
    spec = runtime.specs["carol"]
    assert spec.command == ("agent", "--fast")
    assert (spec.environment["A"], str(spec.working_directory)) == ("b", "/srv")
    assert (await rows(operator))["carol"]["state"] == "running"
    await operator.ok("destroy", name="carol", purge=True, dry_run=True)
    assert (await rows(operator))["carol"]["state"] == "running"
    await operator.ok("destroy", name="carol", purge=True)
    assert "carol" not in await rows(operator)


async def test_spawn_with_a_manifest(operator: Line, runtime: ScriptedRuntime) -> None:
    text = 'exec = ["agent"]\nmemory_max = "8G"\nproject = "parser"\n'
    answer = await operator.ok("spawn", name="carol", manifest=text, dry_run=True)
    assert answer["manifest"] == text
    assert "carol" not in await rows(operator)
    await operator.ok("spawn", name="carol", manifest=text)
    await operator.ok("spawn", name="dave", template="carol")
    assert runtime.specs["dave"].memory_max == "8G"
    assert (await rows(operator))["dave"]["project"] == "parser"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "one of 'run'"),
        ({"run": ["a"], "exec": ["b"]}, "one of 'run'"),
        ({"run": []}, "empty"),
        ({"exec": []}, "empty"),
        ({"run": ["a"], "cwd": "here"}, "absolute"),
    ],
)
async def test_an_invalid_spawn_is_refused_with_the_reason(
    operator: Line, fields: dict[str, Any], says: str
) -> None:
    code, error = await operator.refused("spawn", name="carol", **fields)
    assert (code, says in error) == ("bad_request", True)
    assert "carol" not in await rows(operator)


async def test_a_pause_shows(operator: Line) -> None:
    paused = await operator.ok("set_paused", name="alice", paused=True)
    assert "changed" not in paused
    again = await operator.ok("set_paused", name="alice", paused=True)
    assert again["changed"] is False
    found = (await operator.ok("events", max=10))["events"]
    assert [row["event"] for row in found].count("paused") == 1, "no event without a change"
    assert (await rows(operator))["alice"]["paused"] is True
    await operator.ok("set_paused", name="alice", paused=False)
    assert (await rows(operator))["alice"]["paused"] is False


async def test_peers_are_registered_and_unregistered(hive: Hive, operator: Line) -> None:
    answer = await operator.ok("register_peer", name="box-b", description="the other box")
    assert answer["socket"] == str(hive.paths.agent_socket("box-b"))
    async with connected(hive.paths.agent_socket("box-b")) as peer:
        assert (await peer.ok("whoami"))["kind"] == "peer"
        await operator.ok("send", to="box-b", body="hi")
        code, error = await operator.refused("unregister_peer", name="box-b")
        assert (code, "1 unread" in error) == ("conflict", True)
        await operator.ok("unregister_peer", name="box-b", force=True)
        assert await peer.reader.read() == b"", "its door is closed"
    assert (await operator.ok("list"))["peers"] == ["damocles"]


@pytest.mark.parametrize("observe", ["*", "../x", "-H", "a\0b", "two words"])
async def test_what_is_observed_is_a_unit_or_a_machine(operator: Line, observe: str) -> None:
    code, error = await operator.refused("register_peer", name="box-b", observe=observe)
    assert (code, "is no unit" in error) == ("bad_request", True)
    assert (await operator.ok("list"))["peers"] == ["damocles"]


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("start", {"scope": {"agent_names": ["damocles"]}}),
        ("stop", {"scope": {"agent_names": ["damocles"]}}),
        ("restart", {"name": "damocles"}),
        ("rebuild", {"name": "damocles"}),
        ("kill", {"name": "damocles", "force": True}),
        ("destroy", {"name": "damocles"}),
        ("destroy", {"name": "damocles", "dry_run": True}),
        ("set_paused", {"name": "damocles", "paused": True}),
    ],
)
async def test_no_lifecycle_verb_takes_a_peer(
    operator: Line, runtime: ScriptedRuntime, verb: str, fields: dict[str, Any]
) -> None:
    code, error = await operator.refused(verb, **fields)
    assert (code, "'damocles' is a peer" in error) == ("not_allowed", True)
    assert runtime.verbs("damocles") == []


async def test_the_operators_mail(hive: Hive, operator: Line) -> None:
    sent = await operator.ok("send", to="alice", body="how are you?")
    async with connected(hive.paths.agent_socket("alice")) as alice:
        [message] = (await alice.ok("recv"))["messages"]
        assert (message["from"], message["kind"]) == ("operator", "operator")
        await alice.ok("send", to="operator", body="fine", in_reply_to=sent["id"])
    [answer] = (await operator.ok("inbox", unread=True))["messages"]
    assert (answer["from"], answer["body"], answer["in_reply_to"]) == ("alice", "fine", sent["id"])
    await operator.ok("inbox", ack=True)
    assert (await operator.ok("inbox", unread=True))["messages"] == []
    code, error = await operator.refused("inbox", name="alice", ack=True)
    assert (code, "alice" in error) == ("not_allowed", True)
    [seen] = (await operator.ok("inbox", name="alice"))["messages"]
    assert seen["body"] == "how are you?"
    code, _ = await operator.refused("inbox", name="nobody")
    assert code == "unknown_name"


async def test_shutdown_is_answered_before_the_hive_ends(hive: Hive, operator: Line) -> None:
    waiting = asyncio.ensure_future(hive.wait_ended())
    await operator.ok("shutdown", keep_agents=True)
    assert await waiting is None
    await hive.close()
    assert set(hive.runtime.machines) == {"alice", "bob", "hm1nd"}  # type: ignore[attr-defined]


# Streams


async def test_a_subscription_pushes_every_change_until_the_last(
    hive: Hive, operator: Line, runtime: ScriptedRuntime
) -> None:
    assert await operator.ok("subscribe_agent_status") == {"version": 1, "ok": True}
    stopping = asyncio.ensure_future(hive.stop("alice"))
    stopped = await until(operator, lambda a: a["agent_statuses"][0]["state"] == "stopped")
    assert [row["name"] for row in stopped["agent_statuses"]] == ["alice"]
    await stopping
    runtime.end("bob", Exited(1), "why")
    waits = await until(operator, lambda a: a["agent_statuses"][0]["state"] == "backoff")
    assert waits["agent_statuses"][0]["reason"] == "exited with status 1"
    again = await until(operator, lambda a: a["agent_statuses"][0]["state"] == "running")
    assert again["agent_statuses"][0]["restarts"] == 1
    await advance(100)
    async with connected(hive.paths.agent_socket("damocles")) as peer:
        await peer.ok("hello", role="harness")
        await until(operator, lambda a: a["agent_statuses"][0]["state"] == "connected")
    await until(operator, lambda a: a["agent_statuses"][0]["state"] == "away")


async def test_a_subscription_ends_with_its_client(hive: Hive) -> None:
    before = len(hive.parts.registry._subscribers)
    async with connected(hive.paths.host_socket) as line:
        await line.ok("subscribe_agent_status")
        await settle()
        assert len(hive.parts.registry._subscribers) == before + 1
    await settle()
    assert len(hive.parts.registry._subscribers) == before


async def test_events_are_the_newest_in_order(operator: Line) -> None:
    everything = (await operator.ok("events", max=1000))["events"]
    assert everything[-1]["event"] in {"started", "daemon_started"}
    assert {event["name"] for event in everything if event["event"] == "started"} == {
        "alice",
        "bob",
        "hm1nd",
    }
    newest = (await operator.ok("events", max=2))["events"]
    assert newest == everything[-2:]
    after = everything[1]["seq"]
    assert (await operator.ok("events", after=after, max=1000))["events"] == everything[2:]


async def test_events_follow_without_a_gap_and_without_repeats(hive: Hive, operator: Line) -> None:
    acting = asyncio.ensure_future(_stir(hive, 20))
    await operator.ok("events", max=1000, follow=True)
    got: list[int] = []
    while len(got) < 3 or not acting.done():
        got.extend(event["seq"] for event in (await operator.read())["events"])
    await settle()
    last = [event.seq for event in await hive.parts.events.recent(1000)]
    while got[-1] < last[-1]:
        got.extend(event["seq"] for event in (await operator.read())["events"])
    assert got == last


async def _stir(hive: Hive, times: int) -> None:
    for number in range(times):
        await hive.parts.lifecycle.set_paused("alice", paused=number % 2 == 0)


async def test_events_that_are_followed_from_a_number_begin_after_it(
    hive: Hive, operator: Line
) -> None:
    everything = await hive.parts.events.recent(1000)
    await operator.ok("events", follow=True, after=everything[-3].seq, max=1000)
    assert [(await operator.read())["events"][0]["seq"] for _ in range(2)] == [
        event.seq for event in everything[-2:]
    ]
