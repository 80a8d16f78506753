"""The wiring: construction of all long-lived objects of a hive, and of its supervision tree.

Objects are made in the order of their dependencies. One dependency is circular: connections use the
lifecycle, whose actors open the sockets that make connections. So a connection gets its services
when it is made, and the sockets get the function that makes it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from actors import (
    ActorSystem,
    ChildSpec,
    Strategy,
    Supervisor,
    SupervisorSpec,
)
from hive.approvals.approval_queue import ApprovalQueue
from hive.attention.attention_list import AttentionList, AttentionSources
from hive.attention.marks import Marks
from hive.attention.notice_commands import NoticeCommands
from hive.attention.notices_actor import NoticesActor, NoticeServices
from hive.broker.broker_actor import Broker
from hive.broker.effects import Notice
from hive.broker.queries import MailQueries
from hive.broker.service import BrokerService
from hive.config import HiveConfig, NoticesConfig, RuntimeName
from hive.config.existence import LocalLookup
from hive.daemon.build_programs import capabilities_of, meta_flake_of
from hive.daemon.changes_actor import ChangesActor
from hive.daemon.dependencies import Dependencies
from hive.daemon.exports import telemetry_of
from hive.daemon.live_settings import LiveSettings, shortage_of, starts_of
from hive.daemon.pressure_watch import PressureWatch
from hive.daemon.registered_supervisors import AGENTS, PEERS, RegisteredSupervisors
from hive.daemon.reloading import Reloader, ReloadServices
from hive.daemon.runtimes import container_reader_of, observer_of, runtime_state
from hive.daemon.store_actors import Maintenance, StoreActor, report_shortage, report_trouble
from hive.deploys.approval_mail import ApprovalMail
from hive.deploys.approval_tags import ApprovalTags
from hive.deploys.carriers import DeployServices
from hive.deploys.deploy_logs import DeployLogs
from hive.deploys.deploy_queue import DeployQueue
from hive.deploys.first_configs import FirstConfigs
from hive.deploys.input_updates import InputUpdates
from hive.deploys.proposals import Proposals
from hive.event_log import END_EVENTS, EventKind, EventLog
from hive.flakes.flake_check import FlakeCheck
from hive.gateway.budget import Budgets
from hive.gateway.connection import Connection
from hive.gateway.dispatch import Fields
from hive.gateway.handlers.agent import AgentConnection
from hive.gateway.handlers.host import HostConnection
from hive.gateway.handlers.manager import ManagerConnection
from hive.gateway.handlers.manager_asks import ManagerServices
from hive.gateway.handlers.services import HostServices, ParticipantServices
from hive.gateway.reading import GatewayContext
from hive.gateway.sockets import OperatorSocket, ParticipantSockets
from hive.git.repositories import Repositories
from hive.machines.pressure import PressureGate, limits_of
from hive.metrics.metrics_source import MetricsParts, MetricsSource
from hive.names import MANAGER
from hive.participants.adoptions import Adoptions
from hive.participants.agent_actor import AgentServices
from hive.participants.attachments import Attachments
from hive.participants.drains import Drains
from hive.participants.freeze_rules import joining
from hive.participants.freezes import Freezes
from hive.participants.harnesses import Harnesses
from hive.participants.lifecycle import Lifecycle
from hive.participants.machine_gate import MachineGate
from hive.participants.machine_specs import spec_of
from hive.participants.moves import Moves, MoveServices
from hive.participants.orderly_stop import OrderlyStop
from hive.participants.participant import Agent, LastEnd, Participant
from hive.participants.reconcile import conflict_of, reconcile
from hive.participants.registry import Registry
from hive.participants.release_requests import ReleaseRequests
from hive.participants.renames import Renames
from hive.participants.start_checks import StartChecks
from hive.participants.start_slots import StartSlots
from hive.participants.supervision import Supervision
from hive.participants.system_notices import SystemNotices
from hive.participants.usage_limits import UsageLimits
from hive.participants.verdict_watch import VerdictWatch
from hive.schedules.schedule_requests import ScheduleRequests
from hive.schedules.schedule_service import Schedules
from hive.schedules.schedules_actor import SchedulesActor
from hive.status.actor_events import ActorEvents
from hive.status.answer_watch import AnswerWatch
from hive.status.day_usage import DayUsage
from hive.status.machine_logs import MachineLogs
from hive.status.overview import Overview, OverviewParts
from hive.status.peer_watch import PeerWatch
from hive.status.resource_samples import ResourceSamples, reader_of
from hive.status.row_facts import RowSources
from hive.status.snapshot import Snapshot, tree_row
from hive.store import Store
from hive.store.approvals import ApprovalKind
from hive.store.disk_reserve import DiskReserve
from hive.store.usage import turns_ended_since
from hive.wire.rows import TreeRow

ROOT = "hive-c0re"
"""The root supervisor, and the name of the program."""

LAST_ANSWERS = 1.0
"""Seconds for the answers of requests under way once all agents have ended."""

BROKER = "broker"
"""Registered name of the broker's actor."""

CHANGES = "changes"
"""The child of the root that carries out deploys."""


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
        self.disk_reserve = DiskReserve(self.store, config.limits.disk_reserve)
        report_trouble(self.store.health, self.events)
        report_shortage(self.disk_reserve, self.events)
        loop = asyncio.get_running_loop()
        self.budgets = Budgets(loop, config.limits.requests)
        self._make_lifecycle()
        self._make_harnesses()
        self.disk_reserve.subscribe(self.budgets.set_shortage)
        self._make_changes()
        self._make_attention()
        self._make_metrics()
        self.overview = self._make_overview()
        self._make_gateway(loop, shutdown)
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
        self.gate = self._make_gate()
        specs = spec_of(dependencies.paths, dependencies.machine_defaults)
        services = self.agent_services = AgentServices(
            self.broker,
            self._sockets,
            dependencies.runtime,
            self.registry,
            self.events,
            specs,
            self.gate,
            StartChecks(
                self.gate,
                dependencies.runtime.name,
                LocalLookup(dependencies.search_path),
                self.registry,
            ),
        )
        supervisors = RegisteredSupervisors(self.system)
        self.supervision = Supervision(supervisors, services, self._config.restart)
        self.lifecycle = Lifecycle(
            self.supervision,
            services,
            self.store,
            dependencies.clock,
            dependencies.paths,
            has_manager=lambda: self.reloader.config.manager is not None,
        )
        self.freezes = Freezes(services, dependencies.clock)
        self.orderly_stop = OrderlyStop(self.registry, self.supervision, dependencies.runtime)
        self.marks = Marks(self.store, dependencies.clock)
        self.snapshot = Snapshot(
            self.registry,
            self.supervision,
            self.mail,
            dependencies.clock,
            self.budgets.last_request,
            sources=self._row_sources(),
            conflict_of=lambda record: conflict_of(self.reloader.latest, record),
            marks_of=self.marks.of_participant,
            web_url=lambda: self.reloader.config.web.url,
        )
        self.answers = AnswerWatch(self.store, self.mail, self.registry, self.snapshot)
        self.logs = MachineLogs(self.registry, dependencies.runtime, specs)

    def _row_sources(self) -> RowSources:
        dependencies = self._dependencies
        self.day_usage = DayUsage(dependencies.clock.now)
        self.samples = ResourceSamples(
            reader_of(dependencies.runtime, self.registry), dependencies.clock
        )
        return RowSources(self.mail, lambda: self.approvals.pending, self.day_usage, self.samples)

    def _make_gate(self) -> MachineGate:
        machine, disks = self._config.machine, self._dependencies.disks
        pressure = PressureGate(limits_of(machine), machine.pressure_wait)
        slots = StartSlots(self.registry, starts_of(machine))
        return MachineGate(pressure, shortage_of(machine, disks), self.registry, self.events, slots)

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
            turns_held=lambda: self.gate.turns_held,
        )
        self.verdicts = VerdictWatch(
            self.registry,
            self.events,
            self._dependencies.clock,
            sent=self.mail.sent,
            stalled_after=lambda: self.reloader.config.limits.stalled_after,
        )
        for listener in (self.day_usage.add, self.verdicts.on_turn):
            self.harnesses.on_turn(listener)

    def _make_changes(self) -> None:
        """Make what changes the shape of agents: proposals, approvals and deploys."""
        clock = self._dependencies.clock
        repositories = Repositories(self._dependencies.git, self._dependencies.paths)
        tags = ApprovalTags(repositories)
        mail = ApprovalMail(self.broker, self.registry, tags)
        self.approvals = ApprovalQueue(self.store, self.events, mail, clock)
        meta = meta_flake_of(self._config, self._dependencies)
        self.proposals = Proposals(
            repositories,
            self.approvals,
            self.registry,
            clock,
            lambda: self.reloader.config,
            programs=self._programs(),
            meta=meta,
            flake_check=None if meta is None else FlakeCheck(meta.nix, meta.check_directory),
        )
        self.deploys = DeployQueue(
            DeployServices(
                repositories,
                self.proposals,
                self.lifecycle,
                self.registry,
                self.store,
                self.events,
                clock,
                DeployLogs(self._dependencies.paths.deploys_dir, clock),
                tags,
                meta,
            )
        )
        self.reloader: Reloader = Reloader(
            self._config,
            self._dependencies.read_config,
            ReloadServices(
                self.store,
                self.registry,
                self.lifecycle,
                self.supervision,
                self.broker,
                self.events,
                clock,
                self._live_settings(),
                self.agent_services.checks,
            ),
        )
        for kind in (ApprovalKind.SPAWN, ApprovalKind.APPLY_COMMIT):
            self.approvals.register(kind, self.deploys.carry_out)
        self.first_configs = FirstConfigs(repositories, self.approvals, self.registry, clock)
        self.approvals.register(ApprovalKind.INIT_CONFIG, self.first_configs.carry_out)
        self._make_schedules()
        self.inputs = InputUpdates(meta, self.approvals, self.deploys, self.registry, clock)
        self.approvals.register(ApprovalKind.UPDATE_INPUTS, self.inputs.carry_out)
        self._make_moves()

    def _make_schedules(self) -> None:
        """Make what sends messages again and again."""
        clock = self._dependencies.clock
        self.schedules = Schedules(self.store, self.broker, self.events, clock)
        self.schedule_requests = ScheduleRequests(
            self.schedules, self.approvals, self.registry, clock
        )
        self.approvals.register(ApprovalKind.SCHEDULE, self.schedule_requests.carry_out)

    def _make_moves(self) -> None:
        """Make what moves participants between kinds and names."""
        dependencies, config = self._dependencies, self._config
        services = MoveServices(
            self.supervision,
            self.agent_services,
            self.store,
            dependencies.clock,
            self.reloader.present,
        )
        self.moves = Moves(services)
        reader = container_reader_of(config)
        self.adoptions = Adoptions(services, self.moves, self.approvals, reader)
        self.release_requests = ReleaseRequests(
            self.moves, self.approvals, self.registry, dependencies.clock
        )
        renamed = (self.approvals.rename, self.schedules.rename, self.marks.rename)
        self.renames = Renames(services, self.lifecycle, dependencies.paths, renamed)
        self.approvals.register(ApprovalKind.ADOPT, self.adoptions.carry_out)
        self.approvals.register(ApprovalKind.RELEASE, self.release_requests.carry_out)

    def _programs(self) -> LocalLookup | None:
        """Return what looks for the programs of agents; None where they are in containers."""
        dependencies = self._dependencies
        if dependencies.runtime.name != RuntimeName.PROCESS:
            return None
        return LocalLookup(dependencies.search_path)

    def _live_settings(self) -> LiveSettings:
        return LiveSettings(
            self.broker,
            self.budgets,
            self._sockets,
            self.disk_reserve,
            self.supervision,
            self.gate,
            self._dependencies.disks,
        )

    def _make_attention(self) -> None:
        """Make what knows what needs the operator."""
        clock = self._dependencies.clock
        sources = AttentionSources(
            self.mail, self.approvals, self.registry, self.snapshot, self.store, self.marks, clock
        )
        self.attention = AttentionList(sources)
        self.events.subscribe(self.attention.note_event)
        self._notice_services = NoticeServices(
            sources, self.attention, self.harnesses, NoticeCommands(self.events), self._notices
        )

    def _make_metrics(self) -> None:
        self.metrics = MetricsSource(
            MetricsParts(
                self.registry,
                self.supervision,
                self.mail,
                self.budgets,
                self.approvals,
                self._usage_limits,
                self.store,
                self.disk_reserve,
                self._dependencies.clock,
                lambda: self.orderly_stop.progress,
                lambda: self.gate.turns_held,
            )
        )
        self.events.subscribe(self.metrics.events.count)
        self.harnesses.on_turn(self.metrics.turns.add)
        self.telemetry = telemetry_of(
            self._config.otel, self.metrics, self.store, self._dependencies.clock
        )
        if self.telemetry is not None:
            self.harnesses.on_turn(self.telemetry.add_turn)

    def _make_overview(self) -> Overview:
        return Overview(
            OverviewParts(
                self.snapshot,
                self.mail,
                self.harnesses,
                self.store,
                self.disk_reserve,
                self._dependencies.clock,
                lambda: self.orderly_stop.progress,
                socket.gethostname(),
                self._dependencies.config_file,
                lambda: self.reloader.config.name,
            )
        )

    def _make_gateway(
        self, loop: asyncio.AbstractEventLoop, shutdown: Callable[[bool], None]
    ) -> None:
        self._context = GatewayContext(self.broker, self._requests, loop, self.budgets)
        self._agent_services = ParticipantServices(
            mail=self.mail,
            registry=self.registry,
            snapshot=self.snapshot,
            clock=self._dependencies.clock,
            harnesses=self.harnesses,
            host=socket.gethostname(),
            proposals=self.proposals,
            schedules=self.schedules,
            capabilities=capabilities_of(self._config, self._dependencies),
        )
        self._manager_services = ManagerServices(
            lifecycle=self.lifecycle,
            logs=self.logs,
            first_configs=self.first_configs,
            schedule_requests=self.schedule_requests,
            adoptions=self.adoptions,
            release_requests=self.release_requests,
            inputs=self.inputs,
            not_in_force=self.reloader.not_in_force,
        )
        self._host_services = HostServices(
            broker=self.broker,
            mail=self.mail,
            registry=self.registry,
            snapshot=self.snapshot,
            answers=self.answers,
            clock=self._dependencies.clock,
            harnesses=self.harnesses,
            lifecycle=self.lifecycle,
            freezes=self.freezes,
            drains=Drains(self.lifecycle, self.mail),
            attachments=Attachments(
                self.agent_services, self.harnesses, self.mail, self._dependencies.clock
            ),
            moves=self.moves,
            adoptions=self.adoptions,
            renames=self.renames,
            events=self.events,
            logs=self.logs,
            approvals=self.approvals,
            proposals=self.proposals,
            deploys=self.deploys,
            first_configs=self.first_configs,
            schedules=self.schedules,
            schedule_requests=self.schedule_requests,
            inputs=self.inputs,
            reload=lambda dry_run, prune: self.reloader.reload(dry_run=dry_run, prune=prune),
            config=lambda: self.reloader.config,
            present=self.reloader.present,
            not_in_force=self.reloader.not_in_force,
            store=self.store,
            disk_reserve=self.disk_reserve,
            runtime=lambda: runtime_state(self._dependencies.runtime),
            tree=self._tree,
            paths=self._dependencies.paths,
            shutdown=shutdown,
            stopping=lambda: self.orderly_stop.progress,
            metrics=self.metrics.read,
            overview=self.overview,
            attention=self.attention,
            search_path=self._dependencies.search_path,
        )

    def _connection(self, participant: Participant, path: str) -> Connection:
        """Make the object of a new connection to a participant's socket."""
        context, services = self._context, self._agent_services
        if participant.name == MANAGER:
            return ManagerConnection(participant, path, context, services, self._manager_services)
        return AgentConnection(participant, path, context, services)

    def _host_connection(self) -> Connection:
        return HostConnection(self._context, self._host_services)

    def _changes(self) -> ChangesActor:
        return ChangesActor(self.approvals, self.proposals, self.deploys, self.inputs)

    def _notices(self) -> NoticesConfig:
        return self.reloader.config.notices

    def _gateway(self) -> OperatorSocket:
        return OperatorSocket(
            self._dependencies.paths, self._host_connection, self._dependencies.relock
        )

    def root(self) -> SupervisorSpec:
        """Return the root of the tree: the end of a child also ends those that started after it."""
        return SupervisorSpec(
            strategy=Strategy.REST_FOR_ONE,
            children=(
                ChildSpec(id="store", start=lambda: StoreActor(self.store, self._opened)),
                ChildSpec(id="broker", start=self._broker_actor, name=BROKER),
                ChildSpec(id="maintenance", start=self._maintenance),
                ChildSpec(id="pressure", start=self._pressure_watch),
                ChildSpec(id="agents", start=self._agents, name=AGENTS),
                ChildSpec(id="peers", start=self._peers, name=PEERS),
                ChildSpec(
                    id="schedules", start=lambda: SchedulesActor(self.schedules, self.registry)
                ),
                ChildSpec(id=CHANGES, start=self._changes),
                ChildSpec(id="gateway", start=self._gateway),
                ChildSpec(id="notices", start=lambda: NoticesActor(self._notice_services)),
            ),
        )

    async def stop_agents(self) -> None:
        """Stop all agents at once, while host.sock and their sockets still answer.

        Requests that waited for the same ends, such as `kill`, are answered before it returns.
        """
        stop = self.orderly_stop
        self.gate.slots.close()
        self.budgets.refuse_changes(stop.refusal)
        await stop.run()
        if self._requests:
            await asyncio.wait(self._requests, timeout=LAST_ANSWERS)

    async def close(self) -> None:
        """Stop the peer watch, and cancel requests that outlived their connections."""
        await self.peer_watch.close()
        self.verdicts.close()
        self.samples.close()
        if self.telemetry is not None:
            await self.telemetry.close()
        self.disk_reserve.close()
        for request in self._requests:
            request.cancel()
        if self._requests:
            await asyncio.wait(self._requests)

    def _tree(self) -> TreeRow:
        queued = {
            f"{ROOT}/{AGENTS}/{each.name}" for each in self.registry.agents if each.queued_for
        }
        return tree_row(self.system.tree().children[0], queued)

    def _record(self, notice: Notice) -> None:
        self.events.record_with_commit(notice.kind, notice.name, **notice.detail)

    def _broker_actor(self) -> Broker:
        return Broker(self.broker, lambda: [each.record for each in self.registry])

    def _maintenance(self) -> Maintenance:
        return Maintenance(
            self.store,
            lambda: self.reloader.config.retention,
            self._dependencies.clock,
            self.mail.sessions,
            self.deploys.keep_logs,
        )

    def _pressure_watch(self) -> PressureWatch:
        return PressureWatch(self.gate, self._dependencies.read_pressures)

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
        new = [
            each if each.name in stored else joining(each, stored.values(), now) for each in records
        ]
        changed = [each for each in new if stored.get(each.name) != each]
        await asyncio.gather(*map(self.store.upsert_participant, changed))  # in one transaction
        for record in new:
            self.registry.join(record)
        await self.renames.finish()
        await self._restore_exits()
        await self._usage_limits.load()
        self.day_usage.load(await self.store.read(turns_ended_since(self.day_usage.day.begin)))
        await self.attention.load()
        for sentence in orphans:
            self.events.record(EventKind.TROUBLE, what=sentence)

    async def _restore_exits(self) -> None:
        """Restore the last exits of agents under earlier daemons from the event log."""
        for event in await self.store.newest_by_name(END_EVENTS):
            if event.name is not None and event.name in self.registry:
                participant = self.registry.get(event.name)
                if isinstance(participant, Agent):
                    participant.ended = LastEnd.from_event(event)
