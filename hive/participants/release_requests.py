"""Releases that the manager asks for; the operator's own need no approval."""

from __future__ import annotations

from hive.approvals.approval_queue import ApprovalQueue
from hive.approvals.terms import Terms
from hive.clock import Clock
from hive.errors import ConflictError
from hive.names import OPERATOR
from hive.participants.moves import Moves
from hive.participants.participant import Peer
from hive.participants.registry import Registry
from hive.store.approvals import Approval, ApprovalKind


class ReleaseRequests:
    """Asks for releases, and carries out those that are approved.

    Args:
        moves: Makes an agent a peer.
        approvals: What waits for the operator.
        registry: The participants.
        clock: Wall time.
    """

    def __init__(
        self, moves: Moves, approvals: ApprovalQueue, registry: Registry, clock: Clock
    ) -> None:
        self._moves = moves
        self._approvals = approvals
        self._registry = registry
        self._clock = clock

    async def ask(self, name: str, terms: Terms) -> Approval:
        """Submit a release for approval.

        Raises:
            HiveError: It could not be carried out as things are, see `Moves.release`; or it waits
                already.
        """
        unit = await self._moves.check_release(name)
        what = f"its container runs on as {unit}" if unit else "what it runs goes on by itself"
        detail = {"subject": what}
        name = self._registry.get(name).name
        draft = terms.draft(ApprovalKind.RELEASE, name, self._clock.now(), detail)
        return await self._approvals.submit(draft, terms.origin)

    async def carry_out(self, approval: Approval) -> None:
        """Carry out an approved release. Idempotent.

        Raises:
            ConflictError: It was removed, or a deploy of it goes on.
            FailedError: See `Moves.release`.
        """
        if approval.name not in self._registry:
            raise ConflictError(f"{approval.name!r} was removed after this was submitted")
        if isinstance(self._registry.get(approval.name), Peer):
            return  # an earlier daemon has done it, or the operator
        await self._moves.release(approval.name, by=approval.decided_by or OPERATOR)
