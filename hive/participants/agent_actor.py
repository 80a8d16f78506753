"""The actor of an agent; its life is its container's life.

Starting the actor adopts the running container or starts one. The container's end arrives as a
message and becomes the actor's exit, and the supervisor applies its ordinary restart rules. When
the actor ends for any other reason, `Agent.on_exit` says what happens to the container; by
default it is left running, so that a fault in this daemon never ends a container.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from attrs import evolve, frozen

from actors import Crashed, ExitReason, Normal
from hive.broker.service import BrokerService
from hive.errors import HiveError
from hive.event_log import EventKind, EventLog
from hive.exits import Ended, Rebooted, is_clean
from hive.machines.runtime import MachineSpec, Running, Runtime
from hive.participants.actor import ParticipantActor, Sockets
from hive.participants.group_membership import join_groups
from hive.participants.machine_gate import MachineGate
from hive.participants.participant import Agent, LastEnd, OnExit, RebootLimit, settings_of_json
from hive.participants.registry import Registry
from hive.participants.start_checks import MachineEndedError, StartChecks, failure_of
from hive.participants.unwatched_ends import report_unwatched_end


@frozen
class MachineEnded:
    """The run of a machine that `watch` identifies has ended."""

    watch: object
    ended: Ended


@frozen
class AgentServices:
    """The objects of the hive that an agent's actor uses."""

    broker: BrokerService
    sockets: Sockets
    runtime: Runtime
    registry: Registry
    events: EventLog
    spec_of: Callable[[Agent], MachineSpec]
    gate: MachineGate
    checks: StartChecks

    async def freeze_again(self, agent: Agent) -> None:
        """Freeze an agent that runs although it is frozen: it was starting, or was adopted.

        A failure is recorded, and the agent runs.
        """
        for name, error in (await self.runtime.freeze([agent.name])).items():
            self.events.record(EventKind.TROUBLE, name, what=f"it is not frozen: {error}")


class AgentActor(ParticipantActor[MachineEnded]):
    """Owns one container for as long as it lives.

    Args:
        participant: The state that this actor maintains.
        services: The objects of the hive that it uses.
        reboots: How often its container may reboot.
    """

    def __init__(self, participant: Agent, services: AgentServices, reboots: RebootLimit) -> None:
        super().__init__(participant, services.broker, services.sockets, services.registry)
        self._agent = participant
        self._services = services
        self._reboots = reboots
        self._watch: object | None = object()

    def on_start(self) -> None:
        """Begin to come up; until a stop is requested, the container is left running on exit."""
        self._agent.on_exit = OnExit.KEEP
        if self._agent.restart_is_due:
            self._agent.restart_is_due = False
            self._services.registry.save_soon(self._agent, restarts=self._agent.record.restarts + 1)
        super().on_start()

    def receive(self, message: MachineEnded) -> None:
        """Exit as the container did, or start it again after a reboot from inside.

        A reboot is not an end: systemd-nspawn leaves its second half, the start, to the supervisor
        (systemd-nspawn(1): "exit code 133 ... to request a reboot"). It happens at once and counts
        as no restart, up to the limit of reboots.
        """
        ended = message.ended
        if message.watch is not self._watch:
            return
        if not isinstance(ended.how, Rebooted):
            self._exit(LastEnd.of(ended), self._exit_reason(ended))
        elif self._agent.reboots.record(asyncio.get_running_loop().time(), self._reboots):
            self._agent.record_restart(ended.at, str(ended))
            self._start_again()
        else:
            reason = f"{ended} {self._reboots}"
            end = evolve(LastEnd.of(ended), reason=reason)
            self._exit(end, Crashed(MachineEndedError(reason)))

    async def _come_up(self) -> None:
        await self._services.gate.opened()
        await super()._come_up()
        try:
            running = await self._adopt_or_start()
        except HiveError as error:
            self._record_start_error(str(error))
            raise
        self._record_running(running)
        if self._agent.is_frozen:
            await self._services.freeze_again(self._agent)

    async def _adopt_or_start(self) -> Running:
        """Adopt a container at once; start one when the machine has room for it."""
        services, agent = self._services, self._agent
        running = await services.runtime.adopt(services.spec_of(agent), self._heard)
        await report_unwatched_end(agent, services.runtime, services.events, services.registry)
        if running is not None:
            return running
        await services.gate.admit(agent)
        # Its manifest may have changed while it waited.
        spec, manifest = services.spec_of(agent), agent.record.manifest
        running = await services.runtime.ensure_running(spec, self._heard)
        if not running.adopted:
            await self._apply_mail_settings()
            if agent.record.started != manifest:
                services.registry.save_soon(agent, started=manifest)
        return running

    async def _apply_mail_settings(self) -> None:
        """Apply what the manifest says about broadcasts and groups; a fault ends no start."""
        agent, broker = self._agent, self._services.broker
        broker.add_participant(agent.record)
        former = settings_of_json(agent.record.started).groups
        try:
            await join_groups(broker, agent.name, agent.settings.groups, former)
        except HiveError as error:
            self._services.events.record(
                EventKind.TROUBLE,
                agent.name,
                what=f"its groups are not those of its manifest: {error}",
            )

    async def _go_down(self) -> None:
        """Stop, kill or keep the container, as `on_exit` says."""
        self._watch = None
        self._services.gate.slots.release(self._agent)
        await self._apply(self._agent.on_exit)

    def _start_again(self) -> None:
        self._agent.running = None
        self._services.events.record(EventKind.REBOOTED, self._agent.name)
        super().on_start()  # of the base class: `on_exit` may have been set meanwhile

    def _record_start_error(self, reason: str) -> None:
        self._services.events.record(EventKind.ENDED, self._agent.name, reason=reason)
        self._services.registry.save_soon(self._agent, last_reason=reason)

    def _heard(self, ended: Ended) -> None:
        if self._watch is not None:
            self.context.ref.tell(MachineEnded(self._watch, ended))

    def _record_running(self, running: Running) -> None:
        self._agent.running = running
        self._agent.stray = False
        self._agent.start_requested = False
        self._record_restart(running)
        kind = EventKind.ADOPTED if running.adopted else EventKind.STARTED
        self._services.events.record(kind, self._agent.name, pid=running.pid)

    def _record_restart(self, running: Running) -> None:
        """Leave its harness a notice of the restart, unless it connected since this run began."""
        ended, seen = self._agent.ended, self._agent.presence.last_seen or 0.0
        if ended is not None and not (running.adopted and seen > running.since):
            self._agent.record_restart(ended.at, str(ended))

    def _exit_reason(self, ended: Ended) -> ExitReason:
        if is_clean(ended.how):
            return Normal()
        has_harness = self._agent.settings.exec is None
        return Crashed(failure_of(ended, has_harness=has_harness))

    def _exit(self, end: LastEnd, reason: ExitReason) -> None:
        self._agent.running = None
        self._agent.ended = end
        self._services.events.record(EventKind.ENDED, self._agent.name, **end.detail())
        self._services.registry.save_soon(self._agent, last_reason=str(end))
        self.context.stop(reason)

    async def _apply(self, on_exit: OnExit) -> None:
        if on_exit is OnExit.KEEP:
            return
        runtime, name = self._services.runtime, self._agent.name
        if on_exit is OnExit.KILL or self._agent.is_frozen:  # it runs no more before its end
            ended = await runtime.kill(name)
        else:
            ended = await runtime.stop(name, deadline=self._agent.settings.stop_timeout)
        self._agent.running = None
        if ended is not None:
            self._agent.ended = end = LastEnd.of(ended)
            self._services.events.record(EventKind.STOPPED, name, **end.detail())
