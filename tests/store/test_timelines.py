"""What happened to a participant, from all sources in one order, and in pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest

from actors.testing import advance
from hive.daemon.hive import Hive
from tests.support.hives import Line, Site, connected, site, swarm
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]

pytestmark = pytest.mark.sim


@pytest.fixture
async def hive(site: Site) -> AsyncIterator[Hive]:
    async with site.simulated(ScriptedRuntime(), swarm("alice", peers=["bob"])) as opened:
        await opened.until_state("alice", "running")
        yield opened


@pytest.fixture
async def operator(hive: Hive) -> AsyncIterator[Line]:
    async with connected(hive.paths.host_socket) as line:
        yield line


@pytest.fixture
async def told(hive: Hive, operator: Line) -> int:
    """Let alice have a message, a turn about it, a pause, and a verb that is refused."""
    await advance(5)
    now = hive.parts.snapshot._clock.now()
    number = (await operator.ok("send", to="alice", body="x" * 500))["id"]
    async with connected(hive.paths.agent_socket("alice")) as alice:
        await alice.ok("hello", role="harness", driver="test")
        await alice.ok("recv")
        turn = {
            "started_at": now + 1,
            "ended_at": now + 3,
            "wake": "operator",
            "outcome": "done",
            "messages": [number],
        }
        await alice.ok("turn", **turn)
        await alice.ok("send", to="bob", body="done")
        await advance(5)
        await operator.ok("set_paused", name="alice", paused=True)
        await advance(5)
        await alice.ok("ack", ids=[number])
    await operator.refused("register_peer", name="alice")
    return int(number)


async def entries(line: Line, **fields: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await line.ok("timeline", **fields))["entries"]
    return found


async def test_all_sources_are_in_one_order(operator: Line, told: int) -> None:
    found = await entries(operator, name="alice")
    assert [each["at"] for each in found] == sorted(each["at"] for each in found)
    words = {(each["source"], each["what"]) for each in found}
    assert words >= {
        ("event", "started"),
        ("message", "received"),
        ("message", "sent"),
        ("turn", "done"),
        ("event", "paused"),
        ("audit", "register_peer"),
    }
    received = next(each for each in found if each["what"] == "received")
    assert (received["number"], received["detail"]["state"]) == (told, "acked")
    assert received["detail"]["body"] == "x" * 200 + "..."
    [turn] = [each for each in found if each["source"] == "turn"]
    assert turn["detail"]["messages"] == [told]
    assert turn["detail"]["seconds"] == 2.0


async def test_it_is_paged_by_time(operator: Line, told: int) -> None:
    everything = await entries(operator, name="alice", max=1000)
    newest = await entries(operator, name="alice", max=2)
    assert newest == everything[-2:]
    at = everything[-1]["at"]
    begin = datetime.fromisoformat(at).timestamp()
    later = [each for each in everything if each["at"] >= at]
    assert await entries(operator, name="alice", since=begin) == later
    before = everything[: -len(later)]
    assert await entries(operator, name="alice", until=begin) == before


async def test_an_unknown_name_is_refused_with_the_nearest(operator: Line) -> None:
    code, error = await operator.refused("timeline", name="alcie")
    assert (code, "did you mean 'alice'" in error) == ("unknown_name", True)


async def test_a_trace_has_the_turns_and_what_its_recipient_went_through(
    operator: Line, told: int
) -> None:
    found = await operator.ok("trace", id=told)
    words = [(each["source"], each["what"]) for each in found["around"]]
    assert ("turn", "done") in words
    assert ("event", "paused") in words
    assert ("event", "connected") not in words


async def test_a_trace_has_the_events_with_its_number(operator: Line) -> None:
    await advance(5)
    number = (await operator.ok("send", to="alice", body="x"))["id"]
    other = (await operator.ok("send", to="alice", body="y"))["id"]
    await operator.ok("discard", ids=[number])
    around = (await operator.ok("trace", id=number))["around"]
    assert [each["what"] for each in around if each["source"] == "event"] == ["discarded"]
    assert (await operator.ok("trace", id=other))["around"] == []


@pytest.mark.parametrize("body", ["harmless\0rm -rf /", "\0" + "ü" * 400, "ü" * 200])
async def test_a_nul_hides_nothing_of_a_message(operator: Line, body: str) -> None:
    await operator.ok("send", to="alice", body=body)
    [found] = [each for each in await entries(operator, name="alice") if each["what"] == "received"]
    assert found["detail"]["body"] == (body if len(body) <= 200 else body[:200] + "...")
