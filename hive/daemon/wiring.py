"""The wiring: construction of all long-lived objects of a hive, and of its supervision tree.

Objects are made in the order of their dependencies. One dependency is circular: connections use the
lifecycle, whose actors open the sockets that make connections. So a connection gets its services
when it is made, and the sockets get the function that makes it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from random import Random
from typing import Any

from attrs import frozen

from actors import (
    ActorSystem,
    ChildSpec,
    Ref,
    Strategy,
    Supervisor,
    SupervisorRef,
    SupervisorSpec,
)
from hive.broker.broker_actor import Broker
from hive.broker.effects import Notice
from hive.broker.queries import MailQueries
from hive.broker.service import BrokerService
from hive.clock import Clock
from hive.config import HiveConfig
from hive.daemon.runtimes import observer_of, runtime_state
from hive.daemon.store_actors import Maintenance, StoreActor, report_trouble
from hive.errors import UnavailableError
from hive.event_log import END_EVENTS, EventKind, EventLog
from hive.gateway.budget import Budgets
from hive.gateway.connection import Connection, GatewayContext
from hive.gateway.dispatch import Fields
from hive.gateway.handlers.agent import AgentConnection
from hive.gateway.handlers.host import HostConnection
from hive.gateway.handlers.manager import ManagerConnection
from hive.gateway.handlers.services import HostServices, ParticipantServices
from hive.gateway.sockets import OperatorSocket, ParticipantSockets
from hive.machines.runtime import Runtime
from hive.names import MANAGER
from hive.participants.agent_actor import AgentServices
from hive.participants.harnesses import Harnesses
from hive.participants.lifecycle import Lifecycle
from hive.participants.machine_specs import MachineDefaults, spec_of
from hive.participants.participant import Agent, LastEnd, Participant
from hive.participants.reconcile import reconcile
from hive.participants.registry import Registry
from hive.participants.supervision import Supervision
from hive.participants.system_notices import SystemNotices
from hive.participants.usage_limits import UsageLimits
from hive.paths import Paths
from hive.status.actor_events import ActorEvents
from hive.status.peer_watch import PeerWatch
from hive.status.snapshot import MachineLogs, Snapshot, tree_row
from hive.store import Engine, Store

ROOT = "hive-c0re"
"""The root supervisor, and the name of the program."""

BROKER, AGENTS, PEERS = "broker", "agents", "peers"
"""Registered names of actors."""


@frozen
class Dependencies:
    """External dependencies of a hive, which a simulation replaces."""

    paths: Paths
    runtime: Runtime
    clock: Clock
    random: Random
    engine: Engine
    machine_defaults: MachineDefaults


class Wiring:
    """All objects of one hive, constructed but not started.

    Args:
        config: The configuration.
        dependencies: The external dependencies.
        shutdown: Begins the orderly end; its argument is whether the agents keep running.
    """

    def __init__(
        self, config: HiveConfig, dependencies: Dependencies, shutdown: Callable[[bool], None]
    ) -> None:
        self._config = config
        self._dependencies = dependencies
        self._requests: set[asyncio.Task[Fields]] = set()
        self.system = ActorSystem(random=dependencies.random, on_crash=None)
        self.store = Store(
            dependencies.paths.database, dependencies.engine, clock=dependencies.clock
        )
        self.events = EventLog(self.store, dependencies.clock)
        self.registry = Registry(self.store, dependencies.clock, self.events)
        report_trouble(self.store.health, self.events)
        self._make_lifecycle()
        self._make_harnesses()
        self._make_gateway(shutdown)
        self.peer_watch = PeerWatch(self.registry, observer_of(dependencies.clock))

    def _make_lifecycle(self) -> None:
        dependencies = self._dependencies
        limits = self._config.limits
        self.broker = BrokerService(self.store, limits, dependencies.clock, self._record)
        self.mail = MailQueries(self.broker, self.store)
        self._sockets = ParticipantSockets(
            dependencies.paths,
            self._connection,
            self.registry.changed,
            connections=limits.connections,
        )
        specs = spec_of(dependencies.paths, dependencies.machine_defaults)
        services = AgentServices(
            self.broker, self._sockets, dependencies.runtime, self.registry, self.events, specs
        )
        supervisors = _Supervisors(self.system)
        self.supervision = Supervision(supervisors, services, self._config.restart)
        self.lifecycle = Lifecycle(self.supervision, services, self.store, dependencies.clock)
        self.snapshot = Snapshot(self.registry, self.supervision, self.mail, dependencies.clock)
        self.logs = MachineLogs(self.registry, dependencies.runtime, specs)

    def _make_harnesses(self) -> None:
        notices = SystemNotices(self.broker, self.registry)
        self.system.events.subscribe(ActorEvents(self.registry, self.events, notices).record)
        self._usage_limits = UsageLimits(self.store, self._dependencies.clock)
        self.harnesses = Harnesses(
            registry=self.registry,
            mail=self.mail,
            usage_limits=self._usage_limits,
            store=self.store,
            events=self.events,
            notices=notices,
            clock=self._dependencies.clock,
        )

    def _make_gateway(self, shutdown: Callable[[bool], None]) -> None:
        loop = asyncio.get_running_loop()
        self.budgets = Budgets(loop)
        self._context = GatewayContext(self.broker, self._requests, loop, self.budgets)
        self._agent_services = ParticipantServices(
            self.mail,
            self.registry,
            self.snapshot,
            self._dependencies.clock,
            self.harnesses,
            socket.gethostname(),
        )
        self._host_services = HostServices(
            self.broker,
            self.mail,
            self.registry,
            self.snapshot,
            self._dependencies.clock,
            self.harnesses,
            self.lifecycle,
            self.events,
            self.logs,
            self.store,
            lambda: runtime_state(self._dependencies.runtime),
            lambda: tree_row(self.system.tree().children[0]),
            self._dependencies.paths,
            shutdown,
        )

    def _connection(self, participant: Participant, path: str) -> Connection:
        """Make the object of a new connection to a participant's socket."""
        context, services = self._context, self._agent_services
        if participant.name == MANAGER:
            return ManagerConnection(
                participant, path, context, services, lifecycle=self.lifecycle, logs=self.logs
            )
        return AgentConnection(participant, path, context, services)

    def _host_connection(self) -> Connection:
        return HostConnection(self._context, self._host_services)

    def _gateway(self) -> OperatorSocket:
        return OperatorSocket(self._dependencies.paths, self._host_connection)

    def root(self) -> SupervisorSpec:
        """Return the root of the tree: the end of a child also ends those that started after it."""
        return SupervisorSpec(
            strategy=Strategy.REST_FOR_ONE,
            children=(
                ChildSpec(id="store", start=lambda: StoreActor(self.store, self._opened)),
                ChildSpec(id="broker", start=self._broker_actor, name=BROKER),
                ChildSpec(id="maintenance", start=self._maintenance),
                ChildSpec(id="agents", start=self._agents, name=AGENTS),
                ChildSpec(id="peers", start=self._peers, name=PEERS),
                ChildSpec(id="gateway", start=self._gateway),
            ),
        )

    async def close(self) -> None:
        """Stop the peer watch, and cancel requests that outlived their connections."""
        await self.peer_watch.close()
        for request in self._requests:
            request.cancel()
        if self._requests:
            await asyncio.wait(self._requests)

    def _record(self, notice: Notice) -> None:
        self.events.record_with_commit(notice.kind, notice.name, **notice.detail)

    def _broker_actor(self) -> Broker:
        return Broker(self.broker, lambda: [each.record for each in self.registry])

    def _maintenance(self) -> Maintenance:
        return Maintenance(
            self.store, self._config.retention, self._dependencies.clock, self.mail.sessions
        )

    def _agents(self) -> Supervisor:
        return Supervisor(SupervisorSpec(children=self.supervision.agent_children()))

    def _peers(self) -> Supervisor:
        return Supervisor(SupervisorSpec(children=self.supervision.peer_children()))

    async def _opened(self) -> None:
        """Fill the registry, unless this is a restart of the store."""
        if len(self.registry):
            return
        now = self._dependencies.clock.now()
        stored = {record.name: record for record in await self.store.participants()}
        records, orphans = reconcile(self._config, stored, now)
        for record in records:
            if stored.get(record.name) != record:
                await self.store.upsert_participant(record)
            self.registry.join(record)
        await self._restore_exits()
        await self._usage_limits.load()
        for sentence in orphans:
            self.events.record(EventKind.TROUBLE, what=sentence)

    async def _restore_exits(self) -> None:
        """Restore the last exits of agents under earlier daemons from the event log."""
        for event in await self.store.newest_by_name(END_EVENTS):
            if event.name is not None and event.name in self.registry:
                participant = self.registry.get(event.name)
                if isinstance(participant, Agent):
                    participant.ended = LastEnd.from_event(event)


@frozen
class _Supervisors:
    """Finds the two supervisors of participants by their registered names."""

    system: ActorSystem

    @property
    def agents(self) -> SupervisorRef:
        """The supervisor of the agents."""
        return SupervisorRef(_find(self.system, AGENTS))

    @property
    def peers(self) -> SupervisorRef:
        """The supervisor of the peers."""
        return SupervisorRef(_find(self.system, PEERS))


def _find(system: ActorSystem, name: str) -> Ref[Any]:
    ref = system.whereis(name)
    if ref is None:
        raise UnavailableError("the hive is just starting or stopping; try again")
    return ref
