"""Decisions about approvals."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.approvals.decisions import OPEN, Decision, OperatorChoice, cancel, decide, expire, finish
from hive.errors import BadRequestError, ConflictError
from hive.store.approvals import Approval, ApprovalKind, ApprovalState
from hive.wire.enums import OnExpiry

SHA = "ab" * 20
PENDING = Approval(ApprovalKind.APPLY_COMMIT, "alice", "hm1nd", 100.0, id=7, sha=SHA)
APPROVE = Decision(OperatorChoice.APPROVE, "operator (uid 0)")
DENY = Decision(OperatorChoice.DENY, "operator (uid 0)", note="no")

FINAL = frozenset(ApprovalState) - OPEN - {ApprovalState.APPROVED}


def in_state(state: ApprovalState) -> Approval:
    ended = 150.0 if state in FINAL else None
    return attrs.evolve(PENDING, state=state, ended_at=ended)


def test_a_decision_is_noted_with_its_time_and_reason() -> None:
    approved = decide(PENDING, APPROVE, 120.0)
    assert approved.state is ApprovalState.APPROVED
    assert (approved.decided_at, approved.decided_by) == (120.0, "operator (uid 0)")
    assert approved.ended_at is None
    denied = decide(PENDING, DENY, 120.0)
    assert (denied.state, denied.note, denied.ended_at) == (ApprovalState.DENIED, "no", 120.0)


@pytest.mark.parametrize("state", OPEN)
def test_what_waits_can_be_decided(state: ApprovalState) -> None:
    assert decide(in_state(state), APPROVE, 1.0).state is ApprovalState.APPROVED
    assert decide(in_state(state), DENY, 1.0).state is ApprovalState.DENIED


@pytest.mark.parametrize(
    ("decision", "states"),
    [
        (APPROVE, (ApprovalState.APPROVED, ApprovalState.DONE, ApprovalState.FAILED)),
        (DENY, (ApprovalState.DENIED,)),
    ],
)
def test_the_same_decision_again_changes_nothing(
    decision: Decision, states: tuple[ApprovalState, ...]
) -> None:
    for state in states:
        before = in_state(state)
        assert decide(before, decision, 999.0) is before
    for state in frozenset(ApprovalState) - OPEN - set(states):
        with pytest.raises(ConflictError, match=r"approval 7 .*nothing was changed"):
            decide(in_state(state), decision, 999.0)


@pytest.mark.parametrize("shown", [SHA, SHA[:7], SHA[:7].upper(), None])
def test_a_decision_about_the_commit_that_was_shown_counts(shown: str | None) -> None:
    assert decide(PENDING, attrs.evolve(APPROVE, sha=shown), 1.0).state is ApprovalState.APPROVED


def test_a_decision_about_another_commit_is_refused() -> None:
    with pytest.raises(ConflictError, match=r"for the commit abababababab, .*about cdcdcdc; look"):
        decide(PENDING, attrs.evolve(APPROVE, sha="cdcdcdc"), 1.0)


@pytest.mark.parametrize("shown", ["", "a", SHA[:6]])
def test_a_few_digits_name_no_commit(shown: str) -> None:
    with pytest.raises(BadRequestError, match="7 to 40"):
        decide(in_state(ApprovalState.PENDING), attrs.evolve(APPROVE, sha=shown), 5.0)


def test_a_commit_is_refused_where_there_is_none() -> None:
    approval = attrs.evolve(in_state(ApprovalState.PENDING), sha=None)
    assert decide(approval, APPROVE, 5.0).state is ApprovalState.APPROVED
    with pytest.raises(ConflictError, match="about no commit"):
        decide(approval, attrs.evolve(APPROVE, sha=SHA), 5.0)


def test_an_end_is_noted_once() -> None:
    approved = decide(PENDING, APPROVE, 120.0)
    done = finish(approved, None, 130.0)
    assert (done.state, done.ended_at, done.error) == (ApprovalState.DONE, 130.0, None)
    assert finish(done, "late", 140.0) is done
    failed = finish(approved, "no such image", 130.0)
    assert (failed.state, failed.error) == (ApprovalState.FAILED, "no such image")
    assert finish(PENDING, None, 1.0) is PENDING


def test_only_what_waits_can_be_cancelled() -> None:
    cancelled = cancel(PENDING, "alice is gone", 5.0)
    assert (cancelled.state, cancelled.note) == (ApprovalState.CANCELLED, "alice is gone")
    for state in frozenset(ApprovalState) - OPEN:
        with pytest.raises(ConflictError, match="cannot be cancelled"):
            cancel(in_state(state), "x", 5.0)


@pytest.mark.parametrize(
    ("on_expiry", "state"),
    [
        (OnExpiry.DENY, ApprovalState.EXPIRED),
        (OnExpiry.HOLD, ApprovalState.HELD),
        (OnExpiry.ESCALATE, ApprovalState.HELD),
    ],
)
def test_a_deadline_counts_from_its_time_on_and_once(
    on_expiry: OnExpiry, state: ApprovalState
) -> None:
    due = attrs.evolve(PENDING, expires_at=200.0, on_expiry=on_expiry)
    assert expire(due, 199.9) is due
    after = expire(due, 200.0)
    assert after.state is state
    assert expire(after, 999.0) is after
    assert expire(PENDING, 1e12) is PENDING


STEPS = st.lists(st.sampled_from(["approve", "deny", "finish", "fail", "cancel", "expire"]))


@given(STEPS, st.sampled_from(OnExpiry))
def test_a_final_state_is_final_and_a_verdict_is_never_turned(
    steps: list[str], on_expiry: OnExpiry
) -> None:
    now, verdicts = 100.0, set()
    approval = attrs.evolve(PENDING, expires_at=103.0, on_expiry=on_expiry)
    for step in steps:
        now, before = now + 1, approval
        try:
            match step:
                case "approve":
                    approval = decide(approval, APPROVE, now)
                case "deny":
                    approval = decide(approval, DENY, now)
                case "finish":
                    approval = finish(approval, None, now)
                case "fail":
                    approval = finish(approval, "failed", now)
                case "cancel":
                    approval = cancel(approval, "x", now)
                case _:
                    approval = expire(approval, now)
        except ConflictError:
            assert before.state not in OPEN
        if before.state in FINAL:
            assert approval is before
        assert (approval.ended_at is not None) is (approval.state in FINAL)
        if approval.state in {ApprovalState.APPROVED, ApprovalState.DENIED}:
            verdicts.add(approval.state)
    assert len(verdicts) <= 1
