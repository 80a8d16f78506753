"""How a line is made: cells of a fixed width, colours by role, signs by encoding. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from attrs import frozen
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from hive.view.text import ASCII, Glyphs

Fragment: TypeAlias = tuple[str, str]
"""Text, already safe for a terminal, and the role of it; see `ROLES`."""

ROLES: Mapping[str, str] = {
    "": "",
    "title": "bold",
    "name": "bold",
    "dim": "dim",
    "waiting": "bold yellow",
    "failed": "bold red",
    "idle": "green",
    "running": "cyan",
    "unknown": "magenta",
    "stopped": "dim",
    "peer": "blue",
    "key": "bold cyan",
    "off": "dim",
    "notice": "bold yellow",
    "error": "bold red",
    "chosen": "reverse",
}
"""The style of each role. The word beside a colour has the same meaning."""

COLOURS = frozenset({"red", "yellow", "green", "cyan", "magenta", "blue"})


@frozen
class Look:
    """What a terminal can show.

    Attributes:
        glyphs: The signs, by its encoding.
        coloured: Whether colours are used (NO_COLOR unset). Bold, dim and reverse always are.
    """

    glyphs: Glyphs
    coloured: bool = True

    @property
    def ellipsis(self) -> str:
        """What a cut text ends with."""
        return self.glyphs.ellipsis

    @property
    def dash(self) -> str:
        """What a rule is drawn with."""
        return "-" if self.glyphs == ASCII else "─"

    @property
    def pointer(self) -> str:
        """The sign before what is selected."""
        return ">" if self.glyphs == ASCII else "▸"

    def style(self, role: str) -> str:
        """Return the style of a role for rich."""
        words = ROLES[role].split()
        return " ".join(word for word in words if self.coloured or word not in COLOURS)


def fitted(text: str, width: int, look: Look, *, right: bool = False) -> str:
    """Return a text in exactly so many cells, cut with an ellipsis or padded."""
    if width <= 0:
        return ""
    size = cell_len(text)
    if size > width:
        room = width - len(look.ellipsis)
        if room < 1:
            return set_cell_size(text, width)
        return set_cell_size(text, room) + look.ellipsis
    padding = " " * (width - size)
    return padding + text if right else text + padding


def line(fragments: Iterable[Fragment], width: int, look: Look, *, role: str = "") -> Text:
    """Return fragments as one line, cut at a width.

    Args:
        fragments: The parts, left to right.
        width: Cells of the terminal.
        look: What it can show.
        role: A role for all of it, besides those of the parts.
    """
    found = Text(no_wrap=True, end="")
    left = width
    for text, part in fragments:
        if left <= 0:
            break
        size = cell_len(text)
        shown = text if size <= left else fitted(text, left, look)
        found.append(shown, style=look.style(part) or None)
        left -= cell_len(shown)
    if role:
        found.append(" " * max(0, left))
        found.stylize(look.style(role))
    return found


def rule(title: str, width: int, look: Look, *, right: str = "", role: str = "title") -> Text:
    """Return the line above a pane: its title, a rule, and words at the right end."""
    tail = f" {right}" if right else ""
    room = width - cell_len(title) - 1 - cell_len(tail)
    return line(
        [(f"{title} ", role), (look.dash * max(0, room), "dim"), (tail, "dim")], width, look
    )


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in pieces of at most so many cells; one empty piece for an empty text."""
    pieces: list[str] = []
    piece: list[str] = []
    size = 0
    for character in text:
        cells = cell_len(character)
        if size + cells > width and piece:
            pieces.append("".join(piece))
            piece, size = [], 0
        piece.append(character)
        size += cells
    return [*pieces, "".join(piece)]
