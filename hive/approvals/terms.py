"""The terms of a request for the operator's decision: who asks, why, and by when."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from hive.names import OPERATOR
from hive.store import NO_ORIGIN, Origin
from hive.store.approvals import Approval, ApprovalKind
from hive.wire.enums import OnExpiry


@frozen
class Terms:
    """What everybody may say who asks for a decision, whatever it is about.

    Attributes:
        by: Who asks.
        description: Words for the operator.
        ttl: Seconds until the deadline; None without one.
        on_expiry: What happens then.
        origin: The socket, and the process at its other end.
    """

    by: str = OPERATOR
    description: str | None = None
    ttl: float | None = None
    on_expiry: OnExpiry = OnExpiry.HOLD
    origin: Origin = NO_ORIGIN

    def draft(
        self, kind: ApprovalKind, name: str, now: float, detail: Mapping[str, Any]
    ) -> Approval:
        """Return the approval to be submitted.

        Args:
            kind: What is asked for.
            name: The participant that it is about.
            now: Wall seconds.
            detail: What the kind needs besides; its `subject` is shown in lists.
        """
        return Approval(
            kind,
            name,
            self.by,
            now,
            detail=json.dumps(detail),
            description=self.description,
            expires_at=None if self.ttl is None else now + self.ttl,
            on_expiry=self.on_expiry,
        )
