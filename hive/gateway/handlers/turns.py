"""Turns, questions and accounts, as host.sock answers them."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from hive.clock import rfc3339
from hive.gateway.dispatch import Fields, Push, Stream, serves
from hive.gateway.handlers.host_services import OperatorConnection
from hive.gateway.handlers.questions import question_row
from hive.participants.turn_feed import TurnEvent, TurnFeed
from hive.store.usage_limits import Limit
from hive.wire import turns as wire
from hive.wire.base import Request
from hive.wire.enums import OrderKind
from hive.wire.harness import TurnRecord
from hive.wire.rows import LimitRow, LiveRow, TurnRow


class TurnHandlers(OperatorConnection):
    """The operator's view of what agents do, and the words to them that are no mail."""

    __slots__ = ()

    to_broker: ClassVar[tuple[type[Request], ...]] = (wire.AnswerQuestion,)

    @serves(wire.Turns)
    async def _turns(self, request: wire.Turns) -> Fields:
        participant = self.services.registry.get(request.name)
        found = await self.services.harnesses.turns_of(participant, request.max)
        return {"turns": [turn_row(participant.name, *each) for each in found.items()]}

    @serves(wire.Watch)
    def _watch(self, request: wire.Watch) -> Stream:
        return live_stream(self.services.registry.get(request.name).live, request.max)

    @serves(wire.CancelTurn)
    def _cancel_turn(self, request: wire.CancelTurn) -> Fields:
        self.services.harnesses.order(request.name, OrderKind.CANCEL)
        return {}

    @serves(wire.NewSession)
    def _new_session(self, request: wire.NewSession) -> Fields:
        self.services.harnesses.order(request.name, OrderKind.NEW_SESSION)
        return {}

    @serves(wire.ListQuestions)
    async def _questions(self, request: wire.ListQuestions) -> Fields:
        now = self.services.clock.now()
        found = await self.services.mail.questions(request.max, ended=request.all)
        return {"questions": [question_row(each, now) for each in found]}

    @serves(wire.ListLimits)
    def _limits(self, request: wire.ListLimits) -> Fields:
        return {
            "limits": [self._limit_row(each) for each in self.services.harnesses.accounts.current()]
        }

    @serves(wire.ClearLimit)
    async def _clear_limit(self, request: wire.ClearLimit) -> Fields:
        await self.services.harnesses.lift(request.account)
        return {}

    def _limit_row(self, limit: Limit) -> LimitRow:
        return LimitRow(
            account=limit.account,
            until=rfc3339(limit.until),
            since=rfc3339(limit.since),
            reason=limit.reason,
            reported_by=limit.reported_by,
            names=[
                participant.name
                for participant, _ in self.services.harnesses.sharers(limit.account)
            ],
        )


def live_stream(feed: TurnFeed, count: int) -> Stream:
    """Push the newest events of a feed, then each new one."""

    async def run(push: Push) -> None:
        arrived: asyncio.Queue[TurnEvent] = asyncio.Queue()
        unsubscribe = feed.watch(arrived.put_nowait)
        try:
            for event in feed.newest(count):
                push({"live": [_live_row(event)]})
            while True:
                push({"live": [_live_row(await arrived.get())]})
        finally:
            unsubscribe()

    return Stream(run)


def turn_row(name: str, number: int, record: TurnRecord) -> TurnRow:
    """Return a finished turn of a participant as it is shown."""
    return TurnRow(
        id=number,
        name=name,
        started_at=rfc3339(record.started_at),
        ended_at=rfc3339(record.ended_at),
        seconds=round(record.ended_at - record.started_at, 3),
        wake=record.wake,
        outcome=record.outcome.value,
        model=record.model,
        messages=list(record.messages),
        input_tokens=record.input_tokens,
        output_tokens=record.output_tokens,
        cache_read_tokens=record.cache_read_tokens,
        cache_write_tokens=record.cache_write_tokens,
        cost_usd=record.cost_usd,
        tools=dict(record.tools),
        note=record.note,
    )


def _live_row(event: TurnEvent) -> LiveRow:
    return LiveRow(at=rfc3339(event.at), kind=event.kind.value, text=event.text)
