"""Waits of requests until an agent runs, or the socket of a peer listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hive.errors import ConflictError, FailedError, TimedOutError
from hive.participants.participant import Agent, Participant, Peer
from hive.participants.registry import Registry
from hive.store import Desired

START_DEADLINE = 30.0
"""Seconds that a request waits for the container or the socket before it times out."""


async def wait_until_running(registry: Registry, agent: Agent) -> None:
    """Wait until an agent's container runs.

    Raises:
        ConflictError: When another request has stopped it meanwhile.
        FailedError: When it could not be started.
        TimedOutError: When it does not run after `START_DEADLINE` seconds. The time for which it is
            queued because other agents start does not count.
    """
    await _wait_until(registry, agent, lambda: agent.is_up, "its container runs")


async def wait_until_thawed(registry: Registry, agent: Agent) -> None:
    """Wait until an agent is not frozen, without a deadline: the operator decides when.

    Raises:
        ConflictError: When it was removed meanwhile.
    """
    with _changes(registry, agent) as changed:
        while agent.is_frozen:
            check_member(registry, agent)
            changed.clear()
            await changed.wait()


async def wait_until_listening(registry: Registry, peer: Peer) -> None:
    """Wait until a peer's socket listens; raises like `wait_until_running`."""
    await _wait_until(registry, peer, lambda: peer.is_listening, "its socket listens")


async def _wait_until(
    registry: Registry, participant: Participant, holds: Callable[[], bool], condition: str
) -> None:
    try:
        with _changes(registry, participant) as changed:
            async with asyncio.timeout(START_DEADLINE) as deadline:
                while not holds():
                    raise_failure(registry, participant)
                    _suspend(deadline, participant)
                    changed.clear()
                    await changed.wait()
    except TimeoutError:
        raise TimedOutError(
            f"{participant.name!r} is not up after {START_DEADLINE:g} s; not yet true: "
            f"{condition}; 'hive-c0re status {participant.name}' shows what it waits for"
        ) from None


@contextmanager
def _changes(registry: Registry, participant: Participant) -> Iterator[asyncio.Event]:
    """Provide an event that is set at each change of a participant."""
    changed = asyncio.Event()
    unsubscribe = registry.subscribe(lambda each: changed.set() if each is participant else None)
    try:
        yield changed
    finally:
        unsubscribe()


def _suspend(deadline: asyncio.Timeout, participant: Participant) -> None:
    """Let a deadline begin when the start of an agent that is queued behind others begins."""
    if isinstance(participant, Agent) and participant.awaits_slot:
        deadline.reschedule(None)
    elif deadline.when() is None:
        deadline.reschedule(asyncio.get_running_loop().time() + START_DEADLINE)


def check_member(registry: Registry, participant: Participant) -> None:
    """Raise ConflictError if a participant was removed while a request waited for its lock."""
    if not registry.is_member(participant):
        raise ConflictError(f"{participant.name!r} was removed by another request meanwhile")


def raise_failure(registry: Registry, participant: Participant) -> None:
    """Raise why a participant cannot come up: it was removed or stopped, or its start failed."""
    check_member(registry, participant)
    if participant.record.desired is Desired.STOPPED:
        raise ConflictError(f"{participant.name!r} was stopped by another request while it started")
    if participant.start_error is not None:
        raise FailedError(f"{participant.name!r} could not be started: {participant.start_error}")
