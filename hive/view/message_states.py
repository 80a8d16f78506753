"""The word for the state of a message. Pure."""

from __future__ import annotations

from hive.wire.question_ends import end_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def message_state(row: Mapping[str, Any]) -> str:
    """Return the state of a message, or the step of a trace, in one word.

    It is that of the row, except for the message of a question that was answered or cancelled
    before it was read: it is `expired` on the wire, but its time was not over.
    """
    state = str(row.get("state") or row.get("step") or "unknown")
    reason = row.get("reason")
    if state != "expired" or not isinstance(reason, str):
        return state
    return end_in(reason) or state
