"""Approvals and deploys together, in any order of requests, decisions, deadlines and crashes.

The approval queue is the real one on a real file; a deploy goes by the real table of steps, with
outcomes that the machine chooses, and survives a crash as the disk has it.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hive.approvals.approval_queue import ApprovalQueue, Decider
from hive.approvals.deadline_clock import DeadlineClock
from hive.approvals.decisions import OPEN, OperatorChoice
from hive.clock import Clock
from hive.deploys import steps
from hive.errors import FailedError, HiveError
from hive.event_log import EventLog
from hive.store import InlineEngine, Store, audit
from hive.store.approvals import Approval, ApprovalKind, ApprovalState
from hive.store.deploys import Deploy, DeploySource, DeployStep
from hive.wire.enums import OnExpiry

BY = Decider()
NUMBERS = st.integers(0, 7)
FINAL = frozenset(ApprovalState) - OPEN - {ApprovalState.APPROVED}


class Wall(Clock):
    """Wall time that the machine moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at


class Mail:
    """Counts the notices about ends; each is sent at least once, also across crashes."""

    def __init__(self) -> None:
        self.resolved_ids: list[int] = []

    def requested(self, approval: Approval, waiting: int) -> None:
        assert waiting >= 1

    def overdue(self, approval: Approval) -> None:
        assert approval.state is ApprovalState.HELD

    async def record_end(self, approval: Approval) -> dict[str, str]:
        return {}

    def resolved(self, approval: Approval, facts: object) -> None:
        assert approval.ended_at is not None
        self.resolved_ids.append(approval.id)


class Deploys:
    """The table of deploys and what runs, both as on disk; one step at a time."""

    def __init__(self) -> None:
        self.rows: dict[int, Deploy] = {}
        self.running: str | None = None
        self.before: dict[int, str | None] = {}
        self.changed = asyncio.Event()

    async def carry_out(self, approval: Approval) -> None:
        assert approval.sha is not None
        new = Deploy(approval.name, DeploySource.APPROVAL, approval.sha, 0.0, approval=approval.id)
        self.rows.setdefault(approval.id, new)
        while (row := self.rows[approval.id]).ended_at is None:
            self.changed.clear()
            await self.changed.wait()
        if row.step is not DeployStep.DEPLOYED:
            raise FailedError(f"deploy {row.step.value}: {row.error}")

    def present(self) -> Deploy | None:
        """Return the deploy whose turn it is: the first that has not ended."""
        return next((row for row in self.rows.values() if row.ended_at is None), None)

    def step(self, error: str | None) -> None:
        row = self.present()
        assert row is not None
        number = row.approval
        assert number is not None
        if row.step is DeployStep.APPLYING and error is None:
            self.before.setdefault(number, self.running)
            self.running = row.sha
        if row.step is DeployStep.ROLLING_BACK and number in self.before:
            self.running = self.before[number]
        self.rows[number] = steps.advance(row, error, 1.0)
        self.changed.set()

    def cancel(self) -> None:
        row = self.present()
        assert row is not None
        assert row.approval is not None
        self.rows[row.approval] = steps.cancel(row, "no", 1.0)
        self.changed.set()

    def crash(self) -> None:
        self.rows = {key: steps.resume(row) for key, row in self.rows.items()}


class ApprovalMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.clock, self.mail, self.deploys = Wall(), Mail(), Deploys()
        self.finals: dict[int, ApprovalState] = {}
        self.audited = 0
        self.submitted = 0
        self.deployed: str | None = None
        self.store: Store | None = None
        self.run(self.reopen())
        self.submit(OnExpiry.DENY, 5)
        self.submit(OnExpiry.HOLD, None)

    def run(self, coroutine: Any) -> Any:
        async def and_settle() -> Any:
            try:
                return await coroutine
            finally:
                for _ in range(30):
                    await asyncio.sleep(0)

        return self.loop.run_until_complete(and_settle())

    async def reopen(self) -> None:
        if self.store is not None:
            await self.queue.close()
            await self.store.close()
            self.deploys.crash()
        self.store = Store(Path(self.directory.name) / "hive.sqlite", InlineEngine())
        await self.store.open()
        self.queue = ApprovalQueue(
            self.store,
            EventLog(self.store, self.clock),
            self.mail,
            self.clock,
            DeadlineClock(self.clock, self.clock.now),
        )
        self.queue.register(ApprovalKind.APPLY_COMMIT, self.deploys.carry_out)
        await self.queue.open()

    def known(self, number: int) -> int:
        """Return the number of an approval that was submitted, seldom of none."""
        return 1 + number % (self.submitted + 1) if number == 7 else 1 + number % self.submitted

    @rule(on_expiry=st.sampled_from(OnExpiry), ttl=st.none() | st.integers(1, 9))
    def submit(self, on_expiry: OnExpiry, ttl: int | None) -> None:
        if self.submitted == 4:
            return
        now = self.clock.now()
        draft = Approval(
            *(ApprovalKind.APPLY_COMMIT, "alice", "hm1nd", now),
            sha=f"{self.submitted:07x}" + "0" * 33,
            expires_at=None if ttl is None else now + ttl,
            on_expiry=on_expiry,
        )
        self.run(self.queue.submit(draft))
        self.submitted += 1

    @rule(
        number=NUMBERS,
        choice=st.sampled_from(OperatorChoice),
        wrong=st.sampled_from([False, False, False, True]),
    )
    def decide(self, number: int, choice: OperatorChoice, wrong: bool) -> None:
        number = self.known(number)
        before = self.run(self.queue.find(number))
        late = (
            before is not None
            and before.state is ApprovalState.PENDING
            and before.expires_at is not None
            and before.expires_at <= self.clock.now()
            and before.on_expiry is OnExpiry.DENY
        )
        try:
            after = self.run(self.queue.decide(number, choice, BY, sha="f" * 40 if wrong else None))
        except HiveError:
            found = self.run(self.queue.find(number))
            assert late or found == before, "a refusal changes nothing"
            return
        assert before is not None
        assert not wrong
        assert not late
        if before.state in OPEN:
            agrees = choice is OperatorChoice.APPROVE
            assert after.state is (ApprovalState.APPROVED if agrees else ApprovalState.DENIED)
        else:
            assert after == before, "a repeat changes nothing"

    @rule(number=NUMBERS)
    def withdraw(self, number: int) -> None:
        number = self.known(number)
        before = self.run(self.queue.find(number))
        try:
            self.run(self.queue.cancel(number, "hm1nd", "no"))
        except HiveError:
            assert before is None or before.state not in OPEN
        else:
            assert before is not None
            assert before.state in OPEN

    @rule(seconds=st.integers(1, 40))
    def wait(self, seconds: int) -> None:
        self.clock.at += seconds
        self.run(self.queue.expire())
        for each in self.queue.pending:
            due = each.expires_at is not None and each.expires_at <= self.clock.now()
            assert not (due and each.state is ApprovalState.PENDING)

    @rule(seconds=st.integers(1, 40))
    def pass_time(self, seconds: int) -> None:
        self.clock.at += seconds

    @precondition(lambda self: self.deploys.present() is not None)
    @rule(error=st.none() | st.none() | st.just("it broke"))
    def step(self, error: str | None) -> None:
        row = self.deploys.present()
        self.deploys.step(error)
        ended = self.deploys.rows[row.approval]
        if ended.step is DeployStep.DEPLOYED:
            self.deployed = ended.sha
        self.run(asyncio.sleep(0))

    @precondition(
        lambda self: (row := self.deploys.present()) is not None and row.step in steps.HARMLESS
    )
    @rule()
    def cancel_deploy(self) -> None:
        self.deploys.cancel()
        self.run(asyncio.sleep(0))

    @rule()
    def crash(self) -> None:
        self.run(self.reopen())

    @invariant()
    def a_final_state_is_final(self) -> None:
        for approval in self.run(self.queue.newest(100)):
            known = self.finals.get(approval.id)
            assert known is None or known is approval.state
            if approval.state in FINAL:
                self.finals[approval.id] = approval.state
                assert approval.ended_at is not None
                assert approval.id in self.mail.resolved_ids

    @invariant()
    def nothing_is_deployed_without_a_decision(self) -> None:
        entries = self.run(self.store.read(audit.newest(1000)))
        approved = [each.approval for each in entries if each.verb == "approve" and each.done]
        assert len(approved) == len(set(approved)), "a decision counts once"
        assert set(self.deploys.rows) <= set(approved)
        states = {each.id: each.state for each in self.run(self.queue.newest(100))}
        for number, row in self.deploys.rows.items():
            if row.ended_at is not None:
                good = row.step is DeployStep.DEPLOYED
                assert states[number] is (ApprovalState.DONE if good else ApprovalState.FAILED)
            else:
                assert states[number] is ApprovalState.APPROVED

    @invariant()
    def what_runs_is_what_was_deployed_last(self) -> None:
        row = self.deploys.present()
        if row is None or row.step in steps.HARMLESS | {DeployStep.APPLYING}:
            assert self.deploys.running == self.deployed

    @invariant()
    def the_audit_only_grows(self) -> None:
        entries = self.run(self.store.read(audit.newest(1000)))
        assert len(entries) >= self.audited
        assert [each.seq for each in entries] == list(range(1, len(entries) + 1))
        self.audited = len(entries)

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            self.run(self.queue.close())
            self.run(self.store.close())
            self.loop.close()
            self.directory.cleanup()


TestApprovals = ApprovalMachine.TestCase
TestApprovals.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
