"""`answering` in a hive: a message is acked once its answer is stored, else given back."""

from __future__ import annotations

import pytest

from actors.testing import advance, settle
from hive.client.agent import Delivery
from hive.client.function_agent import answering
from tests.support.hives import Site, echo

pytestmark = pytest.mark.sim


async def test_two_agents_that_answer_do_not_answer_each_other_for_ever(site: Site) -> None:
    async with site.simulated(agents={"alice": echo, "bob": echo}, peers=["box-b"]) as hive:
        client = await hive.client("box-b")
        await client.send("alice", "hi")
        [answer] = await client.recv(wait=10)
        await client.send("alice", "thanks", in_reply_to=answer.id)
        await advance(100)
        assert await client.status() == 1, "the answer itself is not acked yet"
        assert (await hive.status("alice")).unread == 0, "a reply is read and not answered"
        assert len(await hive.inbox("box-b")) == 1


async def test_no_answer_is_an_answer_too(site: Site) -> None:
    async def silent(message: Delivery) -> None:
        return None

    async with site.simulated(agents={"alice": answering(silent)}) as hive:
        await hive.send("alice", "hi")
        await settle()
        assert (await hive.status("alice")).unread == 0
        assert await hive.inbox() == ()


async def test_a_failure_gives_the_message_back_and_ends_the_agent(site: Site) -> None:
    seen: list[tuple[int, bool]] = []

    async def once_broken(message: Delivery) -> str:
        seen.append((message.attempt, message.redelivered))
        if len(seen) == 1:
            raise ValueError("not today")
        return "at last"

    async with site.simulated(agents={"alice": answering(once_broken)}) as hive:
        await hive.until_state("alice", "running")
        message = await hive.send("alice", "work")
        row = await hive.until_state("alice", "backoff")
        assert row.reason == "exited with status 1"
        assert row.last_lines is not None
        assert "ValueError: not today" in row.last_lines[-1]
        assert await hive.answer_to(message) == "at last"
        assert seen == [(1, False), (2, True)]


@pytest.mark.parametrize("words", ["x" * 5000, "half \ud800"], ids=["long", "no text"])
async def test_a_failure_is_known_by_its_own_words_whatever_they_are(
    site: Site, words: str
) -> None:
    async def broken(message: Delivery) -> str:
        raise ValueError(words)

    async with site.simulated(agents={"alice": answering(broken)}) as hive:
        await hive.until_state("alice", "running")
        await hive.send("alice", "work")
        row = await hive.until_state("alice", "backoff")
        assert row.last_lines is not None
        assert row.last_lines[-1].startswith("ValueError: ")
