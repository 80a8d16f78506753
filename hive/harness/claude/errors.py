"""What can go wrong between the driver and Claude Code."""

from __future__ import annotations

from hive.errors import HiveError


class ConversationLostError(HiveError):
    """Claude Code ended, or could not be started; the next turn starts it anew."""


class WidenedError(HiveError):
    """Claude Code offers the model what the manifest does not allow; the turn was ended."""

    def __init__(self, tools: tuple[str, ...]) -> None:
        super().__init__(
            f"Claude Code offers {', '.join(tools)}, which the manifest does not allow"
        )
