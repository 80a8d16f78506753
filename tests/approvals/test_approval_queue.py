"""The approval queue on a real store: decisions, the audit, and what a crash leaves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

from hive.approvals.approval_queue import PENDING_MAX, ApprovalQueue, Decider
from hive.approvals.decisions import OperatorChoice
from hive.clock import Clock, LoopClock
from hive.errors import ConflictError, FailedError, NotFoundError
from hive.event_log import EventLog
from hive.store import InlineEngine, Origin, Store, StoreError, audit
from hive.store.approvals import Approval, ApprovalKind, ApprovalState
from hive.store.audit import AuditEntry
from hive.wire.enums import OnExpiry

pytestmark = pytest.mark.sim

SHA = "ab" * 20
BY = Decider(Origin("/run/host.sock", 42, 1000, 1000))


class Notices:
    """Records the notices."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int, str]] = []

    def requested(self, approval: Approval, waiting: int) -> None:
        self.sent.append(("requested", approval.id, f"{approval.state.value}, {waiting}"))

    def overdue(self, approval: Approval) -> None:
        self.sent.append(("overdue", approval.id, approval.state.value))

    async def record_end(self, approval: Approval) -> dict[str, str]:
        return {}

    def resolved(self, approval: Approval, facts: object) -> None:
        self.sent.append(("resolved", approval.id, approval.state.value))


@attrs.define
class JumpingClock:
    """A wall clock that the test sets."""

    steady: LoopClock
    ahead: float = 0.0

    def now(self) -> float:
        return self.steady.now() + self.ahead


class Rig:
    """A queue on the file of this test, with an executor that records what it is given."""

    def __init__(self, store: Store, clock: Clock | None = None) -> None:
        self.store = store
        self.clock = clock or LoopClock(asyncio.get_running_loop())
        self.notices = Notices()
        events = EventLog(store, self.clock)
        self.queue = ApprovalQueue(store, events, self.notices, self.clock)
        self.executed: list[int] = []
        self.outcome: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.queue.register(ApprovalKind.APPLY_COMMIT, self._execute)

    async def _execute(self, approval: Approval) -> None:
        self.executed.append(approval.id)
        await self.gate.wait()
        if self.outcome is not None:
            raise self.outcome

    def draft(self, **changes: object) -> Approval:
        new = Approval(ApprovalKind.APPLY_COMMIT, "alice", "hm1nd", self.clock.now(), sha=SHA)
        return attrs.evolve(new, **changes)

    async def settled(self, number: int) -> Approval:
        while (found := await self.queue.get(number)).ended_at is None:
            await asyncio.sleep(0.01)
        return found

    async def audited(self) -> list[tuple[str, bool, int | None]]:
        entries = await self.store.read(audit.newest(100))
        return [(each.verb, each.done, each.approval) for each in entries]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hive.sqlite"


@asynccontextmanager
async def opened(path: Path, clock: Clock | None = None) -> AsyncIterator[Rig]:
    async with Store(path, InlineEngine()) as store:
        rig = Rig(store, clock)
        await rig.queue.open()
        try:
            yield rig
        finally:
            await rig.queue.close()


async def test_an_approval_is_decided_carried_out_and_told(path: Path) -> None:
    async with opened(path) as rig:
        new = await rig.queue.submit(rig.draft(description="more memory"))
        assert [each.id for each in rig.queue.pending] == [new.id]
        decided = await rig.queue.decide(
            new.id, OperatorChoice.APPROVE, BY, sha=SHA[:8], note="fine"
        )
        assert decided.state is ApprovalState.APPROVED
        done = await rig.settled(new.id)
        assert (done.state, done.note, done.decided_by) == (
            *(ApprovalState.DONE, "fine", "operator (uid 1000)"),
        )
        assert rig.executed == [new.id]
        assert rig.queue.pending == ()
        assert rig.notices.sent == [("requested", 1, "pending, 1"), ("resolved", 1, "done")]
        assert await rig.audited() == [
            *(("submit", True, 1), ("approve", True, 1), ("carry_out", True, 1)),
        ]


async def test_the_audit_has_socket_and_user_of_what_was_decided(path: Path) -> None:
    async with opened(path) as rig:
        new = await rig.queue.submit(rig.draft())
        with pytest.raises(ConflictError):
            await rig.queue.decide(new.id, OperatorChoice.APPROVE, BY, sha="cdcdcdc")
        with pytest.raises(NotFoundError, match="waiting: 1"):
            await rig.queue.decide(99, OperatorChoice.APPROVE, BY)
        await rig.queue.decide(new.id, OperatorChoice.DENY, BY, note="too much")
        with pytest.raises(ConflictError, match=r"was denied by operator \(uid 1000\)"):
            await rig.queue.decide(new.id, OperatorChoice.APPROVE, BY)
        entries = await rig.store.read(audit.newest(100))
        assert [(each.verb, each.done, each.approval) for each in entries] == [
            *(("submit", True, 1), ("deny", True, 1)),
        ]
        assert entries[1].origin == BY.origin
        assert entries[1].reason == "too much"
        assert rig.executed == []


async def test_a_failure_ends_an_approval_with_its_reason(path: Path) -> None:
    async with opened(path) as rig:
        rig.outcome = FailedError("no such image")
        first = await rig.queue.submit(rig.draft())
        await rig.queue.decide(first.id, OperatorChoice.APPROVE, BY)
        assert (await rig.settled(first.id)).error == "no such image"
        rig.outcome = RuntimeError("oops")
        second = await rig.queue.submit(rig.draft())
        await rig.queue.decide(second.id, OperatorChoice.APPROVE, BY)
        assert "a bug in hive-c0re (RuntimeError: oops)" in ((await rig.settled(2)).error or "")
        third = await rig.queue.submit(rig.draft(kind=ApprovalKind.SCHEDULE))
        await rig.queue.decide(third.id, OperatorChoice.APPROVE, BY)
        assert "cannot carry out 'schedule'" in ((await rig.settled(3)).error or "")


async def test_what_was_approved_is_carried_out_by_the_next_daemon(path: Path) -> None:
    async with opened(path) as rig:
        rig.gate.clear()
        new = await rig.queue.submit(rig.draft())
        await rig.queue.submit(rig.draft(sha="cd" * 20))
        await rig.queue.decide(new.id, OperatorChoice.APPROVE, BY)
        await asyncio.sleep(1)
        assert rig.executed == [1]
    async with opened(path) as rig:
        assert (await rig.settled(new.id)).state is ApprovalState.DONE
        assert rig.executed == [1]
        assert [each.id for each in rig.queue.pending] == [2]


async def test_a_decision_in_parallel_counts_once(path: Path) -> None:
    async with opened(path) as rig:
        new = await rig.queue.submit(rig.draft())
        decisions = [
            rig.queue.decide(new.id, verdict, BY) for verdict in (*OperatorChoice, *OperatorChoice)
        ]
        outcomes = await asyncio.gather(*decisions, return_exceptions=True)
        state = (await rig.settled(new.id)).state
        assert state in {ApprovalState.DONE, ApprovalState.DENIED}
        refused = [each for each in outcomes if isinstance(each, ConflictError)]
        assert len(refused) == 2
        assert rig.executed == ([1] if state is ApprovalState.DONE else [])


async def test_deadlines_deny_or_hold(path: Path) -> None:
    async with opened(path) as rig:
        soon = rig.clock.now() + 10
        for number, on_expiry in enumerate(OnExpiry):
            draft = rig.draft(sha=f"{number}" * 40, expires_at=soon, on_expiry=on_expiry)
            await rig.queue.submit(draft)
        await rig.queue.expire()
        assert len(rig.queue.pending) == 3
        await asyncio.sleep(10)
        await rig.queue.expire()
        await rig.queue.expire()
        states = [(await rig.queue.get(number)).state.value for number in (1, 2, 3)]
        assert states == ["expired", "held", "held"]
        assert rig.notices.sent[3:] == [
            *(("resolved", 1, "expired"), ("overdue", 2, "held"), ("overdue", 3, "held")),
        ]
        held = await rig.queue.decide(2, OperatorChoice.APPROVE, BY)
        assert held.state is ApprovalState.APPROVED


async def test_a_decision_after_the_deadline_is_too_late(path: Path) -> None:
    """Also before the next look at the deadlines."""
    async with opened(path) as rig:
        draft = rig.draft(expires_at=rig.clock.now() + 10, on_expiry=OnExpiry.DENY)
        await rig.queue.submit(draft)
        await asyncio.sleep(10)
        with pytest.raises(ConflictError, match="has expired"):
            await rig.queue.decide(1, OperatorChoice.APPROVE, BY)
        assert (await rig.queue.get(1)).state is ApprovalState.EXPIRED
        assert rig.executed == []
        assert await rig.audited() == [("submit", True, 1), ("expire", True, 1)]


async def test_the_number_that_waits_is_bounded_and_the_same_waits_once(path: Path) -> None:
    async with opened(path) as rig:
        for number in range(PENDING_MAX):
            await rig.queue.submit(rig.draft(sha=f"{number:040x}"))
        with pytest.raises(ConflictError, match=f"'hm1nd' has {PENDING_MAX} approvals waiting"):
            await rig.queue.submit(rig.draft())
        await rig.queue.submit(rig.draft(requested_by="operator"))
        await rig.queue.cancel(1, "hm1nd", "changed my mind")
        with pytest.raises(ConflictError, match="approval 2 asks for the same"):
            await rig.queue.submit(rig.draft(sha=f"{1:040x}"))
        assert (await rig.queue.get(1)).note == "changed my mind"


@pytest.mark.parametrize("ahead", [-3600.0, 400 * 86400.0])
async def test_a_deadline_runs_on_whatever_the_wall_clock_does(path: Path, ahead: float) -> None:
    wall = JumpingClock(LoopClock(asyncio.get_running_loop()))
    async with opened(path, clock=wall) as rig:
        soon = wall.now() + 60
        await rig.queue.submit(rig.draft(expires_at=soon, on_expiry=OnExpiry.DENY))
        wall.ahead = ahead
        await asyncio.sleep(59)
        await rig.queue.expire()
        assert len(rig.queue.pending) == 1
        await asyncio.sleep(1)
        await rig.queue.expire()
        assert len(rig.queue.pending) == 0


async def test_a_deadline_of_an_earlier_daemon_is_over_when_both_clocks_say_so(path: Path) -> None:
    wall = JumpingClock(LoopClock(asyncio.get_running_loop()))
    async with opened(path, clock=wall) as rig:
        draft = rig.draft(expires_at=wall.now() + 60, on_expiry=OnExpiry.DENY)
        await rig.queue.submit(draft)
    async with opened(path, clock=wall) as rig:
        wall.ahead = 400 * 86400.0
        await asyncio.sleep(59)
        await rig.queue.expire()
        assert len(rig.queue.pending) == 1
        wall.ahead = -10.0
        await asyncio.sleep(9)
        await rig.queue.expire()
        assert len(rig.queue.pending) == 1
        await asyncio.sleep(2)
        await rig.queue.expire()
        assert len(rig.queue.pending) == 0


async def test_a_deadline_that_is_stored_is_told_although_the_next_one_cannot_be(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(path) as rig:
        soon = rig.clock.now() + 10
        for digit in "12":
            draft = rig.draft(sha=digit * 40, expires_at=soon, on_expiry=OnExpiry.DENY)
            await rig.queue.submit(draft)
        await asyncio.sleep(10)
        rig.notices.sent.clear()
        save, failures = rig.queue._save, iter([StoreError("the disk is full")])

        async def full_at_the_second(approval: Approval, entry: AuditEntry) -> None:
            if approval.id != 1:
                for error in failures:
                    raise error
            await save(approval, entry)

        monkeypatch.setattr(rig.queue, "_save", full_at_the_second)
        with pytest.raises(StoreError):
            await rig.queue.expire()
        assert rig.notices.sent == [("resolved", 1, "expired")]
        await rig.queue.expire()
        assert rig.notices.sent == [("resolved", 1, "expired"), ("resolved", 2, "expired")]
