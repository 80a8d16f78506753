"""What the operator's verbs need."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from hive.broker.queries import MailQueries
from hive.broker.service import BrokerService
from hive.clock import Clock
from hive.event_log import EventLog
from hive.gateway.connection import Connection, Served
from hive.gateway.dispatch import Fields
from hive.names import OPERATOR
from hive.participants.harness_link import Harnesses
from hive.participants.lifecycle import Lifecycle
from hive.participants.registry import Registry
from hive.paths import Paths
from hive.status.machine_logs import MachineLogs
from hive.status.snapshot import Snapshot
from hive.store import Kind, Store
from hive.wire.rows import TreeRow


@frozen
class HostServices:
    """What the operator's verbs need.

    Attributes:
        runtime: What agents run in, and how their ends are learned of.
        shutdown: Begins the daemon's orderly end; takes whether the agents keep running.
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
    """A connection to host.sock, which speaks for the operator, before it has any verb.

    Args:
        served: What all connections share.
        services: What answers are made of.
    """

    __slots__ = ("services",)

    def __init__(self, served: Served, services: HostServices) -> None:
        super().__init__(OPERATOR, Kind.OPERATOR, str(services.paths.host_socket), served)
        self.services = services
