"""The broker on a real SQLite file against the model, over random days with crashes in them."""

import asyncio
import sqlite3
import tempfile
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.testing import SimulationLoop, advance, settle
from hive.broker.local import local_router
from hive.broker.router import Router
from hive.broker.values import Draft, NackMode
from hive.clock import LoopClock
from hive.config import Limits
from hive.errors import StaleLeaseError
from hive.store import NO_ORIGIN, InlineEngine, Kind, Priority, Store, StoreFullError
from hive.store.dead_letters import DeadLetters
from tests.broker.faults import Faults
from tests.broker.model import LEASE, MOST, Mail, Model, Waiting

T = TypeVar("T")

NAMES = ("alice", "bob", "carol")
EPOCH = 1_700_000_000.0


class BrokerMachine(RuleBasedStateMachine):
    """One rule for each thing that can happen to a broker."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "hive.sqlite"
        self.model = Model()
        self.parked: list[tuple[Waiting, asyncio.Future[Any]]] = []
        self.first_deliveries: dict[tuple[str, str, Priority], list[int]] = {}
        self.priorities: dict[int, Priority] = {}
        self.leases: dict[int, str] = {}

    @initialize(seed=st.integers(0, 1000))
    def open(self, seed: int) -> None:
        self.seed = seed
        self.start()

    def start(self) -> None:
        self.faults = Faults()
        self.runner = asyncio.Runner(loop_factory=lambda: SimulationLoop(self.seed))
        self.stack = AsyncExitStack()
        self.started_at = self.model.time
        self.router = self.run(self.open_router())

    async def open_router(self) -> Router:
        loop = asyncio.get_running_loop()
        clock = LoopClock(loop, EPOCH + self.started_at)
        engine = InlineEngine(self.faults.connection_class())
        store = await self.stack.enter_async_context(Store(self.path, engine, clock=clock))
        router = await self.stack.enter_async_context(
            local_router(
                store,
                Limits(lease_seconds=LEASE, max_attempts=MOST, rate=10**6, pair_rate=10**6),
                clock,
            )
        )
        for name in NAMES:
            router.add_inbox(name, Kind.AGENT)
        return router

    def run(self, awaitable: Awaitable[T]) -> T:
        async def settled() -> T:
            value = await awaitable
            await settle()
            return value

        return self.runner.run(settled())

    def call(self, method: str, *args: Any, **more: Any) -> Any:
        async def made_on_the_loop() -> Any:
            return await getattr(self.router, method)(*args, **more)

        return self.run(made_on_the_loop())

    def tell(self, method: str, *args: Any) -> Any:
        async def told_on_the_loop() -> Any:
            return getattr(self.router, method)(*args)

        return self.run(told_on_the_loop())

    # What participants do

    @rule(sender=st.sampled_from(NAMES), to=st.sampled_from(NAMES))
    def send(self, sender: str, to: str) -> None:
        expected = self.model.send(sender, to, f"body {self.model.last_id + 1}")
        body = f"body {expected}"
        sent = self.call("send", Draft(sender, Kind.AGENT, to, body))
        assert sent.ids == (expected,)

    @rule(
        sender=st.sampled_from(NAMES),
        to=st.sampled_from(NAMES),
        priority=st.sampled_from(list(Priority)),
        ttl=st.sampled_from([None, 40.0, 250.0]),
        delay=st.sampled_from([None, 20.0]),
        supersede_key=st.sampled_from([None, "news"]),
    )
    def send_with_options(
        self, sender: str, to: str, priority: Priority, supersede_key: str | None, **times: Any
    ) -> None:
        given = {name: value for name, value in times.items() if value is not None}
        expected = self.model.send(
            sender, to, "special", priority=priority, key=supersede_key, **given
        )
        draft = Draft(
            sender,
            Kind.AGENT,
            to,
            "special",
            priority=priority,
            supersede_key=supersede_key,
            **times,
        )
        assert self.call("send", draft).ids == (expected,)
        self.priorities[expected] = priority

    @rule(sender=st.sampled_from(NAMES), to=st.sampled_from(NAMES), key=st.sampled_from("kl"))
    def send_once(self, sender: str, to: str, key: str) -> None:
        before = self.model.dedupe.get((sender, key))
        if before is None:
            before = self.model.dedupe[sender, key] = self.model.send(sender, to, "once")
            duplicate = False
        else:
            duplicate = True
        sent = self.call("send", Draft(sender, Kind.AGENT, to, "once", dedupe_key=key))
        assert (sent.ids, sent.duplicate) == ((before,), duplicate)

    @precondition(lambda self: self.model.dead)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.model.dead)))
        assert self.call("replay", DeadLetters(ids=(number,))) == (number,)
        self.model.replay(number)

    @rule(sender=st.sampled_from(NAMES))
    def broadcast(self, sender: str) -> None:
        expected = [self.model.send(sender, name, "all") for name in NAMES if name != sender]
        sent = self.call("send", Draft(sender, Kind.AGENT, "*", "all"))
        assert list(sent.ids) == expected

    @rule(name=st.sampled_from(NAMES))
    def connect(self, name: str) -> None:
        self.model.sessions[self.tell("open_session", name, NO_ORIGIN)] = name

    @precondition(lambda self: self.model.sessions)
    @rule(data=st.data(), count=st.integers(1, 4), wait=st.sampled_from([0.0, 0.0, 30.0, 150.0]))
    def recv(self, data: st.DataObject, count: int, wait: float) -> None:
        session = data.draw(st.sampled_from(sorted(self.model.sessions)))
        self.model.touch(session)
        waiting = self.model.recv(session, count, wait)

        async def begin() -> asyncio.Future[Any]:
            return self.router.recv(session, max=count, wait=wait)

        self.parked.append((waiting, self.run(begin())))

    @precondition(lambda self: self.model.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        waiting = data.draw(st.sampled_from(self.model.waiting))
        [future] = [future for found, future in self.parked if found is waiting]
        self.parked.remove((waiting, future))
        self.model.waiting.remove(waiting)
        future.cancel()

    @precondition(lambda self: self.model.sessions)
    @rule(name=st.sampled_from(NAMES), paused=st.booleans())
    def pause(self, name: str, paused: bool) -> None:
        (self.model.paused.add if paused else self.model.paused.discard)(name)
        self.model.serve()
        self.tell("pause_inbox", name, paused)

    def a_lease(self, data: st.DataObject) -> Mail:
        held = [mail for mail in self.model.mail if mail.session is not None]
        return data.draw(st.sampled_from(held))

    def some_are_held(self) -> bool:
        return any(mail.session is not None for mail in self.model.mail)

    @precondition(some_are_held)
    @rule(data=st.data(), by_lease=st.booleans())
    def ack(self, data: st.DataObject, by_lease: bool) -> None:
        mail = self.a_lease(data)
        lease = self.leases[mail.id] if by_lease else None
        self.model.touch(mail.session or "")
        self.call("ack", mail.session, [mail.id], lease)
        self.model.end(mail)

    @precondition(lambda self: self.model.sessions and self.model.mail)
    @rule(data=st.data())
    def ack_of_what_is_not_held(self, data: st.DataObject) -> None:
        session = data.draw(st.sampled_from(sorted(self.model.sessions)))
        mail = data.draw(st.sampled_from(self.model.mail))
        if mail.session != session:
            self.refused(session, mail.id, None)
            self.refused(session, mail.id, "0-0")

    def refused(self, session: str, number: int, lease: str | None) -> None:
        self.model.touch(session)
        with pytest.raises(StaleLeaseError, match=f"message {number} "):
            self.call("ack", session, [number], lease)

    @precondition(some_are_held)
    @rule(
        data=st.data(), mode=st.sampled_from(list(NackMode)), delay=st.sampled_from([None, 10, 70])
    )
    def nack(self, data: st.DataObject, mode: NackMode, delay: int | None) -> None:
        mail = self.a_lease(data)
        self.model.touch(mail.session or "")
        self.call("nack", mail.session, mail.id, mode, delay=delay)
        if mode is NackMode.REJECT:
            self.model.bury(mail)
        elif mode is NackMode.DEFER:
            self.model.give_back(mail, self.model.time + delay if delay else 0.0, burn=False)
        else:
            rest = 2.0 ** (mail.attempts - 1) if delay is None else delay
            self.model.burn(mail, self.model.time + rest)
        self.model.expire()
        self.model.serve()

    @precondition(lambda self: self.model.sessions)
    @rule(data=st.data())
    def disconnect(self, data: st.DataObject) -> None:
        session = data.draw(st.sampled_from(sorted(self.model.sessions)))
        self.model.close_session(session)
        self.tell("close_session", session)

    # What happens to the broker

    @rule(seconds=st.sampled_from([1, 9, 30, 99, 100]))
    def advance(self, seconds: int) -> None:
        self.model.advance(seconds)
        self.run(advance(seconds))

    @precondition(lambda self: not self.model.waiting)
    @rule(to=st.sampled_from(NAMES))
    def commit_fails(self, to: str) -> None:
        self.faults.full = True
        with pytest.raises(StoreFullError):
            self.call("send", Draft("alice", Kind.AGENT, to, "lost"))
        self.faults.full = False
        self.run(advance(2))
        self.model.last_id += 1
        for mail in self.model.mail:
            if mail.session is not None:
                mail.lease_ends = max(mail.lease_ends, self.model.time + LEASE)
        self.model.advance(2)

    @rule()
    def crash_and_reopen(self) -> None:
        self.faults.dead = True
        self.runner.close()
        self.reopened()

    @rule()
    def stop_and_reopen(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()
        self.reopened()

    def forget_parked(self) -> None:
        for _, future in self.parked:
            if future.done() and not future.cancelled():
                future.exception()  # those who waited were told
        self.parked.clear()

    def reopened(self) -> None:
        self.forget_parked()
        self.model.restart()
        known = {mail.id for mail in self.model.mail} | self.model.ended
        self.model.last_id = max(known, default=0)
        self.start()

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.run(self.stack.aclose())
            self.runner.close()
        self.forget_parked()
        self.directory.cleanup()

    # What must always hold

    @invariant()
    def receivers_have_what_the_model_says(self) -> None:
        for waiting, future in list(self.parked):
            assert future.done() is (waiting.got is not None)
            if waiting.got is None:
                continue
            self.parked.remove((waiting, future))
            got = future.result()
            assert [(one.id, one.attempt, one.redelivered) for one in got] == waiting.got
            for one in got:
                assert one.id not in self.model.ended or self.leases.get(one.id) != one.lease
                self.leases[one.id] = one.lease
                if not one.redelivered:
                    kind = (one.sender, waiting.inbox, self.priorities.get(one.id, Priority.NORMAL))
                    seen = self.first_deliveries.setdefault(kind, [])
                    assert not seen or seen[-1] < one.id, "per sender, inbox and class: in order"
                    seen.append(one.id)

    @invariant()
    def counters_are_the_rows(self) -> None:
        if not hasattr(self, "router"):
            return
        connection = sqlite3.connect(self.path)
        rows = connection.execute(
            "SELECT id, inbox, state, attempts, deliveries FROM messages "
            "WHERE state IN ('stored', 'leased') ORDER BY id"
        ).fetchall()
        connection.close()
        assert rows == [
            (
                mail.id,
                mail.inbox,
                "leased" if mail.session else "stored",
                mail.attempts,
                mail.deliveries,
            )
            for mail in self.model.mail
        ]
        for name in NAMES:
            unread = sum(mail.inbox == name for mail in self.model.mail)
            assert self.router.unread(name) == unread


@pytest.mark.timeout(600)  # 300 examples of the `ci` profile take a minute or two
class TestBroker(BrokerMachine.TestCase):  # type: ignore[misc]  # made at run time
    """Runs the machine."""
