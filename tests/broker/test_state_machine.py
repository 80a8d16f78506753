"""The broker on a real SQLite file compared with the model, over random runs with crashes."""

import asyncio
import math
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.testing import SimulationLoop, advance, settle
from hive.broker.local_session import LocalSession
from hive.broker.values import RANKS
from hive.clock import LoopClock
from hive.config import Limits
from hive.errors import InboxFullError, StaleLeaseError
from hive.store import NO_ORIGIN, InlineEngine, Kind, Store, StoreFullError
from hive.wire.enums import NackMode, Priority
from tests.broker.client import BrokerClient, Draft, Sent, local_broker
from tests.broker.faults import Faults
from tests.broker.model import (
    DEFERRED,
    LEASE,
    MAX_HOPS,
    MOST,
    NAMES,
    QUEUE,
    SHARE,
    TEAM,
    Mail,
    Model,
    Waiting,
)
from tests.broker.rig import recount
from tests.support.machine_runs import MACHINE_RUNS

T = TypeVar("T")

EPOCH = 1_700_000_000.0

LIMITS = Limits(
    lease_seconds=LEASE,
    max_attempts=MOST,
    max_hops=MAX_HOPS,
    rate=10**6,
    pair_rate=10**6,
    sender_messages=SHARE,
    deferred=DEFERRED,
)

names = st.sampled_from(NAMES)


def holds(some: Callable[[Model], object]) -> Callable[[Any], Any]:
    """Run a rule only if a condition holds in the model."""
    return precondition(lambda machine: some(machine.model))


def leased(model: Model) -> list[Mail]:
    return [mail for mail in model.mail if mail.session is not None]


class BrokerMachine(RuleBasedStateMachine):
    """One rule for each kind of request and fault."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "hive.sqlite"
        self.model = Model()
        self.calm = 0
        self.parked: list[tuple[Waiting, asyncio.Future[Any]]] = []
        self.first_deliveries: dict[tuple[str, str, Priority], list[int]] = {}
        self.priorities: dict[int, Priority] = {}
        self.out_of_turn: set[int] = set()
        self.leases: dict[int, str] = {}
        self.sessions: dict[str, LocalSession] = {}

    @initialize(seed=st.integers(0, 1000))
    def open(self, seed: int) -> None:
        self.seed = seed
        self.start()
        self.call("change_group", "team", add=TEAM)
        self.begin_queue()

    def start(self) -> None:
        self.faults = Faults()
        self.runner = asyncio.Runner(loop_factory=lambda: SimulationLoop(self.seed))
        self.stack = AsyncExitStack()
        self.started_at = self.model.time
        self.broker = self.run(self.open_broker())
        for name in NAMES:
            self.connect(name)

    async def open_broker(self) -> BrokerClient:
        loop = asyncio.get_running_loop()
        clock = LoopClock(loop, EPOCH + self.started_at)
        engine = InlineEngine(self.faults.connection_class())
        store = await self.stack.enter_async_context(Store(self.path, engine, clock=clock))
        broker = await self.stack.enter_async_context(local_broker(store, LIMITS, clock))
        for name in NAMES:
            broker.add_inbox(name, Kind.AGENT)
        return broker

    def run(self, awaitable: Awaitable[T]) -> T:
        async def settled() -> T:
            value = await awaitable
            await settle()
            return value

        return self.runner.run(settled())

    def call(self, method: str, *args: Any, **more: Any) -> Any:
        async def called_on_the_loop() -> Any:
            return await getattr(self.broker, method)(*args, **more)

        return self.run(called_on_the_loop())

    def tell(self, method: str, *args: Any) -> Any:
        async def told_on_the_loop() -> Any:
            return getattr(self.broker, method)(*args)

        return self.run(told_on_the_loop())

    def a_session(self, data: st.DataObject) -> str:
        return str(data.draw(st.sampled_from(sorted(self.model.sessions))))

    def a_lease(self, data: st.DataObject) -> tuple[str, Mail]:
        mail: Mail = data.draw(st.sampled_from(leased(self.model)))
        assert mail.session is not None
        return mail.session, mail

    # Sending

    def send_draft(self, sender: str, to: str, body: str, **more: Any) -> Sent:
        kind = Kind.OPERATOR if sender == "operator" else Kind.AGENT
        sent: Sent = self.call("send", Draft(sender, kind, to, body, **more))
        return sent

    def is_refused(self, sender: str, to: str, body: str, **more: Any) -> bool:
        """Return whether the broker must refuse a message, after it has done so."""
        if not self.model.refuses(sender, to, more.get("delay")):
            return False
        with pytest.raises(InboxFullError, match=r"share of|deferred messages"):
            self.send_draft(sender, to, body, **more)
        return True

    def check_sent(self, sent: Sent, expected: int) -> None:
        assert sent.ids == (expected,)
        parked = any(mail.id == expected and mail.parked for mail in self.model.mail)
        assert (sent.parked is not None) is parked
        if parked:
            self.out_of_turn.add(expected)

    def begin_queue(self) -> None:
        expected = self.model.send("operator", QUEUE, "begin")
        self.check_sent(self.send_draft("operator", QUEUE, "begin"), expected)

    @rule(sender=names, to=st.sampled_from([*NAMES, QUEUE]))
    def send(self, sender: str, to: str) -> None:
        if self.is_refused(sender, to, "plain"):
            return
        expected = self.model.send(sender, to, "plain")
        self.check_sent(self.send_draft(sender, to, "plain"), expected)

    @rule(
        sender=names,
        to=names,
        priority=st.sampled_from(list(Priority)),
        ttl=st.sampled_from([None, 40.0, 250.0]),
        delay=st.sampled_from([None, 20.0]),
        supersede_key=st.sampled_from([None, "news"]),
    )
    def send_with_options(
        self, sender: str, to: str, priority: Priority, supersede_key: str | None, **times: Any
    ) -> None:
        if self.is_refused(sender, to, "special", supersede_key=supersede_key, **times):
            return
        given = {name: value for name, value in times.items() if value is not None}
        expected = self.model.send(
            sender, to, "special", priority=RANKS[priority], key=supersede_key, **given
        )
        options: dict[str, Any] = {"priority": priority, "supersede_key": supersede_key, **times}
        self.check_sent(self.send_draft(sender, to, "special", **options), expected)
        self.priorities[expected] = priority
        if times["delay"] is not None:
            self.out_of_turn.add(expected)

    @rule(sender=names, to=names, key=st.sampled_from("kl"))
    def send_once(self, sender: str, to: str, key: str) -> None:
        before = self.model.dedupe.get((sender, key))
        if before is None and self.is_refused(sender, to, "once", dedupe_key=key):
            return
        if before is None:
            expected = self.model.dedupe[sender, key] = self.model.send(sender, to, "once")
            self.check_sent(self.send_draft(sender, to, "once", dedupe_key=key), expected)
        else:
            sent = self.send_draft(sender, to, "once", dedupe_key=key)
            assert (sent.ids, sent.duplicate) == ((before,), True)

    def answer(self, sender: str, mail: Mail) -> None:
        if mail.sender in NAMES and not self.is_refused(sender, mail.sender, "answer"):
            expected = self.model.send(sender, mail.sender, "answer", reply_to=mail.id)
            draft = (sender, mail.sender, "answer")
            self.check_sent(self.send_draft(*draft, in_reply_to=mail.id), expected)

    @rule(sender=names, to=st.sampled_from(["*", "@team"]))
    def send_to_many(self, sender: str, to: str) -> None:
        everyone = NAMES if to == "*" else TEAM
        others = [name for name in everyone if name != sender]
        if all(self.model.refuses(sender, name) for name in others):
            with pytest.raises(InboxFullError, match="share of"):
                self.send_draft(sender, to, "all")
            return
        expected = self.model.send_to_all(sender, everyone, "all")
        sent = self.send_draft(sender, to, "all")
        assert list(sent.ids) == expected
        self.out_of_turn |= {mail.id for mail in self.model.mail if mail.parked}

    # Requests of the operator

    @holds(lambda model: model.dead)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.model.dead)))
        assert self.call("replay", ids=[number]) == [number]
        self.model.replay(number)
        self.out_of_turn.add(number)

    @holds(lambda model: model.dead or model.mail)
    @rule(data=st.data())
    def discard(self, data: st.DataObject) -> None:
        """Discard a message of any state."""
        stored = {mail.id for mail in self.model.mail} | set(self.model.dead)
        number = data.draw(st.sampled_from(sorted(stored)))
        assert self.call("discard", ids=[number]) == [number]
        self.model.discard(number)

    @holds(lambda model: model.tripped)
    @rule(data=st.data())
    def reset_loop(self, data: st.DataObject) -> None:
        pair = data.draw(st.sampled_from(sorted(map(sorted, self.model.tripped))))
        assert self.call("reset_loop", *pair) == self.model.reset_loop(frozenset(pair))

    @rule(act=st.sampled_from(["pause", "resume", "resume", "remove queue"]), name=names)
    def manage(self, act: str, name: str) -> None:
        if act == "remove queue":
            assert self.call("remove_queue", "jobs", force=True) == self.model.remove_queue()
            self.begin_queue()
            return
        paused = act == "pause"
        (self.model.pause if paused else self.model.resume)(name)
        self.tell("pause_inbox", name, paused)

    @rule(freezes=st.sampled_from([True, False, False]), name=names)
    def freeze_or_thaw(self, freezes: bool, name: str) -> None:
        (self.model.freeze if freezes else self.model.thaw)(name)
        self.tell("set_frozen", name, freezes)

    # Requests of participants

    def connect(self, name: str) -> None:
        session: LocalSession = self.tell("open_session", name, NO_ORIGIN)
        self.sessions[repr(session)] = session
        self.model.connect(repr(session), name)

    @rule(data=st.data(), name=names, goes=st.booleans())
    def come_or_go(self, data: st.DataObject, name: str, goes: bool) -> None:
        if goes and self.model.sessions:
            session = self.a_session(data)
            self.model.close_session(session)
            self.tell("close_session", self.sessions[session])
        else:
            self.connect(name)

    @holds(lambda model: model.workers())
    @rule(
        data=st.data(),
        count=st.integers(1, 4),
        doing=st.sampled_from(["ack", "answer", "answer", "defer", "fail", "reject", "hold"]),
    )
    def work(self, data: st.DataObject, count: int, doing: str) -> None:
        """The most frequent rule: deliverable mail is received, and something is done with it."""
        session = data.draw(st.sampled_from(self.model.workers()))
        held = {mail.id for mail in self.model.held(session)}
        self.take(session, None, count, 0.0)
        self.receivers_have_what_the_model_says()
        for mail in self.model.held(session):
            if mail.id not in held and doing == "answer":
                self.answer(self.model.sessions[session], mail)
            if mail.id not in held and doing in {"ack", "answer"}:
                self.end(session, mail)
            elif mail.id not in held and doing != "hold":
                self.give_back(session, mail, NackMode(doing), None)

    @holds(lambda model: model.sessions)
    @rule(
        data=st.data(),
        queue=st.sampled_from([None, None, "jobs"]),
        count=st.integers(1, 4),
        wait=st.sampled_from([0.0, 0.0, 30.0, 150.0]),
        max_bytes=st.sampled_from([None, None, 1, 11, 16]),
    )
    def recv(
        self,
        data: st.DataObject,
        queue: str | None,
        count: int,
        wait: float,
        max_bytes: int | None,
    ) -> None:
        self.take(self.a_session(data), queue, count, wait, max_bytes)

    def take(
        self,
        session: str,
        queue: str | None,
        count: int,
        wait: float,
        max_bytes: int | None = None,
    ) -> None:
        self.model.touch(session)
        inbox = self.model.sessions[session] if queue is None else QUEUE
        waiting = self.model.recv(session, inbox, count, wait, max_bytes or math.inf)

        async def begin() -> asyncio.Future[Any]:
            return self.broker.recv(
                self.sessions[session], max=count, wait=wait, queue=queue, max_bytes=max_bytes
            )

        self.parked.append((waiting, self.run(begin())))

    @holds(lambda model: model.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        waiting = data.draw(st.sampled_from(self.model.waiting))
        [future] = [future for found, future in self.parked if found is waiting]
        self.parked.remove((waiting, future))
        self.model.waiting.remove(waiting)
        future.cancel()

    @holds(leased)
    @rule(data=st.data(), by_lease=st.booleans())
    def ack(self, data: st.DataObject, by_lease: bool) -> None:
        session, mail = self.a_lease(data)
        self.end(session, mail, self.leases[mail.id] if by_lease else None)

    def end(self, session: str, mail: Mail, lease: str | None = None) -> None:
        self.model.touch(session)
        self.call("ack", self.sessions[session], [mail.id], lease)
        self.model.end(mail)

    @holds(lambda model: model.sessions and model.mail)
    @rule(data=st.data())
    def ack_of_what_is_not_held(self, data: st.DataObject) -> None:
        session = self.a_session(data)
        mail = data.draw(st.sampled_from(self.model.mail))
        for lease in (None, "0-0") if mail.session != session else ("0-0",):
            self.model.touch(session)
            with pytest.raises(StaleLeaseError, match=f"message {mail.id} "):
                self.call("ack", self.sessions[session], [mail.id], lease)

    @holds(lambda model: leased(model) or any(model.lost.values()))
    @rule(data=st.data())
    def ack_turn(self, data: st.DataObject) -> None:
        concerned = {each for each in self.model.sessions if self.model.lost[each]}
        concerned |= {mail.session for mail in leased(self.model) if mail.session}
        session = data.draw(st.sampled_from(sorted(concerned)))
        lost = self.model.ack_turn(session)
        if not lost:
            self.call("ack_turn", self.sessions[session])
            return
        with pytest.raises(StaleLeaseError) as refused:
            self.call("ack_turn", self.sessions[session])
        assert all(f"message {number} " in str(refused.value) for number in lost)

    @holds(leased)
    @rule(data=st.data(), mode=st.sampled_from(NackMode), delay=st.sampled_from([None, 0, 10, 70]))
    def nack(self, data: st.DataObject, mode: NackMode, delay: int | None) -> None:
        self.give_back(*self.a_lease(data), mode, delay)

    def give_back(self, session: str, mail: Mail, mode: NackMode, delay: int | None) -> None:
        self.model.touch(session)
        self.call("nack", self.sessions[session], mail.id, mode, delay=delay)
        if mode is NackMode.REJECT:
            self.model.bury(mail)
        elif mode is NackMode.DEFER:
            self.model.put_back(mail, self.model.time + delay if delay else 0.0, burn=False)
        else:
            rest = 2.0 ** (mail.attempts - 1) if delay is None else delay
            self.model.burn(mail, self.model.time + rest if rest else 0.0)
        self.model.follow_up()

    @holds(leased)
    @rule(data=st.data())
    def requeue_inflight(self, data: st.DataObject) -> None:
        session = self.a_session(data)
        assert self.call("requeue_inflight", self.sessions[session]) == self.model.requeue_inflight(
            session
        )

    @holds(leased)
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        session, mail = self.a_lease(data)
        self.model.touch(session)
        self.call("begin", self.sessions[session], [mail.id])

    # Faults and restarts

    @rule(seconds=st.sampled_from([1, 9, 30, 99, 100]))
    def advance(self, seconds: int) -> None:
        self.model.advance(seconds)
        self.run(advance(seconds))

    @precondition(lambda machine: machine.calm > 5)
    @rule(fault=st.sampled_from(["commit fails", "crash", "stop"]), to=names)
    def fault(self, fault: str, to: str) -> None:
        """Inject a fault; `calm` makes that rare, so that requests happen in between."""
        self.calm = 0
        if fault != "commit fails":
            self.reopen(crash=fault == "crash")
        elif not self.model.waiting and not self.model.refuses("alice", to):
            self.commit_fails(to)

    def commit_fails(self, to: str) -> None:
        self.faults.full = True
        with pytest.raises(StoreFullError):
            self.call("send", Draft("alice", Kind.AGENT, to, "lost"))
        self.faults.full = False
        self.run(advance(2))
        self.model.last_id += 1
        self.model.reload()
        for mail in leased(self.model):  # the writer tries again after a second
            mail.lease_ends = max(mail.lease_ends, self.model.time + 1 + LEASE)
        self.model.advance(2)

    def reopen(self, *, crash: bool) -> None:
        if crash:
            self.faults.dead = True
        else:
            self.run(self.stack.aclose())
        self.runner.close()
        self.forget_parked()
        self.model.restart()
        self.start()

    def forget_parked(self) -> None:
        for _, future in self.parked:
            if future.done() and not future.cancelled():
                future.exception()  # pending requests were answered with it
        self.parked.clear()

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.run(self.stack.aclose())
            self.runner.close()
        self.forget_parked()
        self.directory.cleanup()

    # Invariants

    @invariant()
    def receivers_have_what_the_model_says(self) -> None:
        self.calm += 1
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
                if not one.redelivered and one.id not in self.out_of_turn:
                    kind = (one.sender, waiting.inbox, self.priorities.get(one.id, Priority.NORMAL))
                    seen = self.first_deliveries.setdefault(kind, [])
                    assert not seen or seen[-1] < one.id, "per sender, inbox and class: in order"
                    seen.append(one.id)

    @invariant()
    def what_is_on_disk_and_shown_is_what_the_model_says(self) -> None:
        if not hasattr(self, "broker"):
            return
        with closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute(
                "SELECT id, inbox, sender, state, attempts, deliveries FROM messages "
                "WHERE state IN ('stored', 'leased', 'parked') ORDER BY id"
            ).fetchall()
            dead = connection.execute("SELECT id FROM messages WHERE state = 'dead'").fetchall()
        assert rows == [
            (mail.id, mail.inbox, mail.sender, mail.state, mail.attempts, mail.deliveries)
            for mail in self.model.mail
        ]
        assert {number for (number,) in dead} == set(self.model.dead)
        recount(self.broker.service.rules.table)
        for name in (*NAMES, QUEUE):
            unread = sum(mail.inbox == name for mail in self.model.mail)
            assert self.broker.unread(name) == unread
        assert {frozenset(loop.pair) for loop in self.broker.loops()} == self.model.tripped


@pytest.mark.slow
@pytest.mark.timeout(600)  # the runs of the `ci` profile take half a minute
class TestBroker(BrokerMachine.TestCase):  # type: ignore[misc]  # made at run time
    """Runs the machine."""

    settings = MACHINE_RUNS
