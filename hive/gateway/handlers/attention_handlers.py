"""Handlers of host.sock about what needs the operator."""

from __future__ import annotations

from hive.broker.values import MarkRead
from hive.gateway.dispatch import Fields, serves
from hive.gateway.handlers.services import OperatorConnection
from hive.names import OPERATOR
from hive.wire import attention as wire


class AttentionHandlers(OperatorConnection):
    """The verbs that show what needs the operator, and that mark it."""

    __slots__ = ()

    @serves(wire.ShowAttention)
    async def _attention(self, request: wire.ShowAttention) -> Fields:
        attention = self.services.attention
        return {"items": (await attention.listed()).rows, "working": attention.turns_running()}

    @serves(wire.SetMark)
    async def _mark(self, request: wire.SetMark) -> Fields:
        await self.services.attention.mark(request)
        return {}

    @serves(wire.ReadMail)
    async def _read_mail(self, request: wire.ReadMail) -> Fields:
        found = await self.services.broker.ask(MarkRead(OPERATOR, tuple(request.ids)))
        return {"count": found["count"]}
