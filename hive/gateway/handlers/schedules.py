"""Handlers of host.sock about schedules."""

from __future__ import annotations

from hive.gateway.dispatch import Fields, serves
from hive.gateway.handlers.services import OperatorConnection
from hive.gateway.rows import schedule_row
from hive.names import OPERATOR
from hive.schedules.schedule_service import ScheduleWish
from hive.wire import schedules as wire


class ScheduleHandlers(OperatorConnection):
    """The verbs of the operator about messages that come again and again."""

    __slots__ = ()

    @serves(wire.CreateSchedule)
    async def _create_schedule(self, request: wire.CreateSchedule) -> Fields:
        wish = ScheduleWish(
            request.to,
            request.when,
            request.timezone,
            request.body,
            OPERATOR,
            request.description,
        )
        made = await self.services.schedule_requests.make(wish, self.origin)
        return {"schedule": schedule_row(made)}

    @serves(wire.ListSchedules)
    def _list_schedules(self, request: wire.ListSchedules) -> Fields:
        return {"schedules": [schedule_row(each) for each in self.services.schedules.all]}

    @serves(wire.CancelSchedule)
    async def _cancel_schedule(self, request: wire.CancelSchedule) -> Fields:
        ended = await self.services.schedules.cancel(
            request.id, OPERATOR, "the operator cancelled it", self.origin
        )
        return {"schedule": schedule_row(ended)}
