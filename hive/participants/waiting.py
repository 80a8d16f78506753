"""Wait until an agent runs or a peer's socket listens, or raise why it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

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
        TimedOutError: When it does not run after `START_DEADLINE` seconds.
    """
    await _wait_until(registry, agent, lambda: agent.running is not None, "its container runs")


async def wait_until_listening(registry: Registry, peer: Peer) -> None:
    """Wait until a peer's socket listens; raises like `wait_until_running`."""
    await _wait_until(registry, peer, lambda: peer.is_listening, "its socket listens")


async def _wait_until(
    registry: Registry, participant: Participant, holds: Callable[[], bool], condition: str
) -> None:
    changed = asyncio.Event()
    unsubscribe = registry.subscribe(lambda each: changed.set() if each is participant else None)
    try:
        async with asyncio.timeout(START_DEADLINE):
            while not holds():
                _raise_failure(participant)
                changed.clear()
                await changed.wait()
    except TimeoutError:
        raise TimedOutError(
            f"{participant.name!r} is not up after {START_DEADLINE:g} s; not yet true: "
            f"{condition}; 'hive-c0re status {participant.name}' shows what it waits for"
        ) from None
    finally:
        unsubscribe()


def _raise_failure(participant: Participant) -> None:
    if participant.record.desired is Desired.STOPPED:
        raise ConflictError(f"{participant.name!r} was stopped by another request while it started")
    if participant.start_error is not None:
        raise FailedError(f"{participant.name!r} could not be started: {participant.start_error}")
