"""An agent: a participant whose actor's life is its container's life.

Starting the actor adopts the running container or starts one. The container's end arrives as a
message and becomes the actor's exit, and the supervisor applies its ordinary restart rules. When
the actor ends for any other reason, `Agent.on_exit` says what happens to the container; by
default nothing does, so that a fault in this daemon never costs a container.
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
from hive.participants.actor import ParticipantActor, ParticipantSockets
from hive.participants.participant import Agent, LastEnd, OnExit
from hive.participants.reboots import RebootLimit
from hive.participants.registry import Registry


class MachineEndedError(FailedError):
    """The agent's container ended in a way that counts as a failure."""


@frozen
class MachineEnded:
    """The machine that `watch` stands for has ended."""

    watch: object
    ended: Ended


@frozen
class AgentServices:
    """What an agent's actor needs from the rest of the hive."""

    broker: BrokerService
    sockets: ParticipantSockets
    runtime: Runtime
    registry: Registry
    events: EventLog
    spec_of: Callable[[Agent], MachineSpec]


class AgentActor(ParticipantActor[MachineEnded]):
    """Owns one container for as long as it lives.

    Args:
        participant: Who this is.
        services: The rest of the hive.
        reboots: How often its container may reboot.
    """

    def __init__(self, participant: Agent, services: AgentServices, reboots: RebootLimit) -> None:
        super().__init__(participant, services.broker, services.sockets, services.registry)
        self._agent = participant
        self._services = services
        self._reboots = reboots
        self._watch: object | None = object()

    def on_start(self) -> None:
        """Begin to come up; until somebody wishes otherwise, the container is kept."""
        self._agent.on_exit = OnExit.KEEP
        super().on_start()

    def receive(self, message: MachineEnded) -> None:
        """The container's end becomes this actor's exit.

        A reboot is no end: its second half, the start, is ours to do (systemd-nspawn(1): "exit
        code 133 ... to request a reboot"). It is done at once and counts as no restart, unless
        the guest does little else.
        """
        ended = message.ended
        if message.watch is not self._watch:
            return
        if not isinstance(ended.how, Rebooted):
            self._end(LastEnd.of(ended), _exit_of(ended))
        elif self._agent.reboots.record(asyncio.get_running_loop().time(), self._reboots):
            self._agent.note_restart(ended.at, str(ended))
            self._start_again()
        else:
            reason = f"{ended} {self._reboots}"
            end = evolve(LastEnd.of(ended), reason=reason)
            self._end(end, Crashed(MachineEndedError(reason)))

    async def _come_up(self) -> None:
        await super()._come_up()
        try:
            spec = self._services.spec_of(self._agent)
            running = await self._services.runtime.ensure_running(spec, self._heard)
        except HiveError as error:
            self._note_start_error(str(error))
            raise
        self._note_running(running)

    async def _go_down(self) -> None:
        """Do with the container what was wished."""
        self._watch = None
        await self._fulfil(self._agent.on_exit)

    def _start_again(self) -> None:
        self._agent.running = None
        self._services.events.record(EventKind.REBOOTED, self._agent.name)
        super().on_start()  # not ours: what is wished of it stays wished

    def _note_start_error(self, reason: str) -> None:
        self._services.events.record(EventKind.ENDED, self._agent.name, reason=reason)
        self._services.registry.note(self._agent, last_reason=reason)

    def _heard(self, ended: Ended) -> None:
        if self._watch is not None:
            self.context.ref.tell(MachineEnded(self._watch, ended))

    def _note_running(self, running: Running) -> None:
        self._agent.running = running
        self._agent.stray = False
        self._note_restart(running)
        kind = EventKind.ADOPTED if running.adopted else EventKind.STARTED
        self._services.events.record(kind, self._agent.name, pid=running.pid)

    def _note_restart(self, running: Running) -> None:
        """Have its harness told, unless one was there since this run began."""
        ended, seen = self._agent.ended, self._agent.presence.last_seen or 0.0
        if ended is not None and not (running.adopted and seen > running.since):
            self._agent.note_restart(ended.at, str(ended))

    def _end(self, end: LastEnd, reason: ExitReason) -> None:
        self._agent.running = None
        self._agent.ended = end
        self._services.events.record(EventKind.ENDED, self._agent.name, **end.detail())
        self._services.registry.note(self._agent, last_reason=str(end))
        self.context.stop(reason)

    async def _fulfil(self, on_exit: OnExit) -> None:
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
