"""The rules of approvals: a pure state machine.

    pending ──> approved ──> done | failed
       │ └────> denied | expired | cancelled
       └──> held ──> approved | denied | cancelled

A decision is bound to the number of the approval and to the commit that the operator was shown. To
repeat a decision is no error; to decide otherwise is. Each function returns the new approval; the
caller writes it.
"""

from __future__ import annotations

from enum import StrEnum

import attrs
from attrs import frozen

from hive.errors import BadRequestError, ConflictError
from hive.store.approvals import Approval, ApprovalState
from hive.wire.enums import OnExpiry

OPEN = frozenset({ApprovalState.PENDING, ApprovalState.HELD})
"""States in which the operator can decide."""

AGREED = frozenset({ApprovalState.APPROVED, ApprovalState.DONE, ApprovalState.FAILED})
"""States of an approval that was approved."""

SHA_DIGITS_MIN = 7
"""Fewest digits by which a decision may name the commit that it is about."""

_SHORT = 12


class OperatorChoice(StrEnum):
    """A decision of the operator."""

    APPROVE = "approve"
    DENY = "deny"


@frozen
class Decision:
    """A decision about one approval.

    Attributes:
        sha: The commit that the operator was shown; None stands for the one that was submitted.
        by: Who decides, in words.
        note: The reason.
    """

    verdict: OperatorChoice
    by: str
    sha: str | None = None
    note: str | None = None


def decide(approval: Approval, decision: Decision, now: float) -> Approval:
    """Return the approval after a decision; the same one if it was decided so before.

    Raises:
        BadRequestError: The commit of the decision has too few digits.
        ConflictError: It was decided otherwise, has ended, or the operator was shown another
            commit.
    """
    _require_same_commit(approval, decision.sha)
    agrees = decision.verdict is OperatorChoice.APPROVE
    if approval.state in OPEN:
        return attrs.evolve(
            approval,
            state=ApprovalState.APPROVED if agrees else ApprovalState.DENIED,
            decided_at=now,
            decided_by=decision.by,
            note=decision.note,
            ended_at=None if agrees else now,
        )
    is_repeated = approval.state in AGREED if agrees else approval.state is ApprovalState.DENIED
    if not is_repeated:
        raise ConflictError(f"approval {approval.id} {_past(approval)}; nothing was changed")
    return approval


def finish(approval: Approval, error: str | None, now: float) -> Approval:
    """Return an approved approval after it was carried out, or after that failed."""
    if approval.state is not ApprovalState.APPROVED:
        return approval
    state = ApprovalState.DONE if error is None else ApprovalState.FAILED
    return attrs.evolve(approval, state=state, ended_at=now, error=error)


def cancel(approval: Approval, reason: str, now: float) -> Approval:
    """Return an approval after the one who asked took it back, or its subject is gone.

    Raises:
        ConflictError: It was decided already.
    """
    if approval.state not in OPEN:
        raise ConflictError(f"approval {approval.id} {_past(approval)}; it cannot be cancelled")
    return attrs.evolve(approval, state=ApprovalState.CANCELLED, ended_at=now, note=reason)


def expire(approval: Approval, now: float) -> Approval:
    """Return an approval after its deadline; the same one before it, or without an effect."""
    is_due = approval.expires_at is not None and approval.expires_at <= now
    if not is_due or approval.state is not ApprovalState.PENDING:
        return approval
    if approval.on_expiry is OnExpiry.DENY:
        return attrs.evolve(approval, state=ApprovalState.EXPIRED, ended_at=now)
    return attrs.evolve(approval, state=ApprovalState.HELD)


def _require_same_commit(approval: Approval, shown: str | None) -> None:
    if shown is None:
        return
    if len(shown) < SHA_DIGITS_MIN:
        raise BadRequestError(
            f"{shown!r} is too short for a commit; give {SHA_DIGITS_MIN} to 40 hexadecimal digits"
        )
    if approval.sha is None:
        raise ConflictError(
            f"approval {approval.id} is about no commit, and you decided about {shown[:_SHORT]}"
        )
    if approval.sha.startswith(shown.lower()):
        return
    raise ConflictError(
        f"approval {approval.id} is for the commit {approval.sha[:_SHORT]}, and you decided about "
        f"{shown[:_SHORT]}; look at 'hive-c0re diff {approval.id}' and decide again"
    )


def _past(approval: Approval) -> str:
    """Return what became of an approval, as the end of a sentence."""
    by = f" by {approval.decided_by}" if approval.decided_by else ""
    match approval.state:
        case ApprovalState.APPROVED:
            return f"was approved{by} and is being carried out"
        case ApprovalState.DONE:
            return f"was approved{by} and carried out"
        case ApprovalState.FAILED:
            return f"was approved{by} and failed: {approval.error}"
        case ApprovalState.EXPIRED:
            return "has expired without a decision"
        case _:
            return f"was {approval.state.value}{by}"
