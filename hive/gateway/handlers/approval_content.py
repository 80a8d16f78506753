"""What an approval asks for, as a text, for the kinds without a commit."""

from __future__ import annotations

import json

from hive.config import manifest_from_json
from hive.config.toml_text import manifest_values, to_toml
from hive.gateway.handlers.spawning import shown_manifest
from hive.names import OPERATOR
from hive.store.approvals import Approval, ApprovalKind


def content_of(approval: Approval) -> str | None:
    """Return what the operator decides about; None if the row of the approval says it all.

    Secrets are not shown, except in a manifest that a participant has written: the operator must
    see all of what somebody else proposes.
    """
    detail = approval.details
    if approval.kind is ApprovalKind.SCHEDULE:
        return f"{detail['when']} ({detail['timezone']})\n\n{detail['body']}"
    if approval.kind is ApprovalKind.ADOPT:
        manifest = manifest_from_json(json.dumps(detail["manifest"]))
        if approval.requested_by != OPERATOR and detail.get("is_given"):
            return to_toml(manifest_values(manifest))
        return shown_manifest(manifest)
    return None
