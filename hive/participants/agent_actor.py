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
from hive.errors import FailedError, HiveError
from hive.event_log import EventKind, EventLog
from hive.exits import Ended, Rebooted, is_clean
from hive.machines.runtime import MachineSpec, Running, Runtime
from hive.participants.actor import ParticipantActor, Sockets
from hive.participants.participant import Agent, LastEnd, OnExit, RebootLimit
from hive.participants.registry import Registry


class MachineEndedError(FailedError):
    """The agent's container ended in a way that counts as a failure."""


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
            self._exit(LastEnd.of(ended), _exit_of(ended))
        elif self._agent.reboots.record(asyncio.get_running_loop().time(), self._reboots):
            self._agent.record_restart(ended.at, str(ended))
            self._start_again()
        else:
            reason = f"{ended} {self._reboots}"
            end = evolve(LastEnd.of(ended), reason=reason)
            self._exit(end, Crashed(MachineEndedError(reason)))

    async def _come_up(self) -> None:
        await super()._come_up()
        try:
            spec = self._services.spec_of(self._agent)
            running = await self._services.runtime.ensure_running(spec, self._heard)
        except HiveError as error:
            self._record_start_error(str(error))
            raise
        self._record_running(running)

    async def _go_down(self) -> None:
        """Stop, kill or keep the container, as `on_exit` says."""
        self._watch = None
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
        self._record_restart(running)
        kind = EventKind.ADOPTED if running.adopted else EventKind.STARTED
        self._services.events.record(kind, self._agent.name, pid=running.pid)

    def _record_restart(self, running: Running) -> None:
        """Leave its harness a notice of the restart, unless it connected since this run began."""
        ended, seen = self._agent.ended, self._agent.presence.last_seen or 0.0
        if ended is not None and not (running.adopted and seen > running.since):
            self._agent.record_restart(ended.at, str(ended))

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
        if on_exit is OnExit.KILL:
            ended = await runtime.kill(name)
        else:
            ended = await runtime.stop(name, deadline=self._agent.settings.stop_timeout)
        self._agent.running = None
        if ended is not None:
            self._agent.ended = end = LastEnd.of(ended)
            self._services.events.record(EventKind.STOPPED, name, **end.detail())


def _exit_of(ended: Ended) -> ExitReason:
    if is_clean(ended.how):
        return Normal()
    return Crashed(MachineEndedError(str(ended)))
