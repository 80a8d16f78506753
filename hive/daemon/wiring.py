"""How the rooms are put together: every long-lived object of a hive, and who is given what.

Objects are made in the order in which they need each other. What a participant's socket answers
needs the lifecycle, and the lifecycle's agents open that socket; so a connection looks up what it
answers from when it is made.
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
from hive.broker.effects import Notice
from hive.broker.queries import MailQueries
from hive.broker.service import Broker, BrokerService
from hive.clock import Clock
from hive.config import HiveConfig
from hive.daemon.maintenance import Maintenance
from hive.daemon.runtimes import observer_of, runtime_state
from hive.daemon.store_actor import StoreActor, report_trouble
from hive.errors import UnavailableError
from hive.event_log import END_EVENTS, EventKind, EventLog
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
from hive.participants.harness_link import Harnesses
from hive.participants.lifecycle import Lifecycle
from hive.participants.machine_specs import Inside, spec_of
from hive.participants.notices import SystemNotices
from hive.participants.participant import Agent, LastEnd, Participant
from hive.participants.reconcile import reconcile
from hive.participants.registry import Registry
from hive.participants.usage_limits import UsageLimits
from hive.paths import Paths
from hive.status.actor_events import ActorEvents
from hive.status.machine_logs import MachineLogs
from hive.status.peer_watch import PeerWatch
from hive.status.snapshot import Snapshot
from hive.status.tree_rows import tree_row
from hive.store import Engine, Store

ROOT = "hive-c0re"
"""The root supervisor, and the name of the program."""

BROKER, AGENTS, PEERS = "broker", "agents", "peers"
"""Names under which actors are found."""


@frozen
class Externals:
    """What a hive takes from outside, so that a simulation can put its own in place."""

    paths: Paths
    runtime: Runtime
    clock: Clock
    random: Random
    engine: Engine
    inside: Inside


class Wiring:
    """All the objects of one hive, made but not started.

    Args:
        config: What exists and by which rules.
        outside: What comes from outside.
        shutdown: Begins the orderly end; takes whether the agents keep running.
    """

    def __init__(
        self, config: HiveConfig, outside: Externals, shutdown: Callable[[bool], None]
    ) -> None:
        self._config = config
        self._outside = outside
        self._requests: set[asyncio.Task[Fields]] = set()
        self.system = ActorSystem(random=outside.random, on_crash=None)
        self.store = Store(outside.paths.database, outside.engine, clock=outside.clock)
        self.events = EventLog(self.store, outside.clock)
        self.registry = Registry(self.store, outside.clock, self.events)
        report_trouble(self.store.health, self.events)
        self._make_lifecycle()
        self._make_harnesses()
        self._make_gateway(shutdown)
        self.peer_watch = PeerWatch(self.registry, observer_of(outside.clock))

    def _make_lifecycle(self) -> None:
        outside = self._outside
        limits = self._config.limits
        self.broker = BrokerService(self.store, limits, outside.clock, self._tell)
        self.mail = MailQueries(self.broker, self.store)
        self._sockets = ParticipantSockets(outside.paths, self._connection)
        specs = spec_of(outside.paths, outside.inside)
        services = AgentServices(
            self.broker, self._sockets, outside.runtime, self.registry, self.events, specs
        )
        self.lifecycle = Lifecycle(
            _Supervisors(self.system), services, self.store, outside.clock, self._config.restart
        )
        self.snapshot = Snapshot(self.registry, self.lifecycle, self.mail, outside.clock)
        self.logs = MachineLogs(self.registry, outside.runtime, specs)

    def _make_harnesses(self) -> None:
        notices = SystemNotices(self.broker, self.registry)
        self.system.events.subscribe(ActorEvents(self.registry, self.events, notices).note)
        self._accounts = UsageLimits(self.store, self._outside.clock)
        self.harnesses = Harnesses(
            registry=self.registry,
            mail=self.mail,
            accounts=self._accounts,
            store=self.store,
            events=self.events,
            notices=notices,
            clock=self._outside.clock,
        )

    def _make_gateway(self, shutdown: Callable[[bool], None]) -> None:
        self._context = GatewayContext(self.broker, self._requests, asyncio.get_running_loop())
        self._agent_services = ParticipantServices(
            self.mail,
            self.registry,
            self.snapshot,
            self._outside.clock,
            self.harnesses,
            socket.gethostname(),
        )
        self._host_services = HostServices(
            self.broker,
            self.mail,
            self.registry,
            self.snapshot,
            self._outside.clock,
            self.harnesses,
            self.lifecycle,
            self.events,
            self.logs,
            self.store,
            lambda: runtime_state(self._outside.runtime),
            lambda: tree_row(self.system.tree().children[0]),
            self._outside.paths,
            shutdown,
        )

    def _connection(self, participant: Participant, path: str) -> Connection:
        """Make the connection of who comes in through a participant's socket."""
        context, services = self._context, self._agent_services
        if participant.name == MANAGER:
            return ManagerConnection(
                participant, path, context, services, lifecycle=self.lifecycle, logs=self.logs
            )
        return AgentConnection(participant, path, context, services)

    def _host_connection(self) -> Connection:
        return HostConnection(self._context, self._host_services)

    def _gateway(self) -> OperatorSocket:
        return OperatorSocket(self._outside.paths.host_socket, self._host_connection)

    def root(self) -> SupervisorSpec:
        """Return the tree: whoever ends takes along those that started after it."""
        return SupervisorSpec(
            strategy=Strategy.REST_FOR_ONE,
            children=(
                ChildSpec(id="store", start=lambda: StoreActor(self.store, self._opened)),
                ChildSpec(id="broker", start=lambda: Broker(self.broker), name=BROKER),
                ChildSpec(id="maintenance", start=self._maintenance),
                ChildSpec(id="agents", start=self._agents, name=AGENTS),
                ChildSpec(id="peers", start=self._peers, name=PEERS),
                ChildSpec(id="gateway", start=self._gateway),
            ),
        )

    async def close(self) -> None:
        """Stop looking at peers, and wait for requests that outlived their connections."""
        await self.peer_watch.close()
        for request in self._requests:
            request.cancel()
        if self._requests:
            await asyncio.wait(self._requests)

    def _tell(self, notice: Notice) -> None:
        self.events.record_with_commit(notice.kind, notice.name, **notice.detail)

    def _maintenance(self) -> Maintenance:
        return Maintenance(
            self.store, self._config.retention, self._outside.clock, self.mail.sessions
        )

    def _agents(self) -> Supervisor:
        self.lifecycle.open_inboxes()
        return Supervisor(SupervisorSpec(children=self.lifecycle.agent_children()))

    def _peers(self) -> Supervisor:
        return Supervisor(SupervisorSpec(children=self.lifecycle.peer_children()))

    async def _opened(self) -> None:
        """Fill the roster; after a restart of the store it is there already."""
        if len(self.registry):
            return
        now = self._outside.clock.now()
        stored = {record.name: record for record in await self.store.participants()}
        records, orphans = reconcile(self._config, stored, now)
        for record in records:
            if stored.get(record.name) != record:
                await self.store.upsert_participant(record)
            self.registry.join(record)
        await self._recall_ends()
        await self._accounts.load()
        for sentence in orphans:
            self.events.record(EventKind.TROUBLE, what=sentence)

    async def _recall_ends(self) -> None:
        """Take from the diary how agents ended that an earlier daemon watched."""
        for event in await self.store.newest_by_name(END_EVENTS):
            if event.name is not None and event.name in self.registry:
                participant = self.registry.get(event.name)
                if isinstance(participant, Agent):
                    participant.ended = LastEnd.recalled(event)


@frozen
class _Supervisors:
    """Finds the two supervisors of participants by their names."""

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
