"""The asyncio client: pipelining, reconnecting, and what may be asked twice."""

import asyncio
import itertools
import logging
from pathlib import Path
from random import Random

import pytest

from hive.client.agent import (
    RECONNECT,
    UNREACHABLE_PAUSE,
    AgentClient,
    Identity,
    Role,
    WhoRow,
    until_reachable,
)
from hive.client.channel import Channel
from hive.client.responses import Fields
from hive.errors import (
    BadRequestError,
    InboxFullError,
    StaleLeaseError,
    TimedOutError,
    TooLargeError,
    UnavailableError,
)
from hive.wire import agent as wire
from hive.wire.enums import LiveKind, NackMode
from hive.wire.harness import Live
from tests.harness.support.daemon import Daemon


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mcp.sock"


def client_of(path: Path, patience: float = 60.0) -> AgentClient:
    return AgentClient(path, patience=patience, random=Random(1))


async def test_a_parked_recv_does_not_hold_up_other_requests(path):
    async with Daemon(path) as daemon, client_of(path) as client:
        parked = asyncio.ensure_future(client.recv(wait=100))
        assert await client.status() == 0
        assert not parked.done()
        posted = daemon.post("hello")
        [message] = await parked
        assert (message.id, message.sender, message.body) == (posted, "bob", "hello")
        assert (message.attempt, message.redelivered) == (1, False)


async def test_many_requests_at_once_get_their_own_answers(path):
    async with Daemon(path), client_of(path) as client:
        sent = await asyncio.gather(*(client.send("bob", str(n)) for n in range(100)))
        assert [one.id for one in sent] == list(range(1, 101))


async def test_answers_become_values_and_unknown_fields_are_ignored(path):
    async with Daemon(path), client_of(path) as client:
        assert await client.whoami() == Identity("alice", "agent", "box")
        assert await client.who() == (WhoRow(name="bob", kind="peer", connected=False),)
        assert await client.recent() == ()
        await client.set_status("busy")
        await client.wake("cron", "tick")
        [message] = await client.recv()
        assert (message.sender, message.label, message.body) == ("alice", "cron", "tick")


async def test_refusals_are_typed(path):
    async with Daemon(path) as daemon, client_of(path) as client:
        daemon.refusals[wire.Send] = [InboxFullError("bob has 10000 messages")]
        with pytest.raises(InboxFullError, match="bob has 10000"):
            await client.send("bob", "x")
        posted = daemon.post("x")
        await client.recv()
        with pytest.raises(StaleLeaseError):
            await client.ack([posted], lease="another")
        await client.nack(posted, mode=NackMode.DEFER, reason="later")
        assert daemon.items[posted].reasons == [("defer", "later")]


async def test_what_cannot_be_sent_is_refused_here(path):
    async with Daemon(path) as daemon, client_of(path) as client:
        with pytest.raises(TooLargeError, match="1048576"):
            await client.send("bob", "x" * (1 << 20))
        with pytest.raises(BadRequestError, match="surrogate"):
            await client.send("bob", "\udc80")
        with pytest.raises(BadRequestError, match="'delay_seconds' is inf"):
            await client.send("bob", "x", delay=float("inf"))
        assert await client.status() == 0
        assert not daemon.sent


@pytest.mark.sim
async def test_a_request_waits_for_a_daemon_that_starts_late(path):
    async with client_of(path) as client:
        waiting = asyncio.ensure_future(client.send("bob", "early"))
        await asyncio.sleep(20)
        async with Daemon(path) as daemon:
            assert (await waiting).id == 1
            assert daemon.sent[0].body == "early"


@pytest.mark.sim
async def test_patience_ends_with_the_reason(path):
    loop = asyncio.get_running_loop()
    async with client_of(path, patience=30) as client:
        with pytest.raises(UnavailableError, match=r"mcp\.sock: there is no such socket"):
            await client.send("bob", "x")
        assert loop.time() == pytest.approx(30, abs=1)


@pytest.mark.sim
async def test_a_daemon_that_refuses_at_once_is_asked_again_after_a_pause(path):
    loop = asyncio.get_running_loop()
    async with Daemon(path) as daemon, client_of(path) as client:
        await client.status()
        daemon.refusals[wire.Status] = [UnavailableError("the disk is full")] * 5
        start = loop.time()
        assert await until_reachable(client.status) == 0
        assert loop.time() - start == pytest.approx(5 * UNREACHABLE_PAUSE, abs=0.1)


@pytest.mark.sim
async def test_until_reachable_raises_a_refusal_that_time_does_not_mend(path):
    async with Daemon(path) as daemon, client_of(path) as client:
        daemon.refusals[wire.Send] = [InboxFullError("bob has 10000 messages")]
        with pytest.raises(InboxFullError):
            await until_reachable(lambda: client.send("bob", "x"))


@pytest.mark.sim
async def test_a_send_in_flight_at_a_disconnect_is_not_repeated(path):
    async with Daemon(path) as daemon, client_of(path) as client:
        daemon.hold = {wire.Send}
        sending = asyncio.ensure_future(client.send("bob", "once"))
        await daemon.until(lambda: daemon.of(wire.Send))
        await daemon.stop()
        with pytest.raises(UnavailableError, match="outcome is unknown"):
            await sending
        daemon.hold = set()
        await daemon.start()
        await client.status()
        assert len(daemon.of(wire.Send)) == 1


@pytest.mark.sim
async def test_a_recv_in_flight_at_a_disconnect_is_asked_again_after_the_greeting(path):
    async with Daemon(path) as daemon, client_of(path) as client:
        await client.hello(Role.HARNESS, "command")
        receiving = asyncio.ensure_future(client.recv(wait=100))
        await daemon.until(lambda: daemon.of(wire.Recv))
        await daemon.stop()
        await daemon.start()
        daemon.post("after the restart")
        [message] = await receiving
        assert message.body == "after the restart"
        assert [one.role for one in daemon.greeted] == ["harness", "harness"]
        second = [type(one) for one in daemon.requests[2:]]
        assert second == [wire.Hello, wire.Recv]


@pytest.mark.sim
async def test_an_answer_that_does_not_come_times_out(path):
    loop = asyncio.get_running_loop()
    async with Daemon(path) as daemon, client_of(path) as client:
        daemon.hold = {wire.Status}
        with pytest.raises(TimedOutError, match="within 30 s"):
            await client.status()
        assert loop.time() == pytest.approx(30, abs=1)


async def test_what_arrives_for_a_cancelled_recv_is_given_back(path):
    async with Daemon(path) as daemon, client_of(path) as client:
        receiving = asyncio.ensure_future(client.recv(wait=100))
        await daemon.until(lambda: daemon.of(wire.Recv))
        receiving.cancel()
        posted = daemon.post("for nobody")
        await daemon.until(lambda: daemon.of(wire.Nack))
        assert daemon.items[posted].reasons == [("defer", "the receiver went away")]
        [message] = await client.recv()
        assert (message.id, message.attempt, message.redelivered) == (posted, 1, True)


async def test_a_request_cancelled_before_a_connection_is_never_written(path):
    async with client_of(path) as client:
        sending = asyncio.ensure_future(client.send("bob", "never"))
        kept = asyncio.ensure_future(client.status())
        await asyncio.sleep(0)
        sending.cancel()
        async with Daemon(path) as daemon:
            assert await kept == 0
            assert not daemon.sent


async def test_close_fails_what_waits_and_everything_after(path):
    async with Daemon(path) as daemon:
        client = client_of(path)
        client.open()
        receiving = asyncio.ensure_future(client.recv(wait=100))
        await daemon.until(lambda: daemon.of(wire.Recv))
        await client.close()
        with pytest.raises(UnavailableError):
            await receiving
        with pytest.raises(UnavailableError, match="was closed"):
            await client.status()


async def test_a_newer_daemon_is_warned_of_once(path, caplog):
    async with Daemon(path, version=7) as daemon, client_of(path) as client:
        with caplog.at_level(logging.WARNING):
            await client.status()
            await client.status()
        assert [record.message for record in caplog.records] == [
            f"{daemon.path}: hive-c0re speaks version 7 of the wire, this program knows 1; "
            "update it if something looks wrong"
        ]


@pytest.mark.sim
async def test_attempts_to_connect_back_off(path, monkeypatch):
    times: list[float] = []
    loop = asyncio.get_running_loop()
    connect = loop.create_unix_connection

    async def counted(*args):
        times.append(loop.time())
        return await connect(*args)

    monkeypatch.setattr(loop, "create_unix_connection", counted)
    async with client_of(path):
        await asyncio.sleep(60)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    for attempt, gap in enumerate(gaps):
        plain = min(0.1 * 2**attempt, 15.0)
        assert 0.8 * plain - 0.01 <= gap <= 1.2 * plain + 0.01
    assert len(gaps) >= 8


async def test_lines_that_are_no_answers_are_skipped(path, caplog):
    async with Daemon(path, noise=b'[1]\n{"version":1}\nx\n') as daemon, client_of(path) as client:
        daemon.post("x")
        assert await client.status() == 1
    assert caplog.text.count("is not an answer") == 3


async def test_mail_that_came_in_the_moment_of_cancelling_goes_back(path, monkeypatch):
    async with Daemon(path) as daemon, client_of(path) as client:
        parked = asyncio.ensure_future(client.recv(wait=100))
        assert await client.status() == 0
        hear = client._channel.link_line

        def hear_and_cancel(line: bytes) -> None:
            hear(line)
            parked.cancel()

        monkeypatch.setattr(client._channel, "link_line", hear_and_cancel)
        posted = daemon.post("hello")
        await asyncio.wait([parked])
        assert parked.cancelled()
        await daemon.until(lambda: daemon.items[posted].reasons)
        assert daemon.state(posted) == "queued"
        assert daemon.items[posted].reasons == [("defer", "the receiver went away")]


async def test_mail_that_nobody_claims_needs_no_giving_back_without_a_connection(path):
    def give_back(fields: Fields) -> list[Fields]:
        return [{"cmd": "nack", **row} for row in fields["messages"]]

    caller = Channel(path, patience=1.0, backoff=RECONNECT, random=Random(1), unclaimed=give_back)
    caller.unclaimed({"messages": [{"id": 1}]})  # nowhere to write to, and nothing is raised
    assert not caller.connected


async def test_only_urgent_mail_if_that_is_asked_for(path):
    async with Daemon(path) as daemon, client_of(path) as client:
        daemon.post("usual")
        urgent = daemon.post("now", priority="high")
        [message] = await client.recv(max=8, urgent=True)
        assert message.id == urgent


async def test_a_live_event_with_half_of_a_surrogate_pair_is_shown_all_the_same(path):
    async with Daemon(path) as daemon, client_of(path) as client:
        await client.status()
        await client.live(LiveKind.TOOL_RESULT, "cut here: \ud83d")
        [event] = daemon.of(Live)
        assert isinstance(event, Live)
        assert event.text == "cut here: ?"
