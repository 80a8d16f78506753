"""Services of the handlers, and the base classes of connections that have them."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from hive.broker.queries import MailQueries
from hive.broker.service import BrokerService
from hive.clock import Clock
from hive.event_log import EventLog
from hive.gateway.connection import Connection, GatewayContext
from hive.gateway.dispatch import Fields
from hive.names import OPERATOR
from hive.participants.harnesses import Harnesses
from hive.participants.lifecycle import Lifecycle
from hive.participants.participant import Participant
from hive.participants.registry import Registry
from hive.paths import Paths
from hive.status.snapshot import MachineLogs, Snapshot
from hive.store import Kind, Store
from hive.wire.rows import TreeRow


@frozen
class ParticipantServices:
    """The services of the handlers of a participant's socket.

    Attributes:
        host: The name of this machine, for `whoami`.
    """

    mail: MailQueries
    registry: Registry
    snapshot: Snapshot
    clock: Clock
    harnesses: Harnesses
    host: str


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
        shutdown: Begins the shutdown of the daemon; takes whether the agents keep running.
    """

    broker: BrokerService
    mail: MailQueries
    registry: Registry
    snapshot: Snapshot
    clock: Clock
    harnesses: Harnesses
    lifecycle: Lifecycle
    events: EventLog
    logs: MachineLogs
    store: Store
    runtime: Callable[[], Fields]
    tree: Callable[[], TreeRow]
    paths: Paths
    shutdown: Callable[[bool], None]


class OperatorConnection(Connection):
    """Base class of connections to host.sock, whose client is the operator; it serves no verbs.

    Args:
        context: The objects that all connections share.
        services: The services of its handlers.
    """

    __slots__ = ("services",)

    def __init__(self, context: GatewayContext, services: HostServices) -> None:
        super().__init__(OPERATOR, Kind.OPERATOR, str(services.paths.host_socket), context)
        self.services = services
