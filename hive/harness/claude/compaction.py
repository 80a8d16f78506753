"""When a conversation is compacted, and what the model is told before."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

COMPACT = "/compact"
"""Claude Code's own command."""

NOTES = (
    "[hive] Your conversation is nearly full ({percent} % of {window} tokens) and will now be "
    "compacted: a summary takes its place. Write down in your notes (NOTES.md in your working "
    "directory) what must not be lost: decisions, open work, what you promised to whom. Do "
    "nothing else in this turn."
)


def window_of(model: str | None, windows: Mapping[str, int]) -> int | None:
    """Return the size of the context of the model in use, as Claude Code itself reports it.

    A turn may have used smaller models for small tasks.
    """
    if model is not None and model in windows:
        return windows[model]
    return max(windows.values(), default=None)


@frozen
class Fill:
    """How full a conversation is.

    Attributes:
        context: Tokens that the model read when it was asked last.
        window: Tokens that it can read; None while nobody has said.
    """

    context: int = 0
    window: int | None = None

    def is_due(self, watermark: float) -> bool:
        """Whether it is to be compacted: it is as full as the watermark; 0 is never."""
        return bool(self.window) and 0 < watermark <= self._part

    def notes_prompt(self) -> str:
        """Return the prompt of the turn before compaction."""
        return NOTES.format(percent=round(100 * self._part), window=self.window)

    @property
    def text(self) -> str:
        """How full it is, in words."""
        return f"{round(100 * self._part)} % of {self.window} tokens"

    @property
    def _part(self) -> float:
        return self.context / (self.window or 1)
