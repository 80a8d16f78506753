"""Schedules that are asked for: the operator's own are made at once, others after an approval."""

from __future__ import annotations

from attrs import evolve

from hive.approvals.approval_queue import ApprovalQueue
from hive.approvals.terms import Terms
from hive.clock import Clock
from hive.errors import ConflictError
from hive.participants.registry import Registry
from hive.schedules.schedule_service import Schedules, ScheduleWish
from hive.store import Origin
from hive.store.approvals import Approval, ApprovalKind
from hive.store.schedules import Schedule


class ScheduleRequests:
    """Makes schedules, and asks for them.

    Args:
        schedules: The schedules.
        approvals: What waits for the operator.
        registry: The participants.
        clock: Wall time.
    """

    def __init__(
        self, schedules: Schedules, approvals: ApprovalQueue, registry: Registry, clock: Clock
    ) -> None:
        self._schedules = schedules
        self._approvals = approvals
        self._registry = registry
        self._clock = clock

    async def make(self, wish: ScheduleWish, origin: Origin) -> Schedule:
        """Make a schedule of the operator.

        Raises:
            BadRequestError: It is no schedule.
            ConflictError: There are too many.
            UnknownNameError: There is no such participant.
        """
        return await self._schedules.create(self._resolved(wish), origin)

    async def ask(self, wish: ScheduleWish, terms: Terms) -> Approval:
        """Submit a schedule for approval.

        Raises:
            HiveError: See `make`; or it waits already.
        """
        wish = self._resolved(wish)
        waiting = [
            each
            for each in self._approvals.requested_by(terms.by)
            if each.kind is ApprovalKind.SCHEDULE
        ]
        draft = await self._schedules.check(wish, waiting=len(waiting))
        detail = {
            "subject": f"{draft.recurrence} ({draft.timezone}): {draft.body}"[:200],
            "when": draft.recurrence,
            "timezone": draft.timezone,
            "body": draft.body,
        }
        approval = terms.draft(ApprovalKind.SCHEDULE, draft.name, self._clock.now(), detail)
        return await self._approvals.submit(approval, terms.origin)

    async def carry_out(self, approval: Approval) -> None:
        """Make the schedule of an approval. Idempotent.

        Raises:
            ConflictError: Its participant is gone, or there are too many.
        """
        if approval.name not in self._registry:
            raise ConflictError(f"{approval.name!r} was removed after this was submitted")
        detail = approval.details
        await self._schedules.create(
            ScheduleWish(
                approval.name,
                detail["when"],
                detail["timezone"],
                detail["body"],
                approval.requested_by,
                approval.description,
                approval.id,
            )
        )

    def _resolved(self, wish: ScheduleWish) -> ScheduleWish:
        """Return a wish with the name of its participant, which may be an alias."""
        return evolve(wish, to=self._registry.get(wish.to).name)
