"""The bytes that one participant's connections hold are bounded, whatever its clients do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import attrs
import pytest

from actors.testing import advance, settle
from hive.broker.sessions import PARKED_MAX
from hive.config import Limits
from hive.daemon.hive import Hive
from hive.descriptors import RESERVED
from hive.gateway.budget import (
    CONNECTION_BYTES,
    LARGE_REQUEST,
    MAX_OUTSTANDING,
    PARTICIPANT_BYTES,
    REQUEST_BYTES,
    Budgets,
)
from hive.gateway.reading import WRITE_DEADLINE
from hive.store.listing import LIST_BYTES
from hive.wire.base import LINE_MAX, REQ_MAX
from tests.gateway.scripted import Rows, Script, served
from tests.support.hives import Line, Site, connected, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim

DELIVERY = Path(__file__).parents[2] / "docs" / "delivery.md"

CHUNK = 1 << 18
"""Bytes that the loop reads at once."""


def stop_reading(line: Line) -> None:
    line.writer.transport.pause_reading()  # type: ignore[attr-defined]


async def test_requests_in_one_piece_are_not_all_begun_at_once() -> None:
    count = 3 * MAX_OUTSTANDING
    async with served() as client:
        client.line.write(*[{"cmd": "work", "name": "job", "req": n} for n in range(count)])
        await advance(1)
        assert len(client.script.running) == MAX_OUTSTANDING + 1
        client.script.futures["job"].set_result({"text": "done"})
        answers = [await client.line.read() for _ in range(count)]
        assert [answer["req"] for answer in answers] == [*range(count)]
        assert (await client.line.ok("say", text="on"))["text"] == "on"
        assert client.script.budgets.of("tester").held == 0


async def test_a_client_that_ends_its_requests_gets_the_answers_to_those_that_waited() -> None:
    count = 2 * MAX_OUTSTANDING
    async with served() as client:
        client.line.write(*[{"cmd": "work", "name": "job", "req": n} for n in range(count)])
        client.line.writer.write_eof()
        await settle()
        client.script.futures["job"].set_result({"text": "done"})
        answers = [await client.line.read() for _ in range(count)]
        assert [answer["req"] for answer in answers] == [*range(count)]
        assert await client.line.reader.read() == b""


async def test_large_requests_are_charged_until_they_are_answered() -> None:
    unmetered = Script(budgets=Budgets(asyncio.get_running_loop(), 10**9))
    async with served(script=unmetered) as client:
        budget = client.script.budgets.of("tester")
        big = "x" * (4 * LARGE_REQUEST)
        count = 2 * CONNECTION_BYTES // len(big)
        for number in range(count):
            client.line.write({"cmd": "post", "name": big, "req": number})
        await advance(1)
        assert CONNECTION_BYTES < budget.held <= CONNECTION_BYTES + 2 * CHUNK
        assert len(client.script.broker.asked) < count
        for number in range(count):
            await advance(0.01)
            client.script.broker.commit()
            assert (await client.line.read())["req"] == number
        await advance(1)
        assert budget.held == 0


async def test_large_answers_of_a_participant_are_made_one_at_a_time_and_while_there_is_room() -> (
    None
):
    script = Script()
    async with (
        served(script=script, buffer=4096) as deaf,
        served(script=script) as other,
    ):
        stop_reading(deaf.line)
        names = [str(number) for number in range(10)]
        deaf.line.write(*[{"cmd": "rows", "name": name} for name in names])
        await settle()
        other.line.write({"cmd": "rows", "name": "other"})
        await settle()
        assert len(script.asked) == 1, "the second waits for the first"
        size = PARTICIPANT_BYTES * 2 // 5
        for name in names:
            script.futures[name].set_result({"text": "x" * size})
        script.futures["other"].set_result({"text": "read"})
        await settle()
        assert len(script.asked) == 4, "no answer is made beyond the budget"
        assert (await other.line.read())["text"] == "read", "the connections take turns"
        budget = script.budgets.of("tester")
        assert PARTICIPANT_BYTES < budget.held < 2 * PARTICIPANT_BYTES
        other.line.write({"cmd": "say", "text": "waits"})
        await settle()
        assert len(script.asked) == 4, "no connection of the participant is read from"
        await advance(WRITE_DEADLINE + 1)
        assert (await other.line.read())["text"] == "waits"
        assert budget.held == 0


async def test_large_answers_that_wait_are_not_made_for_a_client_that_has_gone() -> None:
    script = Script(budgets=Budgets(asyncio.get_running_loop(), 10**9))
    async with served(script=script) as gone:
        gone.line.write(*[{"cmd": "rows", "name": "row", "req": n} for n in range(1000)])
        await advance(1)
        assert len(script.running) == 1, "those that wait have no tasks"
    async with served(script=script) as present:
        budget = script.budgets.of("tester")
        assert budget.held == REQUEST_BYTES, "the one that is being made stays charged"
        present.line.write({"cmd": "rows", "name": "other"})
        await settle()
        assert len(script.asked) == 1, "and keeps its turn"
        script.futures["row"].set_result({"text": "row"})
        script.futures["other"].set_result({"text": "other"})
        assert (await present.line.read())["text"] == "other"
        assert [each.name for each in script.asked if isinstance(each, Rows)] == ["row", "other"]
        assert budget.held == 0


async def test_requests_that_go_on_without_their_client_stay_charged() -> None:
    script = Script(budgets=Budgets(asyncio.get_running_loop(), 10**9))
    for number in range(1, 4):
        async with served(script=script) as client:
            client.line.write(*[{"cmd": "work", "name": "job"}] * MAX_OUTSTANDING)
            await advance(1)
        script.closed.clear()
        assert len(script.running) == number * MAX_OUTSTANDING
    held = 3 * MAX_OUTSTANDING * REQUEST_BYTES
    assert script.budgets.of("tester").held == held, "also without a connection"
    async with served(script=script) as client:
        assert script.budgets.of("tester").held == held
        script.futures["job"].set_result({"text": "done"})
        await settle()
        assert script.budgets.of("tester").held == 0
    with pytest.raises(KeyError):
        script.budgets.of("tester")


async def test_large_answers_that_are_read_are_all_made_however_many_wait() -> None:
    script = Script()
    script.futures["row"].set_result({"text": "row"})
    waiting = PARTICIPANT_BYTES // REQUEST_BYTES + MAX_OUTSTANDING
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(served(script=script))
            for _ in range(waiting // MAX_OUTSTANDING + 1)
        ]
        for client in clients:
            client.line.write(*[{"cmd": "rows", "name": "row", "req": n} for n in range(1024)])
        for client in clients:
            answers = [(await client.line.read())["req"] for _ in range(1024)]
            assert answers == [*range(1024)]
        await settle()
        assert script.budgets.of("tester").held == 0


@pytest.fixture
async def hive(site: Site) -> AsyncIterator[Hive]:
    config = attrs.evolve(swarm("alice", "bob"), limits=Limits(rate=100_000))
    async with site.simulated(ScriptedRuntime(), config) as opened:
        await opened.until_state("alice", "running")
        yield opened


async def test_unread_answers_of_recent_are_bounded(hive: Hive, bob: Line) -> None:
    async with AsyncExitStack() as stack:
        path = hive.paths.agent_socket("alice")
        first = await stack.enter_async_context(connected(path))
        for _ in range(20):
            await first.ok("send", to="alice", body="\x01" * 60_000)
        for _ in range(8):
            line = await stack.enter_async_context(connected(path))
            stop_reading(line)
            line.write(*[{"cmd": "recent", "max": 200}] * 1000)
        await settle()
        budget = hive.parts.budgets.of("alice")
        one = 20 * 60_000 * 6 + 10_000
        assert PARTICIPANT_BYTES < budget.held < PARTICIPANT_BYTES + one + 8 * CHUNK
        assert (await bob.ok("whoami"))["name"] == "bob"
        await advance(WRITE_DEADLINE * 8 + 1)
        assert (await first.ok("whoami"))["name"] == "alice"


async def test_unfinished_lines_are_bounded_and_do_not_block_a_participant_for_ever(
    hive: Hive, bob: Line, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:
        path = hive.paths.agent_socket("alice")
        lines = [await stack.enter_async_context(connected(path)) for _ in range(60)]
        for line in lines:
            line.writer.write(b"x" * LINE_MAX)
        await settle()
        budget = hive.parts.budgets.of("alice")
        assert PARTICIPANT_BYTES < budget.held < PARTICIPANT_BYTES + CHUNK
        assert "'alice' hold" in caplog.text
        assert (await bob.ok("whoami"))["name"] == "bob"
        await advance(WRITE_DEADLINE + 1)
        assert budget.held <= PARTICIPANT_BYTES
        fresh = await stack.enter_async_context(connected(path))
        assert (await fresh.ok("whoami"))["name"] == "alice"


async def test_the_operator_has_no_budget(hive: Hive, host: Line) -> None:
    await host.ok("list")
    assert hive.parts.budgets.of("operator").limit is None


def test_the_limits_of_a_socket_are_documented() -> None:
    section = DELIVERY.read_text().split("\n## Limits of a socket\n")[1].split("\n### ")[0]
    rows = [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("| ")]
    assert [float(row[1]) for row in rows[1:]] == [
        *(LINE_MAX, REQ_MAX, MAX_OUTSTANDING, PARKED_MAX),
        *(CONNECTION_BYTES, PARTICIPANT_BYTES, REQUEST_BYTES, LIST_BYTES),
        WRITE_DEADLINE,
    ]
    assert f"above {LARGE_REQUEST} bytes" in section
    assert f"fewer than {RESERVED} file descriptors" in section
