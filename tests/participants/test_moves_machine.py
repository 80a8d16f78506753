"""Moves, mail and restarts of the daemon in random orders: nothing is lost, kinds are right."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.testing import SimulationLoop
from hive.config import HiveConfig
from hive.daemon.hive import Hive
from hive.participants.adoptions import AdoptionWish
from hive.participants.participant import Agent, Peer
from tests.support.hives import Line, Site
from tests.support.runtimes import ScriptedRuntime

T = TypeVar("T")

NAMES = st.sampled_from(["one", "two", "three"])
PLACES = st.integers(0, 5)
TOML = 'exec = ["agent"]\n'


class Book:
    """What must be so.

    Attributes:
        kinds: The kind of each participant.
        unread: The bodies in each inbox that were not acked, in the order of sending.
    """

    def __init__(self) -> None:
        self.kinds: dict[str, type] = {}
        self.unread: dict[str, list[str]] = {}


class MovesMachine(RuleBasedStateMachine):
    """A hive with scripted containers, and what must be so."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.Runner(loop_factory=lambda: SimulationLoop(1))
        self._directory = tempfile.TemporaryDirectory(prefix="hive-")
        root = Path(self._directory.name)
        self._site = Site(root / "state", root / "run")
        self._runtime = ScriptedRuntime()
        self._book = Book()
        self._count = 0
        self._hive: Hive = self._run(self._open)

    def _run(self, work: Callable[[], Awaitable[T]]) -> T:
        async def run() -> T:
            async with asyncio.timeout(3600):
                return await work()

        return self._loop.run(run())

    async def _open(self) -> Hive:
        hive = self._site.simulated(self._runtime, HiveConfig())
        await hive.open()
        return hive

    def _known(self, name: str, kind: type | None) -> bool:
        return self._book.kinds.get(name) is kind

    @rule(name=NAMES)
    def register(self, name: str) -> None:
        if self._known(name, None):
            self._run(lambda: self._hive.register_peer(name))
            self._book.kinds[name] = Peer

    @precondition(lambda self: self._book.kinds)
    @rule(place=PLACES, force=st.booleans())
    def unregister(self, place: int, force: bool) -> None:
        name = self._pick(place)
        if self._known(name, Peer) and (force or not self._book.unread.get(name)):
            lifecycle = self._hive.parts.lifecycle
            self._run(lambda: lifecycle.unregister_peer(name, force=force))
            del self._book.kinds[name]

    @precondition(lambda self: self._book.kinds)
    @rule(place=PLACES)
    def adopt(self, place: int) -> None:
        name = self._pick(place)
        if self._known(name, Peer):
            self._runtime.machines.pop(name, None)  # the operator has ended it
            wish = AdoptionWish(name=name, text=TOML)
            self._run(lambda: self._hive.parts.adoptions.adopt(wish))
            self._book.kinds[name] = Agent

    @precondition(lambda self: self._book.kinds)
    @rule(place=PLACES)
    def release(self, place: int) -> None:
        name = self._pick(place)
        if self._known(name, Agent):
            self._run(lambda: self._hive.parts.moves.release(name))
            self._book.kinds[name] = Peer

    @precondition(lambda self: self._book.kinds)
    @rule(place=PLACES)
    def rename(self, place: int) -> None:
        old, new = self._pick(place), f"n{self._count}"
        if new in self._book.unread or new in self._book.kinds:
            return
        renames = self._hive.parts.renames
        self._run(lambda: renames.rename(old, new, restart=True))
        self._book.kinds[new] = self._book.kinds.pop(old)
        self._book.unread[new] = self._book.unread.pop(old, [])

    def _pick(self, place: int) -> str:
        """Return a participant; the more there are, the more places there are."""
        return sorted(self._book.kinds)[place % len(self._book.kinds)]

    @precondition(lambda self: self._book.kinds)
    @rule(place=PLACES)
    def stop_and_start(self, place: int) -> None:
        name = self._pick(place)
        if self._known(name, Agent):
            self._run(lambda: self._hive.stop(name))
            self._run(lambda: self._hive.start(name))

    @precondition(lambda self: self._book.kinds)
    @rule(place=PLACES)
    def send(self, place: int) -> None:
        name = self._pick(place)
        if not self._known(name, None):
            self._count += 1
            body = f"m{self._count}"
            self._run(lambda: self._hive.send(name, body))
            self._book.unread.setdefault(name, []).append(body)

    @precondition(lambda self: self._book.kinds)
    @rule(place=PLACES, count=st.integers(1, 3), acks=st.booleans())
    def receive(self, place: int, count: int, acks: bool) -> None:
        """Receive, and ack or leave what was received to the end of the session."""
        name = self._pick(place)
        if self._known(name, None):
            return

        async def receive() -> list[dict[str, Any]]:
            line = await Line.to(self._hive.paths.agent_socket(name))
            found: list[dict[str, Any]] = (await line.ok("recv", max=count))["messages"]
            if acks and found:
                await line.ok("ack", ids=[each["id"] for each in found])
            if not acks and found:
                await line.ok("nack", id=found[0]["id"], mode="defer")
            await line.close()
            return found

        unread = self._book.unread.get(name, [])
        assert [each["body"] for each in self._run(receive)] == unread[:count]
        if acks:
            del unread[:count]

    @precondition(lambda self: self._book.kinds)
    @rule(place=PLACES)
    def move_during_a_lease(self, place: int) -> None:
        name = self._pick(place)
        if not self._book.unread.get(name) or not self._known(name, Agent):
            return

        async def move() -> None:
            line = await Line.to(self._hive.paths.agent_socket(name))
            await line.ok("recv", max=1)
            await self._hive.parts.moves.release(name)
            await line.close()

        self._run(move)
        self._book.kinds[name] = Peer

    @rule()
    def restart(self) -> None:
        self._run(lambda: self._hive.close(keep_agents=True))
        self._hive = self._run(self._open)

    @invariant()
    def kinds_are_right_in_memory_and_on_disk(self) -> None:
        registry = self._hive.parts.registry
        assert {each.name: type(each) for each in registry} == self._book.kinds
        stored = self._run(self._hive.parts.store.participants)
        kinds = {"agent": Agent, "peer": Peer}
        assert {each.name: kinds[each.kind.value] for each in stored} == self._book.kinds

    @invariant()
    def nothing_is_lost(self) -> None:
        for name in self._book.kinds:
            unread = self._run(lambda name=name: self._unread(name))  # type: ignore[misc]
            assert unread == self._book.unread.get(name, [])

    async def _unread(self, name: str) -> list[str | None]:
        found = await self._hive.parts.mail.inbox(name, 100, unread_only=True)
        return [each.body for each in found]

    def teardown(self) -> None:
        self._run(self._hive.close)
        self._loop.close()
        self._directory.cleanup()


MovesMachine.TestCase.settings = settings(stateful_step_count=20, max_examples=25, deadline=None)
test_moves_in_any_order = pytest.mark.timeout(240)(MovesMachine.TestCase)
