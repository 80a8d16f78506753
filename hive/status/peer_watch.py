"""Keeps what systemd says about peers up to date. It has an `Observer`, so it cannot act."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from hive.errors import FailedError
from hive.machines.observer import Observer, units_of
from hive.participants.participant import Participant, Peer
from hive.participants.registry import Registry

logger = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
"""How often peers are looked at although nothing was heard."""


class PeerWatch:
    """Looks at the peers that are to be observed; without any, it does nothing at all.

    Args:
        registry: Who takes part; told when something looks different.
        observer: Makes what sees, when the first peer is to be observed.
    """

    def __init__(self, registry: Registry, observer: Callable[[], Observer]) -> None:
        self._registry = registry
        self._make = observer
        self._hinted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._unsubscribe: Callable[[], None] | None = None

    def open(self) -> None:
        """Begin as soon as there is a peer to observe."""
        self._unsubscribe = self._registry.subscribe(self._changed)
        for peer in self._registry.peers:
            self._changed(peer)

    async def close(self) -> None:
        """Stop looking. Idempotent."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks.clear()

    def _changed(self, participant: Participant) -> None:
        if not isinstance(participant, Peer) or participant.observe == participant.observed:
            return
        participant.observed, participant.sight = participant.observe, None
        self._hinted.set()
        if not self._tasks:
            observer = self._make()
            self._tasks = [
                asyncio.create_task(self._look_round(observer), name="lookout: look"),
                asyncio.create_task(observer.listen(self._heard), name="lookout: listen"),
            ]

    def _heard(self, name: str) -> None:
        subjects = [peer.observe for peer in self._registry.peers if peer.observe]
        if not name or any(name == each or name in units_of(each) for each in subjects):
            self._hinted.set()

    async def _look_round(self, observer: Observer) -> None:
        while True:
            self._hinted.clear()
            for peer in self._registry.peers:
                if peer.observe:
                    await self._look(observer, peer, peer.observe)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._hinted.wait()

    async def _look(self, observer: Observer, peer: Peer, subject: str) -> None:
        try:
            sight = await observer.state_of(subject)
        except FailedError as error:
            logger.warning("%s cannot be observed: %s", peer.name, error)
            sight = None
        if sight != peer.sight:
            peer.sight = sight
            self._registry.changed(peer)
