"""Mail about approvals: to the operator when one waits, to who asked when it has ended."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
from attrs import evolve, frozen

from hive.approvals.approval_queue import Facts, summary
from hive.broker.service import BrokerService
from hive.broker.values import Notify, Post
from hive.broker.values import event as event_post
from hive.deploys.approval_tags import ApprovalTags
from hive.names import MANAGER, OPERATOR
from hive.participants.registry import Registry
from hive.store.approvals import Approval, ApprovalState
from hive.wire.enums import EventKind, OnExpiry, Priority

logger = logging.getLogger(__name__)


@frozen
class ApprovalMail:
    """Sends the mail; implements `hive.approvals.approval_queue.ApprovalNotices`.

    Attributes:
        broker: Takes the messages.
        registry: Has the manager, if there is one.
        tags: Tags the commits.
    """

    broker: BrokerService
    registry: Registry
    tags: ApprovalTags

    def requested(self, approval: Approval, waiting: int) -> None:
        """Notify the operator that something waits; of one participant, the newest unread.

        A participant that asks for much does not fill the operator's inbox.
        """
        detail = {**summary(approval), "waiting": waiting}
        post = event_post(
            *(OPERATOR, EventKind.APPROVAL_REQUESTED.value, detail), about=approval.requested_by
        )
        self._send(post, approval)

    def overdue(self, approval: Approval) -> None:
        """Notify the operator that a decision is overdue; before other mail if it escalates."""
        post = event_post(OPERATOR, EventKind.APPROVAL_HELD.value, summary(approval))
        urgent = approval.on_expiry is OnExpiry.ESCALATE
        priority = Priority.HIGH if urgent else Priority.NORMAL
        posting = msgspec.structs.replace(post.posting, priority=priority)
        self._send(evolve(post, posting=posting), approval)

    async def record_end(self, approval: Approval) -> Facts:
        """Tag the commit, see `ApprovalTags.record_end`."""
        return await self.tags.record_end(approval)

    def resolved(self, approval: Approval, facts: Facts) -> None:
        """Notify who asked, and the manager, of the end of an approval; the operator of a failure.

        All other ends the operator has caused, or was warned of.
        """
        known = {**summary(approval), **facts}
        for name in dict.fromkeys([approval.requested_by, MANAGER]):
            if name in self.registry:
                post = event_post(name, EventKind.APPROVAL_RESOLVED.value, known)
                self._send(post, approval)
        if approval.state is ApprovalState.FAILED:
            post = event_post(OPERATOR, EventKind.APPROVAL_RESOLVED.value, known)
            self._send(post, approval)

    def _send(self, post: Post, approval: Approval) -> None:
        to = post.posting.to

        def log_failure(sent: asyncio.Future[Any]) -> None:
            if not sent.cancelled() and (error := sent.exception()) is not None:
                logger.warning("no mail to %s about approval %d: %s", to, approval.id, error)

        self.broker.ask(Notify(post)).add_done_callback(log_failure)
