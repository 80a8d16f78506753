"""One participant gets a share of each turn of the loop, however many requests it writes."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import pytest
from attrs import define, field

from actors.testing import settle
from hive.gateway.line_turns import LINE_UNIT, LINES_PER_TURN, REFUSAL_LINES, TURN_PAUSE, LineTurns
from tests.gateway.scripted import Client, Script, served

pytestmark = pytest.mark.sim


@define(eq=False)
class Worker:
    """A connection with a backlog of lines of one size; it records when it handles them."""

    turns: LineTurns
    lines: int
    size: int = 10
    done: list[tuple[float, Worker]] = field(factory=list)

    def handle_backlog(self) -> None:
        """Handle lines until the share is spent."""
        while self.lines and self.turns.left > 0:
            self.lines -= 1
            self.turns.spend(self.size)
            self.done.append((asyncio.get_running_loop().time(), self))
        if self.lines:
            self.turns.wait(self)


async def done_by(*workers: Worker) -> list[tuple[float, Worker]]:
    """Let the workers wait in this order, and return when each handled a line."""
    for worker in workers:
        worker.done = workers[0].done
        worker.turns.wait(worker)
    await asyncio.sleep(1)
    assert not any(worker.lines for worker in workers)
    return workers[0].done


async def test_a_turn_handles_the_share_and_the_next_one_comes_after_a_pause() -> None:
    turns = LineTurns(asyncio.get_running_loop())
    done = await done_by(Worker(turns, 3 * LINES_PER_TURN))
    counts = Counter(at for at, _ in done)
    assert set(counts.values()) == {LINES_PER_TURN}
    first, second, _ = sorted(counts)
    assert second - first == pytest.approx(TURN_PAUSE)


async def test_a_long_line_counts_as_many() -> None:
    turns = LineTurns(asyncio.get_running_loop())
    done = await done_by(Worker(turns, 3, LINE_UNIT * LINES_PER_TURN))
    assert set(Counter(at for at, _ in done).values()) == {1}


async def test_what_is_over_the_share_is_taken_from_the_next_turns() -> None:
    turns = LineTurns(asyncio.get_running_loop())
    turns.spend_on_ids(5 * LINES_PER_TURN)
    begin = asyncio.get_running_loop().time()
    [(at, _)] = await done_by(Worker(turns, 1))
    assert at - begin == pytest.approx(4 * TURN_PAUSE)
    await settle()
    assert turns.left == LINES_PER_TURN
    assert not turns._is_scheduled


async def test_the_connections_of_a_participant_take_turns() -> None:
    turns = LineTurns(asyncio.get_running_loop())
    workers = [Worker(turns, 2 * LINES_PER_TURN) for _ in range(3)]
    done = await done_by(*workers)
    assert [workers.index(each) for _, each in done[::LINES_PER_TURN]] == [0, 1, 2, 0, 1, 2]


async def test_an_idle_participant_costs_no_timer() -> None:
    loop = asyncio.get_running_loop()
    turns = LineTurns(loop)
    turns.spend(1)
    await settle()
    assert turns.left == LINES_PER_TURN
    assert not turns._is_scheduled


async def test_a_connection_that_has_ended_is_not_served() -> None:
    turns = LineTurns(asyncio.get_running_loop())
    worker = Worker(turns, 1)
    turns.wait(worker)
    turns.leave(worker)
    await settle()
    assert worker.done == []


def _words(client: Client, count: int, *, first: int = 0) -> None:
    client.line.write(*[{"cmd": "say", "text": str(n)} for n in range(first, first + count)])


async def most_in_a_turn(script: Script, count: int) -> int:
    """Return the most requests that were begun in a turn of the loop, when all are begun."""
    most = 0
    for number in range(1000):
        before = len(script.asked)
        await asyncio.sleep(TURN_PAUSE if number % 8 == 7 else 0)
        most = max(most, len(script.asked) - before)
    assert len(script.asked) == count
    return most


async def test_requests_in_one_piece_are_begun_in_many_turns_and_answered_in_order() -> None:
    count = 5 * LINES_PER_TURN
    async with served() as client:
        _words(client, count)
        assert await most_in_a_turn(client.script, count) <= LINES_PER_TURN
        answers = [(await client.line.read())["text"] for _ in range(count)]
        assert answers == [str(n) for n in range(count)]


async def test_many_connections_together_get_one_share() -> None:
    script = Script()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(served(script=script)) for _ in range(8)]
        for client in clients:
            _words(client, LINES_PER_TURN)
        assert await most_in_a_turn(script, 8 * LINES_PER_TURN) <= LINES_PER_TURN
        for client in clients:
            answers = [(await client.line.read())["text"] for _ in range(LINES_PER_TURN)]
            assert answers == [str(n) for n in range(LINES_PER_TURN)]


async def test_what_is_written_while_lines_wait_comes_after_them() -> None:
    count = 2 * LINES_PER_TURN
    async with served() as client:
        _words(client, count)
        await asyncio.sleep(0)
        _words(client, 3, first=count)
        answers = [(await client.line.read())["text"] for _ in range(count + 3)]
        assert answers == [str(n) for n in range(count + 3)]


async def test_a_refusal_counts_as_many_lines() -> None:
    async with served() as client:
        turns = client.script.budgets.of("tester").turns
        client.connection.data_received(b'{"cmd":"sya"}\n')
        assert LINES_PER_TURN - turns.left == REFUSAL_LINES
        client.connection.data_received(b'{"cmd":"fail","how":"refusal"}\n' * 2)
        assert LINES_PER_TURN - turns.left == REFUSAL_LINES + 2 * (REFUSAL_LINES + 1)


async def test_a_single_short_line_is_not_counted() -> None:
    async with served() as client:
        turns = client.script.budgets.of("tester").turns
        await client.line.ok("say", text="hello")
        client.connection.data_received(b'{"cmd":"say","text":"hello"}\n')
        assert turns.left == LINES_PER_TURN


async def test_a_single_line_waits_when_the_share_is_spent() -> None:
    async with served() as client:
        client.script.budgets.of("tester").turns.spend_on_ids(3 * LINES_PER_TURN)
        client.connection.data_received(b'{"cmd":"say","text":"hello"}\n')
        assert client.script.asked == []
        await asyncio.sleep(3 * TURN_PAUSE)
        assert (await client.line.read())["text"] == "hello"
