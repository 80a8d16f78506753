"""Services of the handlers, and the base classes of connections that have them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from attrs import frozen

from hive.approvals.approval_queue import ApprovalQueue
from hive.attention.attention_list import AttentionList
from hive.broker.queries import MailQueries
from hive.broker.service import BrokerService
from hive.clock import Clock
from hive.config import HiveConfig
from hive.deploys.deploy_queue import DeployQueue
from hive.deploys.first_configs import FirstConfigs
from hive.deploys.input_updates import InputUpdates
from hive.deploys.proposals import Proposals
from hive.event_log import EventLog
from hive.gateway.connection import Connection
from hive.gateway.dispatch import Fields
from hive.gateway.reading import GatewayContext
from hive.names import OPERATOR
from hive.participants.adoptions import Adoptions
from hive.participants.attachments import Attachments
from hive.participants.drains import Drains
from hive.participants.freezes import Freezes
from hive.participants.harnesses import Harnesses
from hive.participants.lifecycle import Lifecycle
from hive.participants.moves import Moves
from hive.participants.participant import Participant
from hive.participants.registry import Registry
from hive.participants.reload_plan import ReloadPlan
from hive.participants.renames import Renames
from hive.paths import Paths
from hive.schedules.schedule_requests import ScheduleRequests
from hive.schedules.schedule_service import Schedules
from hive.status.answer_watch import AnswerWatch
from hive.status.machine_logs import MachineLogs
from hive.status.overview import Overview
from hive.status.snapshot import Snapshot
from hive.store import Kind, Store
from hive.store.disk_reserve import DiskReserve
from hive.wire.enums import Capability
from hive.wire.metric_rows import FamilyRow
from hive.wire.rows import TreeRow


@frozen
class ParticipantServices:
    """The services of the handlers of a participant's socket.

    Attributes:
        host: The name of this machine, for `whoami`.
        capabilities: What the hive can carry out on this machine.
    """

    mail: MailQueries
    registry: Registry
    snapshot: Snapshot
    clock: Clock
    harnesses: Harnesses
    host: str
    proposals: Proposals
    schedules: Schedules
    capabilities: Sequence[Capability]


class ParticipantConnection(Connection):
    """Base class of connections to a participant's socket; it serves no verbs.

    Args:
        participant: The participant of the socket.
        path: The path of the socket.
        context: The objects that all connections share.
        services: The services of its handlers.
    """

    __slots__ = ("participant", "services")

    def __init__(
        self,
        participant: Participant,
        path: str,
        context: GatewayContext,
        services: ParticipantServices,
    ) -> None:
        super().__init__(participant.name, participant.record.kind, path, context)
        self.participant = participant
        self.services = services


@frozen
class HostServices:
    """The services of the handlers of host.sock.

    Attributes:
        runtime: Returns the state of the runtime, as fields of the wire.
        reload: Applies hive.toml; takes whether to change nothing, and whether to prune.
        config: Returns the configuration in force.
        present: Returns hive.toml as it is now.
        not_in_force: Returns the keys of an agent that hive.toml has otherwise, until a reload.
        shutdown: Begins the shutdown of the daemon; takes whether the agents keep running.
        stopping: Returns how far the stop of the agents is; None before it begins.
        metrics: Reads the numbers for monitoring.
        search_path: The `PATH` that agents inherit under the process runtime.
    """

    broker: BrokerService
    mail: MailQueries
    registry: Registry
    snapshot: Snapshot
    answers: AnswerWatch
    clock: Clock
    harnesses: Harnesses
    lifecycle: Lifecycle
    freezes: Freezes
    drains: Drains
    attachments: Attachments
    moves: Moves
    adoptions: Adoptions
    renames: Renames
    events: EventLog
    logs: MachineLogs
    approvals: ApprovalQueue
    proposals: Proposals
    deploys: DeployQueue
    first_configs: FirstConfigs
    schedules: Schedules
    schedule_requests: ScheduleRequests
    inputs: InputUpdates
    reload: Callable[[bool, bool], Awaitable[ReloadPlan]]
    config: Callable[[], HiveConfig]
    present: Callable[[], Awaitable[HiveConfig]]
    not_in_force: Callable[[str], Awaitable[Sequence[str]]]
    store: Store
    disk_reserve: DiskReserve
    runtime: Callable[[], Fields]
    tree: Callable[[], TreeRow]
    paths: Paths
    shutdown: Callable[[bool], None]
    stopping: Callable[[], str | None]
    metrics: Callable[[], Awaitable[Sequence[FamilyRow]]]
    overview: Overview
    attention: AttentionList
    search_path: str | None = None


class OperatorConnection(Connection):
    """Base class of connections to host.sock, whose client is the operator; it serves no verbs.

    Args:
        context: The objects that all connections share.
        services: The services of its handlers.
    """

    __slots__ = ("services",)

    is_metered: ClassVar[bool] = False

    def __init__(self, context: GatewayContext, services: HostServices) -> None:
        super().__init__(OPERATOR, Kind.OPERATOR, str(services.paths.host_socket), context)
        self.services = services
