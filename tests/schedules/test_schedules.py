"""Schedules in a whole hive on the virtual clock: made, sent, replaced, moved along, ended."""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import AsyncIterator
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest

from actors.testing import settle
from hive.clock import LoopClock
from hive.config import Limits
from hive.daemon.hive import Hive
from hive.schedules.schedule_service import (
    BODY_BYTES,
    SCHEDULES_MAX,
    SCHEDULES_OF_ONE,
    ScheduleWish,
)
from hive.store import InlineEngine
from tests.broker.faults import Faults
from tests.support.hives import Line, Site, connected, site, swarm
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]

pytestmark = pytest.mark.sim

CONFIG = swarm("alice", "bob", manager=True, peers=["damocles"])
HOUR = 3600.0


@pytest.fixture
async def hive(site: Site) -> AsyncIterator[Hive]:
    async with site.simulated(ScriptedRuntime(), CONFIG) as opened:
        yield opened


@pytest.fixture
async def host(hive: Hive) -> AsyncIterator[Line]:
    async with connected(hive.paths.host_socket) as line:
        yield line


async def messages(hive: Hive, name: str, event: str = "schedule_due") -> list[dict[str, Any]]:
    found = [
        {**json.loads(each.body or "{}"), "state": each.state.value, "from": each.sender}
        for each in await hive.inbox(name)
    ]
    return [each for each in found if each.get("event") == event]


async def ask(hive: Hive, cmd: str, name: str = "hm1nd", **fields: Any) -> dict[str, Any]:
    async with connected(hive.paths.agent_socket(name)) as line:
        return await line.ask(cmd, **fields)


async def approved(hive: Hive, host: Line, cmd: str, **fields: Any) -> dict[str, Any]:
    """Let the manager ask, approve it, and return the approval."""
    answer = await ask(hive, cmd, **fields)
    assert answer["ok"], answer
    await host.ok("approve", id=answer["approval"])
    await hive.parts.approvals.wait_carried_out(answer["approval"])
    row: dict[str, Any] = (await host.ok("approval", id=answer["approval"]))["approval"]
    return row


async def test_a_message_comes_again_and_again_and_the_newest_replaces_an_unread_one(
    hive: Hive, host: Line
) -> None:
    made = (await host.ok("schedule", to="bob", when="every 1h", body="look around"))["schedule"]
    assert (made["to"], made["requested_by"]) == ("bob", "operator")
    assert "last_at" not in made
    await asyncio.sleep(HOUR - 1)
    assert await messages(hive, "bob") == []
    await asyncio.sleep(2)
    (first,) = await messages(hive, "bob")
    assert (first["body"], first["from"], first["schedule"]) == ("look around", "system", 1)
    assert first["due"] == made["next_at"]
    await asyncio.sleep(2 * HOUR)
    assert [each["state"] for each in await messages(hive, "bob")] == [
        *("expired", "expired", "stored"),
    ]
    (row,) = (await host.ok("schedules"))["schedules"]
    assert row["last_at"] > made["next_at"]


async def test_the_manager_gets_one_only_after_the_approval(hive: Hive, host: Line) -> None:
    wish = {"to": "manager", "when": "0 9 * * 1-5", "body": "plan", "timezone": "Europe/Berlin"}
    answer = await ask(hive, "request_schedule", **wish, description="every morning")
    number = answer["approval"]
    (waiting,) = (await host.ok("pending"))["approvals"]
    assert (waiting["kind"], waiting["agent"]) == ("schedule", "hm1nd")
    assert waiting["subject"] == "0 9 * * 1-5 (Europe/Berlin): plan"
    shown = (await host.ok("approval", id=number))["approval"]
    assert shown["content"] == "0 9 * * 1-5 (Europe/Berlin)\n\nplan"
    assert (await host.ok("schedules"))["schedules"] == []
    again = await ask(hive, "request_schedule", **wish)
    assert f"approval {number} asks for the same" in again["error"]
    await host.ok("approve", id=number)
    await hive.parts.approvals.wait_carried_out(number)
    (made,) = (await ask(hive, "loose_ends"))["schedules"]
    assert (made["approval"], made["requested_by"]) == (number, "hm1nd")
    assert made["description"] == "every morning"
    await asyncio.sleep(4 * 24 * HOUR)
    (*_, newest) = await messages(hive, "hm1nd")
    assert newest["requested_by"] == "hm1nd"
    assert newest["due"].endswith("T08:00:00.000Z")


async def test_a_schedule_that_is_denied_is_none(hive: Hive, host: Line) -> None:
    number = (await ask(hive, "request_schedule", to="bob", when="every 1m", body="x"))["approval"]
    await host.ok("deny", id=number)
    await asyncio.sleep(600)
    assert await messages(hive, "bob") == []
    assert (await host.ok("schedules"))["schedules"] == []


async def test_the_manager_ends_its_own_and_nobody_elses(hive: Hive, host: Line) -> None:
    await approved(hive, host, "request_schedule", to="bob", when="every 1h", body="x")
    await host.ok("schedule", to="bob", when="every 1h", body="the operator's")
    refusal = await ask(hive, "cancel", kind="schedule", id=2)
    assert refusal["error"] == "'hm1nd' has asked for no schedule 2"
    refusal = await ask(hive, "cancel", "bob", kind="schedule", id=1)
    assert refusal["error"] == "'bob' has asked for no schedule 1"
    assert (await ask(hive, "cancel", kind="schedule", id=1))["ok"]
    assert (
        "has asked for no schedule 1" in (await ask(hive, "cancel", kind="schedule", id=1))["error"]
    )
    await asyncio.sleep(2 * HOUR)
    assert {each["schedule"] for each in await messages(hive, "bob")} == {2}
    entries = (await host.ok("audit", name="bob"))["entries"]
    assert [(each["verb"], each["by"]) for each in entries if "schedule" in each["verb"]] == [
        *(("schedule", "operator"), ("schedule", "operator"), ("cancel_schedule", "hm1nd")),
    ]


async def test_the_operator_ends_any(hive: Hive, host: Line) -> None:
    await approved(hive, host, "request_schedule", to="bob", when="every 1h", body="x")
    ended = (await host.ok("cancel_schedule", id=1))["schedule"]
    assert "ended_at" in ended
    code, error = await host.refused("cancel_schedule", id=1)
    assert (code, error) == ("not_found", "there is no schedule 1; schedules: none")


async def test_what_a_downtime_has_missed_is_one_message(site: Site) -> None:
    async with site.simulated(ScriptedRuntime(), CONFIG) as hive:
        async with connected(hive.paths.host_socket) as line:
            await line.ok("schedule", to="bob", when="every 1h", body="x")
        await hive.close(keep_agents=True)
        await asyncio.sleep(10 * HOUR + 60)
    async with site.simulated(ScriptedRuntime(), CONFIG) as hive:
        await settle()
        (one,) = await messages(hive, "bob")
        assert one["missed"] is True
        await asyncio.sleep(HOUR)
        assert [each.get("missed") for each in await messages(hive, "bob")] == [True, None]


@attrs.define
class SetClock:
    """A wall clock that may be set."""

    base: LoopClock
    offset: float = 0.0

    def now(self) -> float:
        return self.base.now() + self.offset


async def test_a_clock_that_jumps_sends_once_and_goes_on(site: Site) -> None:
    clock = SetClock(LoopClock(asyncio.get_running_loop()))
    hive = site.simulated(ScriptedRuntime(), CONFIG)
    hive._clock = clock
    async with hive, connected(hive.paths.host_socket) as host:
        await host.ok("schedule", to="bob", when="every 1h", body="x")
        clock.offset = 365 * 24 * HOUR
        await asyncio.sleep(61)  # the wall clock is looked at every minute
        (one,) = await messages(hive, "bob")
        assert one["missed"] is True
        clock.offset = 0.0
        await asyncio.sleep(2 * HOUR)
        assert len(await messages(hive, "bob")) == 3


async def test_the_schedules_of_a_participant_that_is_destroyed_end_with_a_notice(
    hive: Hive, host: Line
) -> None:
    await approved(hive, host, "request_schedule", to="bob", when="every 1h", body="x")
    await host.ok("schedule", to="alice", when="every 1h", body="y")
    await host.ok("destroy", name="bob")
    await settle()
    assert [each["to"] for each in (await host.ok("schedules"))["schedules"]] == ["alice"]
    for name in ("operator", "hm1nd"):
        (notice,) = await messages(hive, name, "schedule_ended")
        assert (notice["to"], notice["reason"]) == ("bob", "bob was removed")
    events = await hive.parts.events.recent(100)
    assert [each.detail["schedule"] for each in events if each.event == "schedule_ended"] == [1]


async def test_a_new_participant_of_the_name_does_not_get_the_schedules_of_the_former(
    hive: Hive, host: Line
) -> None:
    """Also if nobody has looked in between: the mark is written with the removal."""
    await host.ok("schedule", to="bob", when="every 1m", body="x")
    hive.parts.schedules.is_recipient = lambda name: False  # type: ignore[method-assign]
    await host.ok("destroy", name="bob")
    await host.ok("spawn", name="bob", exec=["agent"])
    await asyncio.sleep(300)
    assert await messages(hive, "bob") == []
    assert (await host.ok("schedules"))["schedules"] == []


@pytest.mark.parametrize("restart", [False, True])
async def test_a_schedule_moves_along_with_a_rename(site: Site, restart: bool) -> None:
    async with site.simulated(ScriptedRuntime(), CONFIG) as hive:
        async with connected(hive.paths.host_socket) as line:
            await line.ok("schedule", to="damocles", when="every 1h", body="x")
            await line.ok("rename", name="damocles", new="lab")
            await asyncio.sleep(60)
            assert [each["to"] for each in (await line.ok("schedules"))["schedules"]] == ["lab"]
        if restart:
            await hive.close(keep_agents=True)
        else:
            await asyncio.sleep(HOUR)
            assert len(await messages(hive, "lab")) == 1
    if restart:
        after = attrs.evolve(CONFIG, peers={"lab": CONFIG.peers["damocles"]})
        async with site.simulated(ScriptedRuntime(), after) as hive:
            await asyncio.sleep(HOUR)
            assert len(await messages(hive, "lab")) == 1


async def test_a_schedule_stays_when_a_peer_is_adopted_and_released(hive: Hive, host: Line) -> None:
    await host.ok("schedule", to="damocles", when="every 1h", body="x")
    await host.ok("adopt", name="damocles", manifest='exec = ["agent"]\n', approve=True)
    await host.ok("release", name="damocles")
    await asyncio.sleep(HOUR + 1)
    assert len(await messages(hive, "damocles")) == 1


async def test_an_approval_for_one_that_is_gone_is_cancelled(hive: Hive, host: Line) -> None:
    number = (await ask(hive, "request_schedule", to="bob", when="every 1h", body="x"))["approval"]
    await host.ok("destroy", name="bob")
    await asyncio.sleep(11)
    row = (await host.ok("approval", id=number))["approval"]
    assert (row["status"], row["note"]) == ("cancelled", "bob was removed")


async def test_the_number_is_bounded(hive: Hive, host: Line) -> None:
    for number in range(SCHEDULES_OF_ONE - 1):
        fields = {"to": "bob", "when": "every 1h", "body": str(number)}
        await approved(hive, host, "request_schedule", **fields)
    assert (await ask(hive, "request_schedule", to="bob", when="every 1h", body="last"))["ok"]
    refusal = await ask(hive, "request_schedule", to="bob", when="every 1h", body="too many")
    assert refusal["error"] == (
        f"'hm1nd' has asked for {SCHEDULES_OF_ONE - 1} schedules, and the operator has to "
        f"decide about 1 more; at most {SCHEDULES_OF_ONE} are allowed: cancel some first"
    )
    for number in range(SCHEDULES_MAX - SCHEDULES_OF_ONE + 1):
        await host.ok("schedule", to="alice", when="every 1h", body=str(number))
    _, error = await host.refused("schedule", to="alice", when="every 1h", body="too many")
    assert f"the hive has {SCHEDULES_MAX} schedules, at most {SCHEDULES_MAX} are allowed" in error


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"to": "bobb"}, "there is no participant 'bobb'; did you mean 'bob'?"),
        ({"to": "operator"}, "there is no participant 'operator'"),
        ({"to": "*"}, "there is no participant '*'"),
        ({"to": "@all"}, "there is no participant '@all'"),
        ({"when": "every 1s"}, "the shortest interval is 60 s"),
        ({"timezone": "Mars/Olympus", "when": "* * * * *"}, "no time zone 'Mars/Olympus'"),
        ({"body": ""}, "'body' is empty"),
        ({"body": "x" * (BODY_BYTES + 1)}, f"at most {BODY_BYTES} are allowed"),
        ({"body": "\x00" * 2000}, f"12002 bytes as JSON, at most {BODY_BYTES}"),
        ({"when": "x" * 101}, "at most 100 are allowed"),
    ],
)
async def test_what_is_no_schedule_is_refused_before_anything_waits(
    hive: Hive, host: Line, changes: dict[str, str], sentence: str
) -> None:
    wish = {"to": "bob", "when": "every 1h", "body": "x", **changes}
    assert sentence in (await ask(hive, "request_schedule", **wish))["error"]
    assert sentence in (await host.refused("schedule", **wish))[1]
    assert (await host.ok("pending"))["approvals"] == []


async def test_while_the_disk_is_full_nothing_is_lost(site: Site) -> None:
    faults = Faults()
    engine = InlineEngine(faults.connection_class())
    hive = site.simulated(ScriptedRuntime(), CONFIG, engine=engine)
    async with hive:
        async with connected(hive.paths.host_socket) as line:
            await line.ok("schedule", to="bob", when="every 1h", body="x")
        faults.full = True
        await asyncio.sleep(3 * HOUR)
        assert await messages(hive, "bob") == []
        faults.full = False
        await asyncio.sleep(120)
        (one,) = await messages(hive, "bob")
        assert one["missed"] is True
        await asyncio.sleep(HOUR)
        assert len(await messages(hive, "bob")) == 2


async def test_a_message_that_is_refused_does_not_hold_up_those_of_others(site: Site) -> None:
    config = attrs.evolve(CONFIG, limits=Limits(body_bytes=2000))
    async with (
        site.simulated(ScriptedRuntime(), config) as hive,
        connected(hive.paths.host_socket) as host,
    ):
        await host.ok("schedule", to="alice", when="every 1h", body="x" * 4000)
        await host.ok("schedule", to="bob", when="every 1h", body="look around")
        await asyncio.sleep(HOUR + 10)
        assert len(await messages(hive, "bob")) == 1
        first, _ = (await host.ok("schedules"))["schedules"]
        [dropped] = (await host.ok("events", kinds=["notice_dropped"]))["events"]
    assert first["next_at"] > first["created_at"]
    assert (dropped["name"], dropped["detail"]["to"]) == ("alice", "alice")
    assert "the limit is 2000" in dropped["detail"]["reason"]


async def test_what_was_made_before_a_crash_is_not_refused_because_all_places_are_taken(
    hive: Hive, host: Line
) -> None:
    for number in range(SCHEDULES_OF_ONE):
        fields = {"to": "bob", "when": "every 1h", "body": str(number)}
        last = await approved(hive, host, "request_schedule", **fields)
    schedules = hive.parts.schedules
    wish = ScheduleWish("bob", "every 1h", "UTC", "19", "hm1nd", approval=last["id"])
    again = await schedules.create(wish)  # as after a crash before the approval was recorded
    assert again in schedules.all
    assert len(schedules.all) == SCHEDULES_OF_ONE


async def test_a_machine_that_cannot_read_a_time_zone_just_now_keeps_the_schedule(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> ZoneInfo:
        raise OSError(errno.EMFILE, "Too many open files")

    async with site.simulated(ScriptedRuntime(), CONFIG) as hive:
        async with connected(hive.paths.host_socket) as line:
            await line.ok("schedule", to="bob", when="0 * * * *", body="x", timezone="UTC")
        await hive.close(keep_agents=True)
    monkeypatch.setattr("hive.schedules.recurrence.ZoneInfo", fail)
    async with site.simulated(ScriptedRuntime(), CONFIG) as hive:
        await asyncio.sleep(2 * HOUR)
        assert len(hive.parts.schedules.all) == 1
        assert await messages(hive, "bob") == []
        monkeypatch.undo()
        await asyncio.sleep(60)
        assert len(await messages(hive, "bob")) == 1
