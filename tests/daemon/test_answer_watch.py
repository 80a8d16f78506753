"""The wait for the answer to a message ends with the answer or with the message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import pytest
from msgspec.structs import replace

from actors.testing import advance, settle
from hive.client.agent import Delivery, ManagerClient, Role
from hive.client.channel import Repeat
from hive.client.function_agent import answering
from hive.config import AgentManifest
from hive.daemon.hive import Hive
from hive.errors import NotFoundError, TimedOutError, UnansweredError
from hive.exits import Exited
from hive.status.hindrances import hindrance_of
from hive.store import MessageState
from hive.wire.enums import ActivityState, NackMode
from hive.wire.harness import Activity
from hive.wire.host import Discard
from tests.support.hives import Line, Site, connected, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim

HARNESS = AgentManifest(run=("cat",))


@pytest.fixture
async def hive(site: Site) -> AsyncIterator[Hive]:
    async with site.simulated(ScriptedRuntime(), swarm("alice", peers=["damocles"])) as opened:
        await opened.until_state("alice", "running")
        yield opened


async def taken(hive: Hive, name: str, *, harness: bool = True) -> tuple[ManagerClient, Delivery]:
    """Return a client that has received a message of a participant."""
    client = await hive.client(name)
    if harness:
        await client.hello(Role.HARNESS, "command")
    [message] = await client.recv(wait=10)
    return client, message


async def sent(hive: Hive, to: str = "alice", body: str = "job") -> int:
    number = await hive.send(to, body)
    assert number is not None
    return number


async def why_none(hive: Hive, number: int, act: Callable[[], Awaitable[object]]) -> str:
    """Return why the wait for an answer ends after `act`, and require that it does at once."""
    loop = asyncio.get_running_loop()
    waiting = asyncio.ensure_future(hive.answer_to(number, within=3600))
    await settle()
    assert not waiting.done()
    await act()
    before = loop.time()
    with pytest.raises(UnansweredError) as caught:
        await waiting
    assert loop.time() - before < 1
    return str(caught.value)


async def test_a_dead_letter_ends_the_wait_with_its_reason(hive: Hive) -> None:
    number = await sent(hive)
    client, _ = await taken(hive, "alice")
    why = await why_none(
        hive, number, lambda: client.nack(number, mode=NackMode.REJECT, reason="not my job")
    )
    assert why == (
        f"message {number} gets no answer: not my job; 'hive-c0re replay {number}' sends it again"
    )


async def test_an_expired_message_ends_the_wait(hive: Hive) -> None:
    stored = await hive._session().send("alice", "soon", ttl_seconds=50)
    assert isinstance(stored.id, int)
    why = await why_none(hive, stored.id, lambda: advance(50))
    assert why.startswith(f"message {stored.id} gets no answer: it has expired")


async def test_a_discarded_message_ends_the_wait(hive: Hive) -> None:
    number = await sent(hive)
    request = Discard(ids=[number], reason="asked the wrong one")
    why = await why_none(hive, number, lambda: hive._session().request(request))
    assert "it has expired" in why
    assert "asked the wrong one" in why


async def test_a_superseded_message_ends_the_wait(hive: Hive) -> None:
    first = await hive._session().send("alice", "old", supersede_key="k")
    assert isinstance(first.id, int)
    why = await why_none(
        hive, first.id, lambda: hive._session().send("alice", "new", supersede_key="k")
    )
    assert "superseded" in why


async def test_an_ack_of_a_harness_without_an_answer_ends_the_wait(hive: Hive) -> None:
    number = await sent(hive)
    client, _ = await taken(hive, "alice")
    why = await why_none(hive, number, lambda: client.ack([number]))
    assert why == f"message {number} gets no answer: 'alice' has acked it without an answer"


@pytest.mark.parametrize("driver", [None, "claude", "release-bot"])
async def test_an_ack_of_a_program_that_may_answer_later_does_not_end_it(
    hive: Hive, driver: str | None
) -> None:
    number = await sent(hive)
    client, _ = await taken(hive, "alice", harness=False)
    if driver is not None:
        await client.hello(Role.HARNESS, driver)
    await client.ack([number])
    with pytest.raises(TimedOutError, match=r"has acked message \d+ without an answer; one may"):
        await hive.answer_to(number)
    await client.send("operator", "done", in_reply_to=number)
    assert await hive.answer_to(number) == "done"


@pytest.mark.parametrize(
    ("name", "driver", "ends"),
    [
        ("alice", "command", True),
        ("alice", "function", True),
        ("alice", "claude", False),
        ("alice", None, False),
        ("damocles", "command", True),
        ("damocles", "hook", False),
        ("damocles", None, False),
        ("hm1nd", "command", False),
        ("hm1nd", "claude", False),
    ],
)
async def test_whose_ack_without_an_answer_ends_the_wait(
    site: Site, name: str, driver: str | None, ends: bool
) -> None:
    """The table of docs/delivery.md: only a program whose answer is stored before its ack."""
    config = swarm("alice", manager=True, peers=["damocles"])
    async with site.simulated(ScriptedRuntime(), config) as hive:
        await hive.until_state("alice", "running")
        await hive.until_state("hm1nd", "running")
        number = await sent(hive, name)
        client, _ = await taken(hive, name, harness=False)
        if driver is not None:
            await client.hello(Role.HARNESS, driver)
        await client.ack([number])
        expected, words = (
            (UnansweredError, f"'{name}' has acked it without an answer")
            if ends
            else (TimedOutError, f"'{name}' has acked message {number} without an answer; one may")
        )
        with pytest.raises(expected, match=words):
            await hive.answer_to(number, within=60)
        await client.send("operator", "late", in_reply_to=number)
        assert await hive.answer_to(number) == "late", "an answer is found nevertheless"


async def test_an_ack_under_an_earlier_connection_of_a_harness_ends_the_wait(site: Site) -> None:
    config = swarm("alice", manifest=HARNESS)
    async with site.simulated(ScriptedRuntime(), config) as hive:
        number = await sent(hive)
        client, _ = await taken(hive, "alice")
        await client.ack([number])
        await client.close()
        await settle()
        with pytest.raises(UnansweredError):
            await hive.answer_to(number)


async def test_functions_that_answer_nothing_end_the_wait(site: Site) -> None:
    async def silent(message: Delivery) -> None:
        return None

    async with site.simulated(agents={"alice": answering(silent)}) as hive:
        with pytest.raises(UnansweredError, match="acked it without an answer"):
            await hive.answer_to(await hive.send("alice", "hi"))


@pytest.mark.parametrize("purge", [False, True])
async def test_a_destroyed_recipient_ends_the_wait(hive: Hive, purge: bool) -> None:
    number = await sent(hive)
    await hive.stop("alice")
    why = await why_none(hive, number, lambda: hive.parts.lifecycle.destroy("alice", purge=purge))
    assert ("purged" if purge else "was removed; the message waits for a participant") in why


async def test_an_unregistered_peer_ends_the_wait(hive: Hive) -> None:
    number = await sent(hive, "damocles")
    why = await why_none(
        hive, number, lambda: hive.parts.lifecycle.unregister_peer("damocles", force=True)
    )
    assert "'damocles' was removed" in why


async def test_an_unknown_message_is_not_waited_for(hive: Hive) -> None:
    with pytest.raises(NotFoundError, match="there is no message 4242"):
        await hive.answer_to(4242)


async def test_an_answer_is_found_behind_any_amount_of_other_mail(hive: Hive) -> None:
    number = await sent(hive)
    client, _ = await taken(hive, "alice")
    await client.send("operator", "the answer", in_reply_to=number)
    for each in range(250):
        await client.send("operator", f"noise {each}")
    assert await hive.answer_to(number) == "the answer"


async def test_only_the_answer_is_acked(hive: Hive) -> None:
    number = await sent(hive)
    client, _ = await taken(hive, "alice")
    await client.send("operator", "by the way")
    await client.send("operator", "the answer", in_reply_to=number)
    assert await hive.answer_to(number) == "the answer"
    unread = [each.body for each in await hive.inbox() if each.state is MessageState.STORED]
    assert unread == ["by the way"]
    assert await hive.answer_to(number) == "the answer", "it is found again"


async def test_the_answer_of_one_who_took_it_from_a_queue_counts(hive: Hive) -> None:
    number = await sent(hive, "queue:jobs")
    mallory, bob = await hive.client("damocles"), await hive.client("alice")
    await bob._channel.request({"cmd": "recv", "queue": "jobs"}, Repeat.ALWAYS)
    await bob.send("operator", "done", in_reply_to=number)
    with pytest.raises(NotFoundError):
        await mallory.send("operator", "forged", in_reply_to=number)
    assert await hive.answer_to(number) == "done"


# What hinders a recipient


async def hindrances(hive: Hive, number: int) -> list[str]:
    return [each.what for each in (await hive.parts.answers.look([number])).hindrances]


async def test_a_stopped_recipient_is_a_hindrance_and_not_the_end(hive: Hive) -> None:
    number = await sent(hive)
    assert await hindrances(hive, number) == []
    await hive.stop("alice")
    stopped = "'alice' is stopped; 'hive-c0re start alice' starts it"
    assert await hindrances(hive, number) == [stopped]
    with pytest.raises(TimedOutError, match=f"within 30 s: {stopped}"):
        await hive.answer_to(number)
    await hive.start("alice")
    client, _ = await taken(hive, "alice")
    await client.send("operator", "done", in_reply_to=number)
    assert await hive.answer_to(number) == "done"


async def test_a_paused_a_failed_and_an_absent_recipient_are_hindrances(site: Site) -> None:
    runtime = ScriptedRuntime()
    config = swarm("alice", "bob", peers=["damocles"])
    async with site.simulated(runtime, config) as hive:
        numbers = {name: await sent(hive, name) for name in ("alice", "bob", "damocles")}
        await hive.until_state("bob", "running")
        await hive.parts.lifecycle.set_paused("alice", paused=True)
        while (await hive.status("bob")).state != "failed":
            if (await hive.status("bob")).state == "running":
                runtime.end("bob", Exited(3))
            await advance(5)
        found = {name: await hindrances(hive, number) for name, number in numbers.items()}
        assert found["alice"] == ["'alice' is paused; 'hive-c0re resume alice' resumes its mail"]
        [failed] = found["bob"]
        assert failed.startswith("'bob' has failed: exited with status 3")
        assert failed.endswith("'hive-c0re start bob' starts it")
        assert found["damocles"] == [
            "'damocles' is away: nothing is connected that receives its mail"
        ]


@pytest.mark.parametrize(
    ("state", "what"),
    [
        (ActivityState.NEEDS_LOGIN, "'alice' needs a login: log in there"),
        (
            ActivityState.LIMITED,
            "'alice' is limited: its account is used up; 'hive-c0re limits' shows until when",
        ),
        (
            ActivityState.PAUSED,
            "'alice' begins no turn at present; 'hive-c0re status alice' shows why",
        ),
    ],
)
async def test_a_harness_that_begins_no_turn_is_a_hindrance(
    hive: Hive, state: ActivityState, what: str
) -> None:
    number = await sent(hive)
    client = await hive.client("alice")
    await client.hello(Role.HARNESS)
    await client.report(Activity(state=state, since=0.0, about="log in there"))
    await settle()
    assert await hindrances(hive, number) == [what]


async def test_the_end_of_a_recipient_is_reported_with_its_last_line(hive: Hive) -> None:
    row = replace(await hive.status("alice"), state="failed", reason="exited with status 7")
    start = "'hive-c0re start alice' starts it"
    lines = ["begins", "no such key: " + "x" * 500]
    assert hindrance_of(replace(row, last_lines=lines)) == (
        f"'alice' has failed: exited with status 7: no such key: {'x' * 187}; {start}"
    )
    assert hindrance_of(row) == f"'alice' has failed: exited with status 7; {start}"


async def test_a_start_that_waits_for_the_machine_is_a_hindrance(hive: Hive) -> None:
    row = replace(await hive.status("alice"), state="queued", reason="the disk is nearly full")
    assert hindrance_of(row) == (
        "'alice' is queued: its start waits for the machine; 'hive-c0re status alice' shows why"
    )


async def test_a_frozen_recipient_and_one_in_back_off_are_hindrances(site: Site) -> None:
    runtime = ScriptedRuntime()
    async with site.simulated(runtime, swarm("alice", "bob", peers=["damocles"])) as hive:
        number = await sent(hive)
        await hive.until_state("alice", "running")
        runtime.end("alice", Exited(3))
        await hive.until_state("alice", "backoff")
        await hive.parts.freezes.estop([hive.parts.registry.agent("bob")])
        [waits] = await hindrances(hive, number)
        assert waits == (
            "'alice' has ended and is started again after a delay: exited with status 3; "
            "'hive-c0re start alice' starts it now"
        )
        row = await hive.status("bob")
        thaw = "'bob' is frozen by 'estop'; 'hive-c0re thaw bob' lets it go on"
        assert hindrance_of(row) == thaw
        assert hindrance_of(replace(row, state="queued")) == thaw, "the machine is not the reason"
        assert hindrance_of(replace(row, state="stopped")) == thaw, "a start would be refused"
        async with connected(hive.paths.agent_socket("damocles")) as peer:
            ids = [(await peer.ok("send", to=name, body="hi"))["id"] for name in ("alice", "bob")]
            shown = (await peer.ok("receipts", ids=ids))["receipts"]
        assert [row["hindrance"] for row in shown] == [
            "'alice' has ended and is started again after a delay",
            "'bob' is frozen by 'estop'",
        ], "senders are shown no remedy of the operator, and nothing that an agent printed"


# On the wire


async def test_the_stream_tells_each_hindrance_once_and_ends_with_the_last_message(
    site: Site,
) -> None:
    async with (
        site.simulated(ScriptedRuntime(), swarm("alice", "bob")) as hive,
        connected(hive.paths.host_socket) as operator,
        connected(hive.paths.host_socket) as other,
    ):
        for name in ("alice", "bob"):
            await hive.until_state(name, "running")
            await other.ok("change_group", name="ops", add=[name])
        stored = await other.ok("send", to="@ops", body="report")
        first, second = stored["id"], stored["id"] + 1
        assert await operator.ok("answers", ids=[first, second]) == {
            "version": 1,
            "ok": True,
            "answers": [],
            "hindrances": [],
        }
        await operator.ok("answers", ids=[first, second], follow=True)
        await hive.stop("bob")
        await hive.parts.lifecycle.set_paused("bob", paused=True)
        hindered = await operator.read()
        [row] = hindered["hindrances"]
        assert (row["id"], row["to"]) == (second, "bob")
        assert row["what"].startswith("'bob' is stop")
        client, _ = await taken(hive, "alice")
        await client.send("operator", "fine", in_reply_to=first)
        answered = await until_answers(operator)
        assert (answered["state"], answered["answer"]["body"]) == ("answered", "fine")
        await other.ok("discard", ids=[second])
        ended = await until_answers(operator)
        assert (ended["id"], ended["to"], ended["state"]) == (second, "bob", "expired")
        assert await operator.reader.read() == b"", "the stream ends"


async def until_answers(line: Line) -> dict[str, object]:
    while not (found := (await line.read())["answers"]):
        pass
    [row] = found
    return dict(row)


def subscribers(hive: Hive) -> tuple[int, int]:
    return len(hive.parts.registry._subscribers), len(hive.parts.store._commits)


async def test_a_wait_that_is_given_up_leaves_nothing_behind(hive: Hive) -> None:
    number = await sent(hive)
    await advance(10)  # the look at the free space after a commit is a subscriber, too
    before = subscribers(hive)
    async with aclosing(hive.parts.answers.follow([number])):
        with pytest.raises(TimedOutError):
            await hive.answer_to(number)
    waiting = asyncio.ensure_future(hive.answer_to(number, within=3600))
    await settle()
    waiting.cancel()
    await asyncio.wait([waiting])
    await advance(10)
    assert subscribers(hive) == before
