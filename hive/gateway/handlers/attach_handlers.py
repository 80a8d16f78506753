"""Handlers of host.sock that lead an operator into an agent: its conversation, or a shell."""

from __future__ import annotations

import asyncio

from hive.errors import HiveError
from hive.gateway.dispatch import Fields, Push, Stream, serves
from hive.gateway.handlers.operator_audit import record
from hive.gateway.handlers.services import OperatorConnection
from hive.gateway.streams import while_member
from hive.machines.entrance import Entrance
from hive.participants.attachments import no_conversation
from hive.participants.participant import Agent
from hive.wire.attach import Attach, EntranceRow, OpenShell


class AttachHandlers(OperatorConnection):
    """The verbs with which an operator enters an agent."""

    __slots__ = ()

    @serves(Attach)
    def _attach(self, request: Attach) -> Stream:
        return Stream(lambda push: self._attached(request, push))

    async def _attached(self, request: Attach, push: Push) -> None:
        attachments = self.services.attachments
        try:
            agent, entrance = attachments.enter_conversation(request.name)
        except HiveError as error:
            await record(self, request, done=False, reason=str(error))
            raise

        async def run(push: Push) -> None:
            with attachments.attached(agent, self.origin):
                await record(self, request, done=True)
                async for work in attachments.until_free(agent, now=request.now):
                    await push({"waiting": work})
                session = attachments.session_of(agent)
                if session is None:
                    raise no_conversation(agent)
                await push({"entrance": self._entrance_row(agent, entrance, session)})
                await asyncio.Event().wait()  # the end of the connection cancels it

        await while_member(self.services.registry, agent, Stream(run)).run(push)

    @serves(OpenShell)
    async def _open_shell(self, request: OpenShell) -> Fields:
        agent, entrance = self.services.attachments.enter(request.name)
        self.services.attachments.record_shell(agent, self.origin)
        return {"entrance": self._entrance_row(agent, entrance, None)}

    def _entrance_row(self, agent: Agent, entrance: Entrance, session: str | None) -> EntranceRow:
        return EntranceRow(
            runtime=self.services.attachments.runtime,
            directory=entrance.directory,
            machine=entrance.machine,
            pid=agent.running.pid if agent.running is not None else None,
            variables=dict(entrance.variables),
            program=list(entrance.program) or None,
            session=session,
        )
