"""Handlers of host.sock about turns, questions and usage limits."""

from __future__ import annotations

from typing import ClassVar

from hive.gateway.dispatch import Fields, Stream, serves
from hive.gateway.handlers.services import OperatorConnection
from hive.gateway.rows import question_row, turn_row
from hive.gateway.streams import live_stream, while_member
from hive.participants.chosen_model import ChosenModel
from hive.status.overview import limit_row
from hive.wire import host as wire
from hive.wire.base import Request
from hive.wire.enums import OrderKind
from hive.wire.turn_rows import ChooseModel


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
        participant = self.services.registry.get(request.name)
        stream = live_stream(participant.turn_feed, request.max, self.services.clock)
        return while_member(self.services.registry, participant, stream)

    @serves(wire.CancelTurn)
    def _cancel_turn(self, request: wire.CancelTurn) -> Fields:
        self.services.harnesses.give_order(request.name, OrderKind.CANCEL)
        return {}

    @serves(wire.NewSession)
    def _new_session(self, request: wire.NewSession) -> Fields:
        self.services.harnesses.give_order(request.name, OrderKind.NEW_SESSION)
        return {}

    @serves(ChooseModel)
    async def _choose_model(self, request: ChooseModel) -> Fields:
        choice = ChosenModel(request.model, request.effort)
        await self.services.harnesses.choose_model(request.name, choice)
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
                limit_row(each, self.services.harnesses)
                for each in self.services.harnesses.usage_limits.current()
            ]
        }

    @serves(wire.ClearLimit)
    async def _clear_limit(self, request: wire.ClearLimit) -> Fields:
        await self.services.harnesses.lift(request.account)
        return {}
