"""Mail of the current turn: taken by the hive's tools, and announced after tool calls."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define, field
from msgspec.structs import replace

from hive.client.agent import Delivery
from hive.clock import SystemClock
from hive.errors import NotFoundError
from hive.harness.claude.turn_mail import TOOL_WAIT_MAX, TurnMail
from hive.harness.leases import Leases
from hive.harness.turn import Turn

MAIL = Delivery(7, "bob", "hi", "2026-11-22T14:00:00.000Z", 1, False, "l", "agent")


@define(eq=False)
class Inbox:
    """A client with mail."""

    left: list[Delivery] = field(factory=list)
    waits: list[float] = field(factory=list)

    async def recv(self, *, max: int, wait: float, **more: Any) -> tuple[Delivery, ...]:  # noqa: A002
        self.waits.append(wait)
        given, self.left = self.left[:max], self.left[max:]
        return tuple(given)


@pytest.fixture
def inbox() -> Any:
    return Inbox()


@pytest.fixture
def mail(inbox: Any) -> TurnMail:
    made = TurnMail(SystemClock())
    turn = Turn(Leases(inbox))
    turn.join([MAIL])
    made.begin(turn)
    return made


async def test_messages_that_recv_takes_join_the_turn(mail: TurnMail, inbox: Any) -> None:
    inbox.left = [replace(MAIL, id=8), replace(MAIL, id=9)]
    taken = await mail.take(8, 500.0)
    assert [each.id for each in taken] == [8, 9]
    assert [each.id for each in mail.held()] == [7, 8, 9]
    assert inbox.waits == [TOOL_WAIT_MAX], "one request, and a turn does not wait long"


async def test_finished_messages_are_not_held_any_more(mail: TurnMail) -> None:
    await mail.done([7])
    assert mail.held() == ()
    assert mail.turn is not None
    assert mail.turn.finished == (7,)
    with pytest.raises(NotFoundError, match="you hold nothing"):
        await mail.done([7])


async def test_between_turns_there_is_no_mail(mail: TurnMail) -> None:
    mail.end()
    assert mail.held() == ()
    assert await mail.take(1, 0.0) == ()
    assert mail.between_tools() is None
    with pytest.raises(NotFoundError):
        await mail.done([7])


async def test_urgent_mail_is_announced_once_with_the_turns_boundary(mail: TurnMail) -> None:
    assert mail.between_tools() is None
    assert mail.turn is not None
    mail.turn._urgent.append(replace(MAIL, id=8, body="stop"))
    note = mail.between_tools()
    assert note is not None
    assert f"{mail.boundary}\nstop\n{mail.boundary}" in note
    assert [each.id for each in mail.held()] == [7, 8]
    assert mail.between_tools() is None
