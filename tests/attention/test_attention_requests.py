"""What needs the operator, over host.sock, in a simulated hive."""

from __future__ import annotations

import asyncio

import pytest

from actors.testing import advance, settle
from hive.attention.items import OF_A_KIND_MAX
from hive.client.agent import Role
from hive.daemon.hive import Hive
from hive.exits import Exited
from hive.wire.enums import ActivityState, NackMode
from hive.wire.harness import Activity
from tests.support.hives import CALM, Line, Site, connected, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim


async def ids(host: Line) -> list[str]:
    return [item["id"] for item in (await host.ok("attention"))["items"]]


async def park(hive: Hive, runtime: ScriptedRuntime, name: str = "alice") -> None:
    for _ in range(CALM.max_restarts):
        runtime.end(name, Exited(4), "boom: no such key")
        await hive.until_state(name, "backoff")
        await hive.until_state(name, "running", within=1000)
    runtime.end(name, Exited(4), "boom: no such key")
    await hive.until_state(name, "failed")
    await settle()


async def test_a_hive_without_trouble_has_none(host: Line) -> None:
    answer = await host.ok("attention")
    assert (answer["items"], answer["working"]) == ([], 0)


async def test_all_that_waits_is_shown_until_it_is_settled(
    hive: Hive, host: Line, runtime: ScriptedRuntime
) -> None:
    bob, lab = await hive.client("bob"), await hive.client("damocles")
    number = await bob.ask("deploy?", options=["yes", "no"], ttl=600)
    mail = await bob.send("operator", "look at\nthis")
    await lab.hello(Role.HARNESS)
    await lab.report(Activity(ActivityState.NEEDS_LOGIN, asyncio.get_running_loop().time()))
    await park(hive, runtime)
    items = {item["id"]: item for item in (await host.ok("attention"))["items"]}
    assert list(items) == [
        f"question-{number}",
        "login-damocles",
        "failed-alice",
        f"mail-{mail.id}",
    ]
    assert items[f"question-{number}"]["blocks"] == ["bob"]
    assert items["failed-alice"]["text"] == "alice failed: boom: no such key"
    [event] = [e for e in await hive.parts.events.recent(50) if e.event == "failed"]
    assert items["failed-alice"]["since"] == event.at
    assert items[f"mail-{mail.id}"]["text"] == "bob: look at this"
    await host.ok("answer", id=number, answer="yes")
    assert (await host.ok("read_mail", ids=[mail.id, mail.id + 99]))["count"] == 1
    await hive.start("alice")
    assert await ids(host) == ["login-damocles"]


async def test_a_dead_letter_is_shown_until_it_is_replayed(hive: Hive, host: Line) -> None:
    number = await hive.send("alice", "work")
    alice = await hive.client("alice")
    [got] = await alice.recv()
    await alice.nack(got.id, mode=NackMode.REJECT, reason="no such tool")
    [item] = (await host.ok("attention"))["items"]
    assert (item["id"], item["name"]) == (f"dead-{number}", "alice")
    assert item["text"] == "message from operator to alice was given up: no such tool"
    await host.ok("replay", ids=[number])
    assert await ids(host) == []


async def test_mail_that_is_not_due_is_not_shown(hive: Hive, host: Line) -> None:
    bob = await hive.client("bob")
    sent = await bob.send("operator", "later", delay=60)
    assert await ids(host) == []
    await advance(61)
    assert await ids(host) == [f"mail-{sent.id}"]


async def test_turns_that_run_are_counted(hive: Hive, host: Line) -> None:
    alice = await hive.client("alice")
    await alice.hello(Role.HARNESS)
    await alice.report(Activity(ActivityState.WORKING, asyncio.get_running_loop().time()))
    assert (await host.ok("attention"))["working"] == 1


async def test_a_failure_that_is_archived_comes_back_if_the_agent_fails_again(
    hive: Hive, host: Line, runtime: ScriptedRuntime
) -> None:
    await park(hive, runtime)
    await host.ok("mark", key="failed-alice", archived=True, pinned=True)
    [item] = (await host.ok("attention"))["items"]
    assert (item["archived"], item["pinned"]) == (True, True)
    await hive.start("alice")
    await advance(5)
    await park(hive, runtime)
    [item] = (await host.ok("attention"))["items"]
    assert (item["archived"], item["pinned"]) == (False, False)


async def test_a_mark_of_a_participant_holds_for_all_its_items_and_its_row(
    hive: Hive, host: Line, runtime: ScriptedRuntime
) -> None:
    await host.ok("mark", key="alice", archived=True, snooze=60)
    await park(hive, runtime)
    await host.ok("mark", key="alice", snooze=60)
    [item] = (await host.ok("attention"))["items"]
    assert item["archived"]
    row = await hive.status("alice")
    assert (row.archived, row.pinned) == (True, None)
    assert row.snoozed_until == item["snoozed_until"]
    await advance(60)
    await host.ok("mark", key="alice", archived=False)
    assert (await hive.status("alice")).snoozed_until is None
    assert "snoozed_until" not in (await host.ok("attention"))["items"][0]


async def test_subscribers_of_the_status_see_a_mark(hive: Hive, host: Line) -> None:
    async with connected(hive.paths.host_socket) as stream:
        await stream.ok("subscribe_agent_status")
        await host.ok("mark", key="damocles", pinned=True)
        [row] = (await stream.read())["agent_statuses"]
        assert (row["name"], row["pinned"]) == ("damocles", True)


@pytest.mark.parametrize("key", ["alcie", "failed-alice", "question-1"])
async def test_a_wrong_key_is_refused_with_the_nearest(host: Line, key: str) -> None:
    code, sentence = await host.refused("mark", key=key, pinned=True)
    assert code == "not_found"
    assert sentence.startswith(f"there is no item and no participant '{key}'")
    if key == "alcie":
        assert "did you mean 'alice'?" in sentence


async def test_marks_survive_a_restart_a_rename_and_end_with_a_removal(
    site: Site, runtime: ScriptedRuntime
) -> None:
    config = swarm("alice", peers=["lab"])
    async with (
        site.simulated(runtime, config) as hive,
        connected(hive.paths.host_socket) as host,
    ):
        await host.ok("mark", key="lab", pinned=True)
        await hive.until_state("alice", "running")
        await park(hive, runtime)
        await host.ok("mark", key="failed-alice", archived=True)
    async with (
        site.simulated(runtime, config) as hive,
        connected(hive.paths.host_socket) as host,
    ):
        assert (await hive.status("lab")).pinned
        [item] = (await host.ok("attention"))["items"]
        assert (item["id"], item["archived"]) == ("failed-alice", True)
        await hive.parts.renames.rename("lab", "damocles")
        assert (await hive.status("damocles")).pinned
        await host.ok("unregister_peer", name="damocles", force=True)
        await settle()
        await hive.register_peer("damocles")
        assert (await hive.status("damocles")).pinned is None
        await host.ok("destroy", name="alice")
        assert await ids(host) == []


async def test_two_hundred_agents_cost_one_row_for_each_that_needs_the_operator(
    site: Site, runtime: ScriptedRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"a{number}" for number in range(200)]
    async with site.simulated(runtime, swarm(*names)) as hive:
        await hive.until_state("a0", "running")
        await hive.until_state("a7", "running")
        await park(hive, runtime, "a7")
        made: list[str] = []
        snapshot = hive.parts.snapshot
        rows_of = snapshot.rows_of

        async def counting(members):  # type: ignore[no-untyped-def]
            found = await rows_of(members)
            made.extend(row.name for row in found)
            return found

        monkeypatch.setattr(snapshot, "rows_of", counting)
        async with connected(hive.paths.host_socket) as host:
            assert await ids(host) == ["failed-a7"]
        assert made == ["a7"]


async def test_a_mark_moves_with_a_rename_also_on_disk(
    site: Site, runtime: ScriptedRuntime
) -> None:
    async with site.simulated(runtime, swarm()) as hive:
        for name in ("lab", "other"):
            await hive.register_peer(name)
        async with connected(hive.paths.host_socket) as host:
            await host.ok("mark", key="lab", pinned=True)
            await host.ok("mark", key="other", pinned=True)
            await hive.parts.renames.rename("lab", "box")
            await host.ok("unregister_peer", name="other", force=True)
    async with site.simulated(runtime, swarm()) as hive:
        assert (await hive.status("box")).pinned
        for name in ("lab", "other"):
            await hive.register_peer(name)
            assert (await hive.status(name)).pinned is None


async def test_a_mark_outlives_a_flood_that_hides_its_item(hive: Hive, host: Line) -> None:
    bob = await hive.client("bob")
    first = await bob.send("operator", "seen")
    await host.ok("mark", key=f"mail-{first.id}", archived=True)
    flood = [(await bob.send("operator", f"look {number}")).id for number in range(OF_A_KIND_MAX)]
    assert f"mail-{first.id}" not in await ids(host), "only so many of a kind are shown"
    await host.ok("mark", key="alice", pinned=True)
    await host.ok("read_mail", ids=flood)
    [item] = (await host.ok("attention"))["items"]
    assert (item["id"], item["archived"]) == (f"mail-{first.id}", True)
