"""Reports of a harness, orders to it, and their end with its connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actors.testing import advance, settle
from hive.client.agent import AgentClient
from hive.daemon.hive import Hive
from hive.participants.event_budget import BURST
from hive.participants.usage_limits import SPREAD, spread
from hive.testing import crash
from tests.support.hives import Line, Site, connected, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim

HARNESS = {"role": "harness", "driver": "test"}


@pytest.fixture
async def alice(hive: Hive) -> AsyncIterator[Line]:
    async with connected(hive.paths.agent_socket("alice")) as line:
        await line.ok("hello", **HARNESS)
        yield line


@pytest.fixture
async def bob(hive: Hive) -> AsyncIterator[Line]:
    async with connected(hive.paths.agent_socket("bob")) as line:
        await line.ok("hello", **HARNESS)
        yield line


def now() -> float:
    return 1_700_000_000.0 + asyncio.get_running_loop().time()


def turn(started_at: float, **more: Any) -> dict[str, Any]:
    usual = {"ended_at": started_at + 5, "wake": "message", "outcome": "done"}
    return {"started_at": started_at, **usual, **more}


async def orders(line: Line, **fields: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await line.ok("orders", **fields))["orders"]
    return found


async def kinds(line: Line, **fields: Any) -> list[str]:
    return [order["order"] for order in await orders(line, **fields)]


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("report", {"state": "idle", "since": 1}),
        ("turn", turn(1)),
        ("live", {"kind": "text", "text": "hi"}),
        ("limited", {"account": "a", "until": 1, "reason": "x"}),
        ("unlimited", {"account": "a"}),
        ("orders", {}),
    ],
)
async def test_these_verbs_are_refused_without_a_hello_as_harness(
    hive: Hive, verb: str, fields: dict[str, Any]
) -> None:
    async with connected(hive.paths.agent_socket("alice")) as tool:
        await tool.ok("hello", role="tool")
        code, error = await tool.refused(verb, **fields)
        assert (code, "'hello' with role 'harness'" in error) == ("not_allowed", True)


async def test_what_is_reported_is_shown_with_its_time_until_the_connection_ends(
    hive: Hive, alice: Line
) -> None:
    assert (await hive.status("alice")).activity == "unknown"
    await alice.ok(
        "report", state="working", since=now() - 5, about="message 7", model="opus", session="s1"
    )
    await advance(3)
    row = await hive.status("alice")
    assert (row.activity, row.activity_about, row.active_model) == ("working", "message 7", "opus")
    assert (row.activity_since, row.activity_at) == (
        "2023-11-14T22:13:15.000Z",
        "2023-11-14T22:13:20.000Z",
    )
    assert not row.needs_login
    await alice.close()
    await settle()
    row = await hive.status("alice")
    assert (row.activity, row.active_model, row.activity_at) == ("unknown", None, None)


async def test_others_see_what_an_agent_does(alice: Line, bob: Line) -> None:
    await alice.ok("report", state="waiting", since=now(), about="bob")
    who = {row["name"]: row for row in (await bob.ok("who"))["participants"]}
    assert (who["alice"]["activity"], who["bob"]["activity"]) == ("waiting", "unknown")


async def test_the_latest_report_of_several_connections_counts(hive: Hive, alice: Line) -> None:
    await alice.ok("report", state="idle", since=now())
    async with connected(hive.paths.agent_socket("alice")) as second:
        await second.ok("hello", **HARNESS)
        await advance(1)
        await second.ok("report", state="working", since=now())
        assert (await hive.status("alice")).activity == "working"
    await settle()
    assert (await hive.status("alice")).activity == "idle"


async def test_a_missing_login_is_shown_and_the_operator_is_notified_once(
    hive: Hive, alice: Line
) -> None:
    for _ in range(2):
        await alice.ok("report", state="needs_login", since=now(), about="no credentials")
    await settle()
    assert (await hive.status("alice")).needs_login
    [notice] = await hive.inbox()
    assert notice.body == '{"event": "needs_login", "agent": "alice", "about": "no credentials"}'
    await alice.ok("report", state="idle", since=now())
    assert not (await hive.status("alice")).needs_login


async def test_a_harness_that_toggles_its_login_leaves_one_mail_and_few_events(
    hive: Hive, alice: Line, host: Line
) -> None:
    for number in range(300):
        await alice.ok("report", state="needs_login", since=now(), about=f"reason {number}")
        await alice.ok("report", state="idle", since=now())
    await settle()
    assert len(await hive.inbox()) == 1
    await advance(60)
    replaced, newest = await hive.inbox()
    assert replaced.reason == f"superseded by message {newest.id}"
    assert newest.body == '{"event": "needs_login", "agent": "alice", "about": "reason 299"}'
    await alice.ok("report", state="needs_login", since=now())
    await settle()
    events = (await host.ok("events", max=1000))["events"]
    logins = [each for each in events if each["event"] in {"needs_login", "logged_in"}]
    assert len(logins) == 11
    assert logins[-1]["detail"] == {"skipped": 590}


async def test_turns_are_kept_and_a_repeat_is_the_same_turn(alice: Line, host: Line) -> None:
    numbers = {"input_tokens": 10, "output_tokens": 20, "cost_usd": 0.25}
    for _ in range(2):
        await alice.ok("turn", **turn(100, messages=[7], tools={"send": 2}, **numbers))
    await alice.ok("turn", **turn(200, outcome="failed", note="overloaded", model="opus"))
    first, second = (await host.ok("turns", name="alice"))["turns"]
    assert (first["messages"], first["tools"], first["cost_usd"]) == ([7], {"send": 2}, 0.25)
    assert (first["started_at"], first["seconds"]) == ("1970-01-01T00:01:40.000Z", 5.0)
    assert (second["outcome"], second["note"], second["model"]) == ("failed", "overloaded", "opus")
    [newest] = (await host.ok("turns", name="alice", max=1))["turns"]
    assert newest["id"] == second["id"]
    assert (await host.ok("turns", name="bob"))["turns"] == []
    code, error = await host.refused("turns", name="alcie")
    assert (code, "did you mean 'alice'" in error) == ("unknown_name", True)


async def test_a_turn_ends_after_it_began(alice: Line) -> None:
    code, error = await alice.refused("turn", **turn(100, ended_at=99))
    assert (code, "cannot end before it began" in error) == ("bad_request", True)


async def test_watch_pushes_past_and_future_events(hive: Hive, alice: Line) -> None:
    await alice.ok("live", kind="text", text="one")
    await alice.ok("live", kind="tool", text="send")
    async with connected(hive.paths.host_socket) as watcher:
        await watcher.ok("watch", name="alice", max=1)
        [event] = (await watcher.read())["live"]
        assert (event["kind"], event["text"]) == ("tool", "send")
        await alice.ok("live", kind="note", text="three")
        [event] = (await watcher.read())["live"]
        assert (event["kind"], event["text"]) == ("note", "three")


# Orders


async def test_the_first_poll_says_what_holds_and_the_next_one_waits(
    hive: Hive, alice: Line, host: Line
) -> None:
    [first] = await orders(alice, wait_seconds=60, after=10**15)
    assert first["order"] == "resume"
    alice.write({"cmd": "orders", "wait_seconds": 60, "after": first["seq"]})
    await settle()
    await host.ok("set_paused", name="alice", paused=True)
    [pause] = (await alice.read())["orders"]
    assert (pause["order"], pause["seq"] > first["seq"]) == ("pause", True)
    assert await orders(alice, after=pause["seq"]) == []
    await host.ok("set_paused", name="alice", paused=False)
    assert await kinds(alice, after=pause["seq"]) == ["resume"]


async def test_a_poll_ends_empty_after_its_time_and_holds_nothing_else_up(alice: Line) -> None:
    [first] = await orders(alice)
    poll = {"cmd": "orders", "wait_seconds": 30, "after": first["seq"], "req": 1}
    alice.write(poll, {"cmd": "status", "req": 2})
    assert (await alice.read())["req"] == 2
    code, error = await alice.refused("orders", wait_seconds=1)
    assert (code, "waits for orders already" in error) == ("conflict", True)
    await advance(30)
    answer = await alice.read()
    assert (answer["req"], answer["orders"]) == (1, [])


async def test_an_order_that_was_not_received_is_sent_again(alice: Line, host: Line) -> None:
    [resume] = await orders(alice)
    await host.ok("cancel_turn", name="alice")
    await host.ok("new_session", name="alice")
    for _ in range(2):
        assert await kinds(alice, after=resume["seq"]) == ["cancel", "new_session"]
    cancel, _ = await orders(alice, after=resume["seq"])
    assert await kinds(alice, after=cancel["seq"]) == ["new_session"]


@pytest.mark.parametrize("verb", ["cancel_turn", "new_session"])
async def test_an_order_to_an_absent_harness_is_refused(hive: Hive, host: Line, verb: str) -> None:
    code, error = await host.refused(verb, name="alice")
    assert (code, "no harness of 'alice' is connected" in error) == ("conflict", True)
    code, _ = await host.refused(verb, name="nobody")
    assert code == "unknown_name"


async def test_a_new_connection_gets_the_current_orders(hive: Hive, host: Line) -> None:
    await host.ok("set_paused", name="alice", paused=True)
    async with connected(hive.paths.agent_socket("alice")) as line:
        await line.ok("hello", **HARNESS)
        assert await kinds(line, wait_seconds=60) == ["pause"]


async def test_numbers_of_orders_grow_over_restarts_of_the_daemon(site: Site) -> None:
    seen: list[int] = []
    for _ in range(2):
        async with site.simulated(ScriptedRuntime(), swarm("alice")) as hive:
            await advance(1)
            async with connected(hive.paths.agent_socket("alice")) as line:
                await line.ok("hello", **HARNESS)
                seen += [order["seq"] for order in await orders(line)]
    assert sorted(set(seen)) == seen


# Accounts


async def limit(line: Line, until: float, account: str = "acme") -> None:
    await line.ok("limited", account=account, until=until, reason="5 hours used up")


async def share(*lines: Line, account: str = "acme") -> None:
    for line in lines:
        await line.ok("report", state="idle", since=now(), account=account)
        await orders(line)


async def test_a_limit_is_sent_to_all_agents_of_the_account_each_with_its_own_time(
    hive: Hive, alice: Line, bob: Line, host: Line
) -> None:
    await share(alice, bob)
    until = now() + 3600
    await limit(alice, until)
    for name, line in (("alice", alice), ("bob", bob)):
        received = (await orders(line))[-1]
        assert (received["order"], received["until"], received["reason"]) == (
            "limited",
            until,
            "5 hours used up",
        )
        assert received["at"] == until + spread(name, until)
    assert spread("alice", until) != spread("bob", until)
    [row] = (await host.ok("limits"))["limits"]
    assert (row["account"], row["reported_by"], row["names"]) == ("acme", "alice", ["alice", "bob"])
    await advance(3600 + SPREAD)
    assert (await host.ok("limits"))["limits"] == []


async def test_another_account_is_not_concerned(alice: Line, bob: Line) -> None:
    await share(alice)
    await share(bob, account="other")
    await limit(alice, now() + 60)
    assert (await kinds(bob))[-1] == "unlimited"


async def test_only_the_own_account_is_reported_as_used_up(alice: Line) -> None:
    for account in (None, "other"):
        await alice.ok("report", state="idle", since=now(), account=account)
        code, error = await alice.refused("limited", account="acme", until=now() + 1, reason="x")
        assert (code, "has not reported the account 'acme'" in error) == ("not_allowed", True)


async def test_a_limit_without_end_is_refused(alice: Line) -> None:
    await share(alice)
    code, error = await alice.refused("limited", account="acme", until=9e9, reason="x")
    assert (code, "at most 35 d ahead" in error) == ("bad_request", True)


async def test_the_end_of_a_limit_is_sent_too(alice: Line, bob: Line, host: Line) -> None:
    await share(alice, bob)
    await limit(alice, now() + 3600)
    await bob.ok("unlimited", account="acme")
    for line in (alice, bob):
        received = (await orders(line))[-1]
        assert received["order"] == "unlimited"
        assert now() <= received["at"] <= now() + SPREAD
    await limit(alice, now() + 3600)
    await host.ok("clear_limit", account="acme")
    assert (await kinds(bob))[-1] == "unlimited"
    code, error = await host.refused("clear_limit", account="acme")
    assert (code, "no limit of an account 'acme'" in error) == ("not_found", True)


async def test_the_events_of_an_account_that_is_used_up_again_and_again_are_limited(
    alice: Line, host: Line
) -> None:
    await share(alice)
    for _ in range(BURST):
        await limit(alice, now() + 3600)
        await alice.ok("unlimited", account="acme")
    rows = (await host.ok("events", max=200))["events"]
    assert len([row for row in rows if row["event"] in {"limited", "unlimited"}]) == BURST
    await limit(alice, now() + 3600)
    await host.ok("clear_limit", account="acme")
    last = (await host.ok("events", max=1))["events"][0]
    assert last["event"] == "unlimited", "what the operator does is always recorded"


async def test_a_later_connection_gets_the_limit(hive: Hive, alice: Line) -> None:
    await share(alice)
    await limit(alice, now() + 3600)
    async with connected(hive.paths.agent_socket("bob")) as line:
        await line.ok("hello", **HARNESS)
        assert await kinds(line) == ["resume"]
        await line.ok("report", state="idle", since=now(), account="acme")
        assert (await kinds(line))[-1] == "limited"


async def test_a_limit_outlives_the_daemon_and_goes_when_it_is_over(site: Site) -> None:
    async with site.simulated(ScriptedRuntime(), swarm("alice")) as hive:
        await hive.until_state("alice", "running")
        line = await Line.to(hive.paths.agent_socket("alice"))
        await line.ok("hello", **HARNESS)
        await share(line)
        await limit(line, now() + 1000)
        await line.close()
    for wait, known in ((500, 1), (1000, 0)):
        await advance(wait)
        async with site.simulated(ScriptedRuntime(), swarm("alice")) as hive:
            await hive.until_state("alice", "running")
            assert len(hive.parts.harnesses.usage_limits.current()) == known
            async with connected(hive.paths.agent_socket("alice")) as line:
                await line.ok("hello", **HARNESS)
                await line.ok("report", state="idle", since=now(), account="acme")
                assert (await kinds(line))[1] == ("limited" if known else "unlimited")


# Restarts


async def idle(client: AgentClient) -> None:
    await asyncio.Event().wait()


async def test_a_restart_is_reported_to_its_agent_until_it_was_received(site: Site) -> None:
    async with site.simulated(agents={"alice": idle}) as hive:
        await hive.until_state("alice", "running")
        path = hive.paths.agent_socket("alice")
        assert [each["order"] for each in await greeting(path)] == ["resume"]
        await advance(10)
        ended = now()
        await crash(hive, "alice")
        await advance(20)
        await hive.until_state("alice", "running")
        for count in (0, 1):
            *_, received = await greeting(path)
            assert (received["order"], received["at"]) == ("restarted", ended)
            since = f"unread messages since: {count}" if count else "nobody has written since"
            assert received["reason"].endswith(f"; {since}")
            await hive.send("alice", "are you there?")
        await greeting(path, acknowledge=True)
        assert [each["order"] for each in await greeting(path)] == ["resume"]


async def greeting(path: Path, *, acknowledge: bool = False) -> list[dict[str, Any]]:
    """Return the first orders of a new connection; with `acknowledge`, report them as received."""
    async with connected(path) as line:
        await line.ok("hello", **HARNESS)
        received = await orders(line)
        if acknowledge:
            await orders(line, after=received[-1]["seq"])
        return received


async def test_a_restart_costs_no_mail_and_acks_none(site: Site) -> None:
    runtime = ScriptedRuntime()
    async with site.simulated(runtime, swarm("alice")) as hive:
        await hive.until_state("alice", "running")
        async with connected(hive.paths.agent_socket("alice")) as line:
            await line.ok("hello", **HARNESS)
            sent = await hive.send("alice", "work")
            assert [m["id"] for m in (await line.ok("recv"))["messages"]] == [sent]
            await runtime.kill("alice")
        await advance(20)
        await hive.until_state("alice", "running")
        async with connected(hive.paths.agent_socket("alice")) as line:
            await line.ok("hello", **HARNESS)
            [message] = (await line.ok("recv"))["messages"]
            assert (message["id"], message["attempt"], message["redelivered"]) == (sent, 2, True)


@pytest.mark.parametrize("there", [True, False])
async def test_a_daemon_that_adopts_an_agent_reports_a_restart_only_if_none_was_reported(
    site: Site, there: bool
) -> None:
    runtime = ScriptedRuntime()
    hive = site.simulated(runtime, swarm("alice"))
    await hive.open()
    await hive.until_state("alice", "running")
    await runtime.kill("alice")
    await advance(20)
    await hive.until_state("alice", "running")
    if there:
        await greeting(hive.paths.agent_socket("alice"), acknowledge=True)
    await hive.close(keep_agents=True)
    await advance(5)
    async with site.simulated(runtime, swarm("alice")) as again:
        await again.until_state("alice", "running")
        received = await greeting(again.paths.agent_socket("alice"))
        assert [each["order"] for each in received] == ["resume", *([] if there else ["restarted"])]
