"""The tools for questions, reminders, participants, and those of the manager."""

from __future__ import annotations

import pytest

from actors.testing import advance
from hive.errors import BadRequestError, HiveError, NotAllowedError
from hive.harness.tools import SessionMail, for_kind
from tests.mcp.conftest import Session, named
from tests.support.hives import Site, echo

pytestmark = pytest.mark.sim


async def test_a_question_is_answered_and_its_message_is_done(session: Session) -> None:
    number = await session.bob.ask("which one?", options=["a", "b"], to="damocles")
    [message] = (await session("recv"))["messages"]
    assert (message["id"], message["type"]) == (number, "question")
    assert [each["id"] for each in (await session("loose_ends"))["to_answer"]] == [number]
    await session("answer", id=number, answer="a")
    assert await session.client.status() == 0, "the question's message is acked with its answer"
    [answer] = await session.bob.recv()
    assert (answer.type, answer.body, answer.in_reply_to) == ("answer", "a", number)


async def test_a_reply_to_a_question_answers_it(session: Session) -> None:
    number = await session.bob.ask("which one?", to="damocles")
    await session("recv")
    assert await session("reply", id=number, body="the red one") == {
        "answered": number,
        "acked": True,
    }
    [answer] = await session.bob.recv()
    assert (answer.type, answer.body) == ("answer", "the red one")
    assert (await session.bob.loose_ends()).asked == ()


async def test_ask_returns_at_once_and_a_question_can_be_cancelled(session: Session) -> None:
    asked = await session("ask", question="may I?", options=["yes", "no"], to="bob")
    [open_one] = (await session("loose_ends"))["asked"]
    assert (open_one["id"], open_one["to"], open_one["question"]) == (asked["id"], "bob", "may I?")
    await session("cancel", kind="question", id=asked["id"])
    assert (await session("loose_ends"))["asked"] == []
    with pytest.raises(HiveError, match="cancelled"):
        await session("cancel", kind="question", id=asked["id"])


async def test_a_reminder_is_delivered_when_it_is_due(session: Session) -> None:
    await session("remind", message="look at the build", delay_seconds=600)
    assert await session.bodies() == []
    [reminder] = (await session("loose_ends"))["reminders"]
    assert reminder["message"] == "look at the build"
    await advance(601)
    [message] = (await session("recv"))["messages"]
    assert (message["body"], message["from"]) == ("look at the build", "reminder")


@pytest.mark.parametrize("times", [{}, {"delay_seconds": 1, "at_unix_timestamp": 2e9}])
async def test_a_reminder_has_one_time(session: Session, times: dict[str, float]) -> None:
    with pytest.raises(BadRequestError, match="one of"):
        await session("remind", message="when?", **times)


async def test_whoami_and_who_describe_participants(session: Session) -> None:
    me = await session("whoami")
    assert (me["name"], me["kind"], me["unread"]) == ("damocles", "peer", 0)
    await session("set_status", text="reviewing")
    others = {each["name"]: each for each in (await session("who"))["participants"]}
    assert others["damocles"]["status_text"] == "reviewing"
    assert others["bob"]["connected"] is False


async def test_an_agent_has_no_tools_for_other_agents(session: Session) -> None:
    assert not {"kill", "start", "restart", "update", "get_logs"} & session.tools.keys()


async def test_the_manager_controls_agents_but_not_itself(site: Site) -> None:
    async with site.simulated(agents={"hm1nd": echo, "alice": echo}) as hive:
        await hive.until_state("alice", "running")
        client = await hive.client("hm1nd")
        tools = named(for_kind(client, manager=True, mail=SessionMail(client)))
        await tools["kill"].call({"name": "alice"})
        assert (await hive.status("alice")).state == "stopped"
        await tools["start"].call({"name": "alice"})
        await hive.until_state("alice", "running")
        await tools["restart"].call({"name": "alice"})
        await hive.until_state("alice", "running")
        assert "lines" in await tools["get_logs"].call({"name": "alice", "lines": 5})
        with pytest.raises(NotAllowedError, match="itself"):
            await tools["kill"].call({"name": "hm1nd"})
