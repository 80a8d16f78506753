"""The actor of approvals and deploys: it opens both when the participants are there."""

from __future__ import annotations

from actors import Actor, ExitReason
from hive.approvals.approval_queue import ApprovalQueue
from hive.deploys.deploy_queue import DeployQueue
from hive.deploys.input_updates import InputUpdates
from hive.deploys.proposals import Proposals
from hive.errors import HiveError

LOOK_PERIOD = 10.0
"""Seconds between two looks at what waits: also whether that has become void meanwhile."""

LOOK = "look"

EXPIRE = "expire"

SET_ALARM = "set alarm"


class ChangesActor(Actor[str]):
    """Owns the start and the stop of the approval queue and of the deploy queue.

    Args:
        approvals: What waits for the operator.
        proposals: Its proposals.
        deploys: What is carried out.
        inputs: The updates of inputs among them.
    """

    def __init__(
        self,
        approvals: ApprovalQueue,
        proposals: Proposals,
        deploys: DeployQueue,
        inputs: InputUpdates,
    ) -> None:
        self._approvals = approvals
        self._proposals = proposals
        self._deploys = deploys
        self._inputs = inputs

    async def on_start(self) -> None:
        """Read both from the store, and go on with what an earlier daemon has left."""
        await self._proposals.remove_leftovers()
        await self._deploys.open()
        ref = self.context.ref
        await self._approvals.open(lambda: ref.tell(SET_ALARM))
        self.context.create_task(self._look(tag=True), name="approvals")

    def receive(self, message: str) -> None:
        """Look at what waits or at its deadlines in a task, or set the alarm for the next one."""
        if message == SET_ALARM:
            self._set_alarm()
        else:
            looks = self._look() if message == LOOK else self._expire()
            self.context.create_task(looks, name="approvals")

    def _set_alarm(self) -> None:
        """Set the timer for the next deadline, which is met on time."""
        delay = self._approvals.delay()
        if delay is None:
            self.context.cancel_timer(EXPIRE)
        else:
            self.context.start_timer(delay, EXPIRE, key=EXPIRE)

    async def on_stop(self, reason: ExitReason) -> None:
        """Interrupt what is being carried out; the next start goes on with it."""
        await self._approvals.close()
        await self._deploys.close()

    async def _look(self, *, tag: bool = False) -> None:
        try:
            if tag:
                await self._proposals.open()
            await self._proposals.cancel_orphans()
            await self._inputs.cancel_outdated()
        except HiveError:
            pass  # the store reports its trouble itself, and a repository that is broken its use
        await self._expire()
        self.context.start_timer(LOOK_PERIOD, LOOK)

    async def _expire(self) -> None:
        try:
            await self._approvals.expire()
        except HiveError:
            return  # the next look tries it again
        self._set_alarm()
