"""The peer watch: updates the observed state of peers. An `Observer` cannot act on them."""

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

REFRESH_INTERVAL = 30.0
"""Seconds between two refreshes without a signal."""


class PeerWatch:
    """Refreshes the state of observed peers, on signals and by polling; idle without any.

    Args:
        registry: The participants; notified when an observed state changes.
        observer: Makes the observer, when the first peer is to be observed.
    """

    def __init__(self, registry: Registry, observer: Callable[[], Observer]) -> None:
        self._registry = registry
        self._make_observer = observer
        self._refresh_requested = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._unsubscribe: Callable[[], None] | None = None

    def open(self) -> None:
        """Begin as soon as there is a peer to observe."""
        self._unsubscribe = self._registry.subscribe(self._changed)
        for peer in self._registry.peers:
            self._changed(peer)

    async def close(self) -> None:
        """Stop the tasks. Idempotent."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks.clear()

    def _changed(self, participant: Participant) -> None:
        if not isinstance(participant, Peer) or participant.observe == participant.observed_subject:
            return
        participant.observed_subject, participant.observed_state = participant.observe, None
        participant.observe_error = None
        self._refresh_requested.set()
        if not self._tasks:
            observer = self._make_observer()
            self._tasks = [
                asyncio.create_task(self._refresh_all(observer), name="peer watch: refresh"),
                asyncio.create_task(observer.listen(self._on_signal), name="peer watch: signals"),
            ]

    def _on_signal(self, name: str) -> None:
        subjects = [peer.observe for peer in self._registry.peers if peer.observe]
        if not name or any(name == each or name in units_of(each) for each in subjects):
            self._refresh_requested.set()

    async def _refresh_all(self, observer: Observer) -> None:
        while True:
            self._refresh_requested.clear()
            for peer in self._registry.peers:
                if peer.observe:
                    await self._refresh(observer, peer, peer.observe)
            with suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_INTERVAL):
                    await self._refresh_requested.wait()

    async def _refresh(self, observer: Observer, peer: Peer, subject: str) -> None:
        state, why = None, None
        try:
            state = await observer.state_of(subject)
        except FailedError as error:
            why = str(error)
            if why != peer.observe_error:  # on a machine without systemd each attempt fails alike
                logger.warning("%s cannot be observed: %s", peer.name, why)
        except Exception as bug:
            # No caller awaits this task, and only it reads the states.
            why = f"a bug in hive-c0re: {bug!r}; its log has more"
            if why != peer.observe_error:
                logger.exception("%s cannot be observed", peer.name)
        peer.observe_error = why
        if state != peer.observed_state:
            peer.observed_state = state
            self._registry.changed(peer)
