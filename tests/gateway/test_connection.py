"""A connection: every line is answered in order, and no client can block it for ever."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import select
import socket
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.testing import advance, run_simulation, settle
from hive.errors import ConflictError
from hive.gateway.budget import MAX_OUTSTANDING, PARTICIPANT_BYTES
from hive.gateway.connection import CLOSE_TIMEOUT
from hive.gateway.dispatch import Push
from hive.gateway.reading import WRITE_DEADLINE
from hive.wire.base import LINE_MAX
from tests.gateway.scripted import Client, Script, served
from tests.support.hives import Line, until


def texts(*answers: dict[str, Any]) -> list[Any]:
    return [answer.get("text") for answer in answers]


async def test_an_error_for_a_client_that_has_left_is_not_logged() -> None:
    script = Script()
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, error: unhandled.append(error))
    async with served(script=script) as client:
        client.line.write({"cmd": "work", "name": "job"})
        await until(lambda: script.running)
    script.futures["job"].set_exception(ConflictError("too late"))
    await until(lambda: not script.running)
    script.futures.clear()
    gc.collect()
    assert unhandled == []


async def test_a_connection_that_is_made_while_the_budget_is_full_is_not_read_from() -> None:
    script = Script()
    chunk = b"x" * (1 << 18)
    async with served(script=script):
        budget = script.budgets.of("tester")
        budget.charge(PARTICIPANT_BYTES + 1, 0)
        async with served(script=script) as late:
            for _ in range(100):  # it writes as long as the daemon reads
                late.line.writer.write(chunk)
                await asyncio.sleep(0)
            assert budget.held <= PARTICIPANT_BYTES + 1 + len(chunk), "one read, and no more"
            late.line.writer.transport.abort()
        budget.charge(-budget.held, 0)


async def read(client: Client, count: int) -> list[dict[str, Any]]:
    return [await client.line.read() for _ in range(count)]


def stop_reading(line: Line) -> None:
    line.writer.transport.pause_reading()  # type: ignore[attr-defined]


# Order


async def test_answers_come_in_the_order_of_the_requests() -> None:
    async with served() as client:
        client.line.write(
            {"cmd": "later", "name": "slow"},
            {"cmd": "say", "text": "at once"},
            {"cmd": "work", "name": "job"},
            {"cmd": "fail", "how": "refusal"},
        )
        await client.line.writer.drain()
        await until(lambda: len(client.script.asked) == 4)
        client.script.futures["job"].set_result({"text": "worked"})
        client.script.futures["slow"].set_result({"text": "slowly"})
        *good, bad = await read(client, 4)
        assert texts(*good) == ["slowly", "at once", "worked"]
        assert (bad["ok"], bad["code"], bad["error"]) == (False, "conflict", "taken")


async def test_a_parked_request_delays_no_other_and_is_answered_under_its_own_number() -> None:
    async with served() as client:
        client.line.write(
            {"cmd": "park", "name": "p", "req": "parked"}, {"cmd": "say", "text": "x", "req": 7}
        )
        assert (await client.line.read())["req"] == 7
        client.script.futures["p"].set_result({"text": "rung"})
        answer = await client.line.read()
        assert (answer["req"], answer["text"]) == ("parked", "rung")


@pytest.mark.loops("uvloop")
async def test_answers_of_one_turn_leave_in_one_write() -> None:
    async with served() as client:
        raw = client.line.writer.get_extra_info("socket")
        client.line.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.line.write(*[{"cmd": "say", "text": "x"}] * 50)
        received = await asyncio.to_thread(_first_read, raw.fileno())
        assert received.count(b"\n") == 50


def _first_read(descriptor: int) -> bytes:
    """Return the first data of a socket: a write arrives as a whole, or not at all."""
    select.select([descriptor], [], [])
    with socket.socket(fileno=os.dup(descriptor)) as peeking:
        return peeking.recv(1 << 16, socket.MSG_PEEK)


async def test_a_broker_that_refuses_delays_no_other_answer() -> None:
    async with served() as client:
        client.line.write({"cmd": "busy", "req": 1}, {"cmd": "say", "text": "next"})
        refusal, following = await read(client, 2)
        assert (refusal["code"], refusal["req"]) == ("unavailable", 1)
        assert following["text"] == "next"


# Answers of the broker


async def test_a_pending_answer_of_the_broker_comes_before_later_ones() -> None:
    async with served() as client:
        client.line.write(
            {"cmd": "post", "name": "a"},
            {"cmd": "say", "text": "b"},
            {"cmd": "busy", "req": 3},
            {"cmd": "post", "name": "d"},
        )
        await client.line.writer.drain()
        await until(lambda: len(client.script.asked) == 4)
        client.script.broker.commit()
        a, b, refused, d = await read(client, 4)
        assert texts(a, b, d) == ["a", "b", "d"]
        assert (refused["code"], refused["req"]) == ("unavailable", 3)


async def test_the_broker_waits_for_work_that_was_asked_before_and_work_for_the_broker() -> None:
    async with served() as client:
        client.line.write(
            {"cmd": "work", "name": "first"},
            {"cmd": "post", "name": "a"},
            {"cmd": "work", "name": "last"},
        )
        await until(lambda: len(client.script.asked) == 3)
        client.script.broker.commit()
        client.script.futures["last"].set_result({"text": "last"})
        await until(lambda: len(client.script.running) == 1)
        client.script.futures["first"].set_result({"text": "first"})
        assert texts(*await read(client, 3)) == ["first", "a", "last"]


async def test_a_recv_that_waits_delays_no_other_and_is_answered_when_its_mail_is_there() -> None:
    async with served() as client:
        client.line.write(
            {"cmd": "recv", "wait_seconds": 60, "req": "r"}, {"cmd": "say", "text": "next"}
        )
        assert (await client.line.read())["text"] == "next"
        client.script.broker.commit()
        assert await client.line.read() == {"version": 1, "ok": True, "text": "mail", "req": "r"}


Asks = st.lists(
    st.sampled_from(["post", "say", "work", "park", "busy", "recv"]), min_size=1, max_size=12
)


@settings(max_examples=60)
@given(asks=Asks, data=st.data())
def test_answers_are_in_order_whatever_is_asked_and_whenever_it_is_done(
    asks: list[str], data: st.DataObject
) -> None:
    """All but long polls and a waiting `recv` come in the order of their requests."""

    async def talk() -> None:
        async with served() as client:
            for number, verb in enumerate(asks):
                client.line.write(_ask(verb, str(number)))
            await settle()
            steps = ["commit", *(str(n) for n, verb in enumerate(asks) if verb in SLOW)]
            for step in data.draw(st.permutations(steps)):
                if step == "commit":
                    client.script.broker.commit()
                else:
                    client.script.futures[step].set_result({"text": step})
                await settle()
            answers = await read(client, len(asks))
            got = [int(answer["req"]) for answer in answers]
            assert sorted(got) == list(range(len(asks)))
            in_order = [number for number in got if asks[number] not in {"park", "recv"}]
            assert in_order == sorted(in_order)

    run_simulation(talk)


SLOW = {"work", "park"}


def _ask(verb: str, number: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"cmd": verb, "req": number}
    if verb in {"post", "work", "park"}:
        fields["name"] = number
    elif verb == "say":
        fields["text"] = number
    elif verb == "recv":
        fields["wait_seconds"] = 60
    return fields


# Lines


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"nonsense", "not JSON"),
        (b"[1]", "JSON object"),
        (b'{"cmd":"sya","text":"x"}', "did you mean 'say'"),
        (b'{"cmd":"say","txet":"x"}', "'text'"),
        (b'{"cmd":"say","text":5}', "text"),
        (b"\xff\xfe", "not JSON"),
        (b"", "not JSON"),
    ],
)
async def test_a_malformed_line_is_answered_and_the_connection_stays_open(
    line: bytes, says: str
) -> None:
    async with served() as client:
        client.line.writer.write(line + b"\n")
        answer = await client.line.read()
        assert (answer["ok"], answer["code"]) == (False, "bad_request")
        assert says in answer["error"]
        assert (await client.line.ok("say", text="still here"))["text"] == "still here"


async def test_the_number_of_a_refused_request_is_repeated() -> None:
    async with served() as client:
        assert (await client.line.ask("nope", req="n1"))["req"] == "n1"


async def test_a_line_that_is_too_long_is_refused_and_skipped() -> None:
    async with served() as client:
        client.line.writer.write(b"x" * (LINE_MAX + 1) + b'\n{"cmd":"say","text":"next"}\n')
        too_long, following = await read(client, 2)
        assert too_long["code"] == "too_large"
        assert str(LINE_MAX) in too_long["error"]
        assert following["text"] == "next"
        assert len(client.script.asked) == 1


async def test_an_incomplete_line_is_not_carried_out() -> None:
    async with served() as client:
        client.line.writer.write(b'{"cmd":"say","text":"whole"}\n{"cmd":"say","text":"half"}')
        assert (await client.line.read())["text"] == "whole"
        await client.line.close()
        await client.script.closed.wait()
        assert len(client.script.asked) == 1


async def test_a_line_may_come_in_pieces() -> None:
    async with served() as client:
        for piece in (b'{"cmd":', b'"say","te', b'xt":"whole"}', b"\n"):
            client.line.writer.write(piece)
            await client.line.writer.drain()
            await asyncio.sleep(0)
        assert (await client.line.read())["text"] == "whole"


# Clients that do not read, or make too many requests


@pytest.mark.sim
async def test_a_client_that_does_not_read_is_disconnected() -> None:
    async with served(buffer=4096) as client:
        client.line.writer.transport.pause_reading()  # type: ignore[attr-defined]
        big = "x" * (LINE_MAX // 2)
        client.line.write(*[{"cmd": "say", "text": big}] * 3)
        await settle()
        taken = len(client.script.asked)
        client.line.write({"cmd": "say", "text": "one more"})
        await advance(WRITE_DEADLINE - 1)
        assert len(client.script.asked) == taken, "no more is read from whoever does not read"
        assert not client.script.closed.is_set()
        await advance(2)
        assert client.script.closed.is_set()


@pytest.mark.sim
async def test_a_client_that_reads_again_in_time_misses_nothing() -> None:
    async with served(buffer=4096) as client:
        client.line.writer.transport.pause_reading()  # type: ignore[attr-defined]
        big = "x" * (LINE_MAX // 2)
        client.line.write(*[{"cmd": "say", "text": big}] * 3, {"cmd": "say", "text": "last"})
        await advance(WRITE_DEADLINE - 1)
        client.line.writer.transport.resume_reading()  # type: ignore[attr-defined]
        answers = await read(client, 4)
        assert texts(*answers) == [big, big, big, "last"]
        await advance(2 * WRITE_DEADLINE)
        assert (await client.line.ok("say", text="on"))["text"] == "on"


@pytest.mark.sim
@pytest.mark.parametrize("verb", ["later", "park"])
async def test_a_client_with_too_many_unanswered_requests_is_not_read_from(verb: str) -> None:
    async with served() as client:
        names = [str(number) for number in range(MAX_OUTSTANDING + 1)]
        client.line.write(*[{"cmd": verb, "name": name} for name in names])
        await advance(1)
        client.line.write({"cmd": "say", "text": "waits in the kernel"})
        await advance(1)
        assert len(client.script.asked) == len(names)
        for name in names:
            client.script.futures[name].set_result({"text": name})
        answers = await read(client, len(names) + 1)
        assert texts(*answers) == [*names, "waits in the kernel"]


@pytest.mark.sim
async def test_answers_that_wait_behind_another_are_under_way_too() -> None:
    async with served() as client:
        slow = {"cmd": "later", "name": "slow"}
        client.line.write(slow, *[{"cmd": "say", "text": "behind"}] * MAX_OUTSTANDING)
        await advance(1)
        client.line.write({"cmd": "say", "text": "waits in the kernel"})
        await advance(1)
        assert len(client.script.asked) == MAX_OUTSTANDING + 1
        client.script.futures["slow"].set_result({"text": "slow"})
        answers = await read(client, MAX_OUTSTANDING + 2)
        assert texts(answers[0], answers[-1]) == ["slow", "waits in the kernel"]


@pytest.mark.sim
async def test_closing_writes_ready_answers_but_does_not_wait_for_ever() -> None:
    async with served(buffer=4096) as client:
        assert await client.line.ok("say", text="x")
        client.line.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.line.write({"cmd": "say", "text": "y" * 60_000})
        await settle()
        client.connection.close()
        await settle()
        assert not client.script.closed.is_set(), "there is still something to be read"
        await advance(CLOSE_TIMEOUT)
        assert client.script.closed.is_set()


async def test_closing_delivers_the_last_answer() -> None:
    async with served() as client:
        client.line.write({"cmd": "park", "name": "p"})
        await until(lambda: client.script.asked)
        client.script.futures["p"].set_result({"text": "good-bye"})
        await asyncio.sleep(0)
        client.connection.close()
        assert (await client.line.read())["text"] == "good-bye"
        assert await client.line.reader.read() == b""


# Clients that close one direction, or both


async def test_a_client_that_closes_its_sending_end_still_gets_every_answer() -> None:
    async with served() as client:
        client.line.write(
            {"cmd": "later", "name": "slow"},
            {"cmd": "say", "text": "behind it"},
            {"cmd": "park", "name": "p"},
        )
        client.line.writer.write_eof()
        await until(lambda: len(client.script.asked) == 3)
        await asyncio.sleep(0)
        client.script.futures["p"].set_result({"text": "rung"})
        assert (await client.line.read())["text"] == "rung"
        assert not client.script.closed.is_set()
        client.script.futures["slow"].set_result({"text": "slowly"})
        assert texts(*await read(client, 2)) == ["slowly", "behind it"]
        assert await client.line.reader.read() == b""
        await client.script.closed.wait()


async def test_a_client_that_hung_up_is_disconnected_at_once() -> None:
    async with served() as client:
        client.line.write({"cmd": "later", "name": "slow"}, {"cmd": "park", "name": "p"})
        await until(lambda: len(client.script.asked) == 2)
        await client.line.close()
        await client.script.closed.wait()
        assert not client.script.futures["slow"].done()
        client.script.futures["slow"].set_result({"text": "nobody reads it"})


async def test_a_stream_ends_when_its_reader_closes_its_sending_end() -> None:
    async def run(push: Push) -> None:
        await asyncio.Event().wait()

    async with served() as client:
        client.script.stream = run
        client.line.write({"cmd": "park", "name": "p"}, {"cmd": "watch"})
        await client.line.read()
        client.line.writer.write_eof()
        await client.script.closed.wait()


# Streams


async def test_a_stream_begins_with_a_bare_ok_and_repeats_its_number() -> None:
    async def run(push: Push) -> None:
        await push({"text": "one"})
        await push({"text": "two"})
        await asyncio.Event().wait()

    async with served() as client:
        client.script.stream = run
        assert await client.line.ask("watch", req=3) == {"version": 1, "ok": True, "req": 3}
        answers = await read(client, 2)
        assert texts(*answers) == ["one", "two"]
        assert {answer["req"] for answer in answers} == {3}


async def test_a_stream_takes_no_more_requests() -> None:
    pushed = asyncio.Event()

    async def run(push: Push) -> None:
        await pushed.wait()
        await push({"text": "pushed"})
        await asyncio.Event().wait()

    async with served() as client:
        client.script.stream = run
        client.line.write({"cmd": "watch"}, {"cmd": "say", "text": "ignored"})
        assert "text" not in await client.line.read(), "the ok is not kept back"
        pushed.set()
        assert (await client.line.read())["text"] == "pushed"
        assert len(client.script.asked) == 1


async def test_a_stream_waits_for_the_answers_before_it() -> None:
    async def run(push: Push) -> None:
        await push({"text": "pushed"})
        await asyncio.Event().wait()

    async with served() as client:
        client.script.stream = run
        client.line.write({"cmd": "later", "name": "slow"}, {"cmd": "watch"})
        await until(lambda: len(client.script.asked) == 2)
        await asyncio.sleep(0)
        client.script.futures["slow"].set_result({"text": "first"})
        assert texts(*await read(client, 3)) == ["first", None, "pushed"]


async def test_a_stream_that_ends_leaves_the_answers_before_it_their_time() -> None:
    async def run(push: Push) -> None:
        await asyncio.sleep(0)

    async with served() as client:
        client.script.stream = run
        client.line.write({"cmd": "later", "name": "slow"}, {"cmd": "watch"})
        await until(lambda: len(client.script.asked) == 2)
        for _ in range(5):
            await asyncio.sleep(0)
        client.script.futures["slow"].set_result({"text": "first"})
        assert texts(*await read(client, 2)) == ["first", None]
        assert await client.line.reader.read() == b"", "then the connection is closed"


async def test_a_stream_ends_with_its_client() -> None:
    ended = asyncio.Event()

    async def run(push: Push) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with served() as client:
        client.script.stream = run
        await client.line.ok("watch")
        assert not ended.is_set()
        await client.line.close()
        await ended.wait()


@pytest.mark.sim
@pytest.mark.parametrize("late", [False, True])
async def test_a_stream_waits_for_a_client_that_does_not_read(late: bool) -> None:
    pushed = 0

    async def run(push: Push) -> None:
        nonlocal pushed
        for number in range(1000):
            await push({"text": "x" * 10_000, "number": number})
            pushed += 1
        await asyncio.Event().wait()

    async with served(buffer=4096) as client:
        stop_reading(client.line)
        client.script.stream = run
        if late:
            client.line.write({"cmd": "later", "name": "slow"})
        client.line.write({"cmd": "watch"})
        await settle()
        assert pushed < (1 if late else 50), "it holds what the transport buffers and one more"
        client.script.futures["slow"].set_result({"text": "slowly"})
        client.line.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await read(client, 2 if late else 1)
        answers = await read(client, 1000)
        assert [answer["number"] for answer in answers] == [*range(1000)]


@pytest.mark.sim
async def test_a_stream_to_a_client_that_never_reads_ends() -> None:
    ended = asyncio.Event()

    async def run(push: Push) -> None:
        try:
            while True:
                await push({"text": "x" * 10_000})
        finally:
            ended.set()

    async with served(buffer=4096) as client:
        stop_reading(client.line)
        client.script.stream = run
        client.line.write({"cmd": "watch"})
        await settle()
        await advance(WRITE_DEADLINE - 1)
        assert not ended.is_set()
        await advance(2)
        await client.script.closed.wait()
        await ended.wait()


async def test_a_stream_that_breaks_closes_the_connection_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run(push: Push) -> None:
        await push({"text": "last words"})
        raise RuntimeError("the pump broke")

    async with served() as client:
        client.script.stream = run
        client.line.write({"cmd": "watch"})
        assert texts(*await read(client, 2)) == [None, "last words"]
        assert await client.line.reader.read() == b""
    assert "a stream to a client failed" in caplog.text
    assert "the pump broke" in caplog.text


# Bugs, and requests that outlive their connection


async def test_a_long_request_outlives_its_connection() -> None:
    async with served() as client:
        client.line.write({"cmd": "work", "name": "restart"})
        await until(lambda: client.script.running)
        [task] = client.script.running
        await client.line.close()
        await client.script.closed.wait()
        assert not task.done()
        client.script.futures["restart"].set_result({"text": "done after all"})
        assert await task == {"text": "done after all"}
    assert not client.script.running


async def test_work_that_is_cancelled_is_answered_as_unavailable() -> None:
    async with served() as client:
        client.line.write({"cmd": "work", "name": "restart"})
        await until(lambda: client.script.running)
        [task] = client.script.running
        task.cancel()
        answer = await client.line.read()
        assert (answer["code"], "shutting down" in answer["error"]) == ("unavailable", True)


@pytest.mark.parametrize(
    ("error", "is_logged"), [(ConflictError("stopped meanwhile"), False), (KeyError("bug"), True)]
)
async def test_an_error_after_the_client_has_gone_is_logged_only_if_it_is_a_bug(
    error: Exception, is_logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    async with served() as client:
        client.line.write({"cmd": "work", "name": "start"})
        await until(lambda: client.script.running)
        await client.line.close()
        await client.script.closed.wait()
        client.script.futures["start"].set_exception(error)
        await until(lambda: not client.script.running)
        gc.collect()
        await asyncio.sleep(0)
    assert not unhandled
    assert ("a bug in hive-c0re: 'work' failed" in caplog.text) is is_logged


async def test_a_bug_is_named_as_such_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with served() as client:
        client.script.errors["bug"] = ZeroDivisionError("by zero")
        with caplog.at_level(logging.ERROR):
            code, error = await client.line.refused("fail", how="bug")
        assert code == "failed"
        assert "a bug in hive-c0re (ZeroDivisionError: by zero)" in error
        assert "Traceback" in caplog.text
        assert await client.line.ok("say", text="the connection lives on")


@pytest.mark.parametrize("verb", ["later", "park", "work"])
async def test_an_answer_that_json_cannot_express_is_a_bug_and_delays_no_other(
    verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with served() as client:
        client.line.write({"cmd": verb, "name": "odd"}, {"cmd": "say", "text": "next"})
        await until(lambda: len(client.script.asked) == 2)
        client.script.futures["odd"].set_result({"text": object()})
        answers = await read(client, 2)
        assert {answer.get("code") for answer in answers} == {"failed", None}
    assert "a bug" in caplog.text
