"""Handlers of host.sock about turns, questions and usage limits."""

from __future__ import annotations

from typing import ClassVar

from hive.clock import rfc3339
from hive.gateway.dispatch import Fields, Stream, serves
from hive.gateway.handlers.services import OperatorConnection
from hive.gateway.rows import question_row, turn_row
from hive.gateway.streams import live_stream
from hive.store.usage import Limit
from hive.wire import host as wire
from hive.wire.base import Request
from hive.wire.enums import OrderKind
from hive.wire.rows import LimitRow


class TurnHandlers(OperatorConnection):
    """The verbs that show turns, questions and limits, and those that give control orders."""

    __slots__ = ()

    to_broker: ClassVar[tuple[type[Request], ...]] = (wire.AnswerQuestion,)

    @serves(wire.Turns)
    async def _turns(self, request: wire.Turns) -> Fields:
        participant = self.services.registry.get(request.name)
        found = await self.services.harnesses.newest_turns(participant, request.max)
        return {"turns": [turn_row(participant.name, *each) for each in found.items()]}

    @serves(wire.Watch)
    def _watch(self, request: wire.Watch) -> Stream:
        return live_stream(self.services.registry.get(request.name).turn_feed, request.max)

    @serves(wire.CancelTurn)
    def _cancel_turn(self, request: wire.CancelTurn) -> Fields:
        self.services.harnesses.give_order(request.name, OrderKind.CANCEL)
        return {}

    @serves(wire.NewSession)
    def _new_session(self, request: wire.NewSession) -> Fields:
        self.services.harnesses.give_order(request.name, OrderKind.NEW_SESSION)
        return {}

    @serves(wire.ListQuestions)
    async def _questions(self, request: wire.ListQuestions) -> Fields:
        now = self.services.clock.now()
        found = await self.services.mail.questions(request.max, ended=request.all)
        return {"questions": [question_row(each, now) for each in found]}

    @serves(wire.ListLimits)
    def _limits(self, request: wire.ListLimits) -> Fields:
        return {
            "limits": [
                self._limit_row(each) for each in self.services.harnesses.usage_limits.current()
            ]
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
                for participant, _ in self.services.harnesses.connections_of(limit.account)
            ],
        )
