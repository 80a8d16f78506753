"""Start and stop a container: send a request, wait for its effect, and retry or escalate."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

from attrs import frozen

from hive.errors import FailedError
from hive.machines.runtime import KILL_SECONDS, REASON_LINES
from hive.machines.systemd.backend import Backend
from hive.machines.systemd.container import Container, ContainerRun
from hive.machines.systemd.journal import Journal, filter_of, newest
from hive.machines.systemd.restarter_check import RestarterCheck
from hive.machines.systemd.service_manager import ServiceManager
from hive.machines.systemd.transitions import (
    RETRY_DELAYS,
    StartDone,
    StartFailed,
    StartPending,
    StopRequest,
    StopStage,
    abort_is_due,
    is_transient,
    start_progress,
    was_refused,
)
from hive.machines.systemd.unit_state import ContainerState
from hive.subprocesses import Outcome

START_MARGIN = 5.0
"""Seconds by which the time limit exceeds that of systemd, whose reason is then reported."""

SETTLE_SECONDS = 5.0
"""Grace in seconds after the start command succeeded until the unit must be active."""

_POLL_SECONDS = 0.5
"""Interval at which the state is read while no change is reported."""


@frozen
class ContainerStarter:
    """Starts containers.

    Attributes:
        systemd: The service manager.
        journal: Source of the words that explain a failed start.
        settle: Grace in seconds after the command succeeded until the unit must be active.
        margin: Seconds by which the time limit of a start exceeds systemd's.
    """

    systemd: ServiceManager
    journal: Journal
    settle: float = SETTLE_SECONDS
    margin: float = START_MARGIN

    async def start(
        self, container: Container, argv: tuple[str, ...], before: str, limit: float
    ) -> ContainerState:
        """Start a container that is down and return its state once it runs.

        Args:
            container: The container.
            argv: The command that starts it.
            before: The InvocationID of its last run; "" if systemd has forgotten it.
            limit: Systemd's time limit of one start, in seconds.

        Raises:
            FailedError: It did not start; with the words of the command and of the container.
        """
        for delay in (*RETRY_DELAYS, None):
            progress, state = await self._try(container, argv, before, limit + self.margin)
            if isinstance(progress, StartDone):
                return state
            words = await self._words(progress, state)
            if delay is None or not is_transient(words):
                raise FailedError(f"{container.name} could not be started: {words}")
            before = state.unit.invocation
            await asyncio.sleep(delay)
        raise AssertionError("the last try either succeeds or raises")

    async def _try(
        self, container: Container, argv: tuple[str, ...], before: str, seconds: float
    ) -> tuple[StartDone | StartFailed, ContainerState]:
        await asyncio.to_thread(self.journal.clear, container.unit)
        command = asyncio.create_task(self.systemd.run(argv, deadline=seconds))
        command.add_done_callback(lambda _: container.changed.set())
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        state: ContainerState | None = None
        try:
            while True:
                await container.wait_for_change(_POLL_SECONDS)
                outcome = command.result() if command.done() else None
                state = await self._read(container, state)
                progress = start_progress(before, state, outcome)
                if not isinstance(progress, StartPending):
                    return progress, state
                if loop.time() >= until:
                    return StartFailed(outcome), state
                if outcome is not None and outcome.ok:
                    until = min(until, loop.time() + self.settle)
        finally:
            command.cancel()
            await asyncio.wait([command])

    async def _read(self, container: Container, last: ContainerState | None) -> ContainerState:
        """Read the state; machined is not asked twice about the same run."""
        if last is None or not last.registered or not last.unit.invocation:
            return await self.systemd.container_state(container.unit, container.machine)
        unit = await self.systemd.unit_state(container.unit)
        if unit.invocation == last.unit.invocation and not unit.active.down:
            return ContainerState(unit, last.leader)
        return ContainerState(unit, await self.systemd.leader(container.machine))

    async def _words(self, failed: StartFailed, state: ContainerState) -> str:
        unit = state.unit
        words = [] if failed.outcome is None else [_complaint(failed.outcome)]
        known = "knows" if state.registered else "does not know"
        words.append(f"{unit.id} is {unit.active} ({unit.result}), machined {known} the machine")
        if unit.invocation:
            words += newest(await self.journal.run_of(filter_of(unit)), REASON_LINES)
        return "\n".join(words)


@frozen
class ContainerStopper:
    """Stops containers. The runtime watches the run meanwhile and sets `ContainerRun.ended`.

    Attributes:
        systemd: The service manager.
        backend: Commands of the polite requests.
        restarters: Finds what would start the container again.
    """

    systemd: ServiceManager
    backend: Backend
    restarters: RestarterCheck

    async def stop(
        self, container: Container, run: ContainerRun, plan: tuple[StopStage, ...]
    ) -> None:
        """Go through the stages of the plan until the run has ended.

        Raises:
            FailedError: It runs even after the last stage.
        """
        if await self._is_restarted(container):
            # systemd restarts nothing that it was requested to stop.
            await self.systemd.cancel_start(container.unit, deadline=KILL_SECONDS)
        for stage in plan:
            if run.ended.done():
                return
            if stage.request is StopRequest.KILL or not run.killing.is_set():
                await self._carry_out(container, run, stage)
        if not run.ended.done():
            unit = await self.systemd.unit_state(container.unit)
            raise FailedError(
                f"{container.name} could not be ended: its unit {unit.id} is {unit.active} "
                f"({unit.sub}) even after a kill; see `systemctl status {unit.id}`"
            )

    async def _is_restarted(self, container: Container) -> bool:
        try:
            return bool(await self.restarters.find(container.unit))
        except FailedError:
            return False  # no answer: the stop goes on, and its end is awaited

    async def abort_start(self, container: Container, *, is_requested: bool) -> None:
        """End a container that is neither up nor down, as one that boots; cancel its job.

        Args:
            container: The container; nobody starts it meanwhile.
            is_requested: Whether a start was requested that systemd may not have begun yet.

        Raises:
            FailedError: It is neither up nor down even after that.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + KILL_SECONDS
        while True:
            unit = await self.systemd.unit_state(container.unit)
            if not abort_is_due(unit, is_requested=is_requested):
                return
            is_requested = False
            if loop.time() >= until:
                raise FailedError(
                    f"{container.name} could not be ended: its unit {unit.id} is {unit.active} "
                    f"({unit.sub}) even after a kill; see `systemctl status {unit.id}`"
                )
            await self.systemd.cancel_start(container.unit, deadline=KILL_SECONDS)
            await self.systemd.kill(container.unit, deadline=KILL_SECONDS)
            await container.wait_for_change(_POLL_SECONDS)

    async def _carry_out(self, container: Container, run: ContainerRun, stage: StopStage) -> None:
        """Send a request; wait for the end, a kill, a refusal, or the time of the stage."""
        request = asyncio.create_task(self._send(container, stage))
        waits: list[Awaitable[Any]] = [
            asyncio.shield(run.ended),
            self._refused(container, request),
            _poll(container),
        ]
        if stage.request is not StopRequest.KILL:
            waits.append(run.killing.wait())
        try:
            await _first_of(waits, stage.seconds)
        finally:
            request.cancel()
            await asyncio.wait([request])

    async def _send(self, container: Container, stage: StopStage) -> Outcome:
        if stage.request is StopRequest.KILL:
            return await self.systemd.kill(container.unit, deadline=stage.seconds)
        argv = self.backend.end(stage.request, container.machine)
        return await self.systemd.run(argv, deadline=stage.seconds)

    async def _refused(self, container: Container, request: asyncio.Task[Outcome]) -> None:
        """Return once the request is refused; never return if it is accepted."""
        outcome = await asyncio.shield(request)
        with suppress(FailedError):  # the state is unknown: go on waiting for the effect
            if was_refused(outcome, await self.systemd.unit_state(container.unit)):
                return
        await asyncio.get_running_loop().create_future()


def _complaint(outcome: Outcome) -> str:
    return f"{outcome}, but it does not run" if outcome.ok else str(outcome)


async def _poll(container: Container) -> None:
    while True:
        container.changed.set()
        await asyncio.sleep(_POLL_SECONDS)


async def _first_of(waits: list[Awaitable[Any]], seconds: float) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
