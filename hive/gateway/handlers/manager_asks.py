"""Handlers of the manager's socket that submit something to the operator, besides commits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from attrs import frozen

from hive.approvals.terms import Terms
from hive.deploys.first_configs import FirstConfigs
from hive.deploys.input_updates import InputUpdates
from hive.gateway.dispatch import Fields, serves
from hive.gateway.handlers.agent import AgentConnection
from hive.gateway.handlers.services import ParticipantServices
from hive.gateway.reading import GatewayContext
from hive.participants.adoptions import Adoptions, AdoptionWish
from hive.participants.lifecycle import Lifecycle
from hive.participants.manifest_proposal import AgentProgram
from hive.participants.participant import Participant
from hive.participants.release_requests import ReleaseRequests
from hive.schedules.schedule_requests import ScheduleRequests
from hive.schedules.schedule_service import ScheduleWish
from hive.status.machine_logs import MachineLogs
from hive.store.approvals import Approval
from hive.wire import operator_asks as wire


@frozen
class ManagerServices:
    """The services of the handlers that only the manager's socket has.

    Attributes:
        not_in_force: Returns the keys of an agent that hive.toml has otherwise, until a reload.
    """

    lifecycle: Lifecycle
    logs: MachineLogs
    first_configs: FirstConfigs
    schedule_requests: ScheduleRequests
    adoptions: Adoptions
    release_requests: ReleaseRequests
    inputs: InputUpdates
    not_in_force: Callable[[str], Awaitable[Sequence[str]]]


class ManagerAskHandlers(AgentConnection):
    """The verbs of the manager that wait for the operator.

    Args:
        participant: The manager.
        path: The path of the socket.
        context: The objects that all connections share.
        services: The services of an agent's handlers.
        control: The services that only the manager's have.
    """

    __slots__ = ("control",)

    def __init__(
        self,
        participant: Participant,
        path: str,
        context: GatewayContext,
        services: ParticipantServices,
        control: ManagerServices,
    ) -> None:
        super().__init__(participant, path, context, services)
        self.control = control

    @serves(wire.RequestInitConfig)
    async def _request_init_config(self, request: wire.RequestInitConfig) -> Fields:
        terms = self._terms(request)
        return _number(await self.control.first_configs.ask(request.name, request.template, terms))

    @serves(wire.RequestSchedule)
    async def _request_schedule(self, request: wire.RequestSchedule) -> Fields:
        wish = ScheduleWish(
            request.to,
            request.when,
            request.timezone,
            request.body,
            self.participant.name,
            request.description,
        )
        return _number(await self.control.schedule_requests.ask(wish, self._terms(request)))

    @serves(wire.RequestAdopt)
    async def _request_adopt(self, request: wire.RequestAdopt) -> Fields:
        wish = AdoptionWish(
            name=request.name,
            text=request.manifest,
            program=AgentProgram(request.driver, tuple(request.run or ())),
            stop=request.stop,
            terms=self._terms(request),
        )
        return _number(await self.control.adoptions.propose(wish))

    @serves(wire.RequestRelease)
    async def _request_release(self, request: wire.RequestRelease) -> Fields:
        return _number(await self.control.release_requests.ask(request.name, self._terms(request)))

    @serves(wire.RequestUpdateInputs)
    async def _request_update_inputs(self, request: wire.RequestUpdateInputs) -> Fields:
        return _number(await self.control.inputs.submit(request.inputs, self._terms(request)))

    def _terms(self, request: wire.AskOperator) -> Terms:
        return Terms(
            self.participant.name,
            request.description,
            request.ttl_seconds,
            request.on_expiry,
            self.origin,
        )


def _number(approval: Approval) -> Fields:
    return {"approval": approval.id}
