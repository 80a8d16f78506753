"""The whole screen as lines of one size, from the state alone. Pure.

No line is wider than the terminal, and there are exactly as many as it has. Whatever comes from
others has passed `hive.escapes`.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from hive.top.agent_table import agents_part, table_lines
from hive.top.chosen import chosen_id
from hive.top.drawing import Drawn, Part
from hive.top.footer import key_line, status_line
from hive.top.item_list import items_part
from hive.top.layout import Layout, lay_out, page, range_words
from hive.top.list_views import ListEntry, entries, event_entry, message_entry, readable
from hive.top.look import Fragment, Look, line, rule
from hive.top.overviews import header, hidden_words, notices
from hive.top.panes import pane_lines, pane_title, shown_lines
from hive.top.state import ITEMS, SMALLEST, TopState, items
from hive.view.text import Glyphs

FRAME = 3
"""Lines of header and footer, without notices."""


@frozen
class Spot:
    """A part of the screen that a click acts on.

    Attributes:
        y: Its line, from 0.
        begin: Its first column.
        end: The column after its last.
        key: The key that it presses; empty if it selects.
        which: The list in which it selects.
        chosen: The id that it selects.
    """

    y: int
    begin: int
    end: int
    key: str = ""
    which: str = ""
    chosen: str = ""


@frozen
class Picture:
    """The lines of the screen, and what a click on them does.

    Attributes:
        lines: As many as the terminal has.
        spots: The parts that a click acts on.
    """

    lines: tuple[Text, ...]
    spots: tuple[Spot, ...] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the lines one below the other, as any renderable of rich."""
        yield Text("\n").join(self.lines)

    @property
    def plain(self) -> str:
        """The lines as plain text, without trailing blanks."""
        return "\n".join(text.plain.rstrip() for text in self.lines).rstrip("\n") + "\n"


def view(state: TopState, size: tuple[int, int], look: Look | Glyphs, now: float) -> Picture:
    """Return the picture of a state.

    Args:
        state: The state.
        size: Columns and lines of the terminal.
        look: What it can show; glyphs alone are shown with colours.
        now: Wall time in seconds, for ages.
    """
    width, height = size
    canvas = _Canvas(width, look if isinstance(look, Look) else Look(look), state, now)
    if width < SMALLEST[0] or height < SMALLEST[1]:
        canvas.add([("too small", "notice")])
        return canvas.picture(height)
    canvas.head()
    room = max(height - len(canvas.lines) - FRAME + 1, 0)
    if state.pane is not None:
        canvas.pane(room)
    elif state.view == "agents":
        canvas.main(room)
    else:
        canvas.list(room)
    return canvas.with_footer(height)


class _Canvas:
    """Lines that are added from top to bottom."""

    def __init__(self, width: int, look: Look, state: TopState, now: float) -> None:
        self.width = width
        self.look = look
        self.state = state
        self.now = now
        self.lines: list[Text] = []
        self.spots: list[Spot] = []
        self._is_stale = state.answers.lost is not None

    def add(self, fragments: Iterable[Fragment], role: str = "") -> None:
        """Add a line; one of a picture that is not current is dim."""
        if self._is_stale:
            kept = {"error", "notice", "key"}
            fragments = [(text, part if part in kept else "dim") for text, part in fragments]
        self.lines.append(line(fragments, self.width, self.look, role=role))

    def head(self) -> None:
        """Add as much of the header as fits into a line, and the notices."""
        found: list[Fragment] = []
        left = self.width
        for alternatives in header(self.state, self.now):
            gap: list[Fragment] = [("  ", "")] if found else []
            for part in alternatives:
                size = sum(cell_len(text) for text, _ in [*gap, *part])
                if size <= left or not found:
                    found += [*gap, *part]
                    left -= size
                    break
        self.add(found)
        for notice in notices(self.state, self.now):
            self.add([notice])

    def main(self, room: int) -> None:
        """Add what waits, the participants, the messages and the events."""
        table = table_lines(self.state, self.now)
        plan = lay_out(room, len(items(self.state, self.now)), len(table))
        self._part(items_part(self.state, plan.items, self.look, self.now), ITEMS)
        size = (self.width, plan.agents)
        self._part(agents_part(self.state, table, size, self.look, self.now), "agents")
        self._recent(plan)

    def list(self, room: int) -> None:
        """Add the page of a view that has the selected line."""
        which, found = self.state.view, entries(self.state, self.state.view, self.now)
        chosen = chosen_id(self.state, which, self.now)
        at = next((number for number, entry in enumerate(found) if entry.id == chosen), 0)
        first, shown = _page_from_end(found, at, room - 1)
        words = [range_words(first, len(shown), len(found)), hidden_words(self.state)]
        refused = self.state.answers.refused.get(_KEYS.get(which, which), "")
        drawn = tuple(self._entry(entry, is_chosen=entry.id == chosen) for entry in shown)
        empty = (Drawn(((f"  {refused or _EMPTY[which]}", "dim"),)),)
        right = "  ".join(filter(None, words))
        self._part(Part(which.upper(), right, drawn if found else empty), which)

    def pane(self, room: int) -> None:
        """Add what covers the view."""
        pane = self.state.pane
        assert pane is not None
        lines = pane_lines(self.state, pane, self.look.glyphs, self.now)
        shown, above = shown_lines(lines, pane, self.width, room - 1)
        last = len(lines) - above
        words = [f"line {last} of {len(lines)}"]
        words += ["paused"] if pane.paused else []
        words += [f"search: {pane.find!r}"] if pane.find else []
        self._rule(pane_title(pane), ", ".join(words))
        for text in shown:
            self.add([(text, "waiting" if _has(text, pane.find) else "")])

    def with_footer(self, height: int) -> Picture:
        """Return the picture, with the footer on its last two lines."""
        room = max(height - 2, 0)
        filled = self.lines[:room] + [Text("", end="")] * (room - len(self.lines))
        keys, buttons = key_line(self.state, self.width, self.now)
        below = [
            line(status_line(self.state, self.width, self.look, self.now), self.width, self.look),
            line(keys, self.width, self.look),
        ]
        spots = [spot for spot in self.spots if spot.y < room]
        spots += [Spot(room + 1, each.begin, each.end, each.key) for each in buttons]
        return Picture((*filled, *below)[:height], tuple(spots))

    def picture(self, height: int) -> Picture:
        """Return the lines as they are, filled up."""
        blank = [Text("", end="")] * max(height - len(self.lines), 0)
        return Picture(tuple([*self.lines, *blank][:height]))

    def _recent(self, plan: Layout) -> None:
        answers = self.state.answers
        if plan.messages:
            rows = answers.rows("messages", "messages")[-(plan.messages - 1) :]
            self._part(
                _recent_part("MESSAGES", [readable(message_entry, row, self.now) for row in rows])
            )
        if plan.events:
            rows = answers.rows("events", "events")[-(plan.events - 1) :]
            self._part(
                _recent_part("EVENTS", [readable(event_entry, row, self.now) for row in rows])
            )

    def _entry(self, entry: ListEntry, *, is_chosen: bool) -> Drawn:
        pointer = self.look.pointer if is_chosen else " "
        fragments = ((f"{pointer} ", "key"), *entry.fragments)
        return Drawn(fragments, "chosen" if is_chosen else "", entry.id)

    def _part(self, part: Part, which: str = "") -> None:
        self._rule(part.title, part.right)
        for drawn in part.lines:
            self.add(drawn.fragments, drawn.role)
            if which and drawn.chosen:
                y = len(self.lines) - 1
                self.spots.append(Spot(y, 0, self.width, which=which, chosen=drawn.chosen))

    def _rule(self, title: str, right: str) -> None:
        role = "dim" if self._is_stale else "title"
        self.lines.append(rule(title, self.width, self.look, right=right, role=role))


def _recent_part(title: str, found: list[ListEntry]) -> Part:
    lines = tuple(Drawn((("  ", ""), *entry.fragments)) for entry in found)
    return Part(title, "newest last" if found else "none yet", lines)


def _page_from_end(found: list[ListEntry], at: int, height: int) -> tuple[int, list[ListEntry]]:
    """Return a page of a list whose newest lines are last: the last page is full."""
    behind = len(found) - 1 - at
    first, shown = page(found[::-1], behind, height)
    return len(found) - first - len(shown), list(shown)[::-1]


def _has(text: str, wanted: str) -> bool:
    return bool(wanted) and wanted.casefold() in text.casefold()


_KEYS = {"dead letters": "dead"}
"""The key of the answer with a view's rows, if it is not the view's name."""

_EMPTY = {
    "inbox": "no mail",
    "approvals": "nothing waits for a decision",
    "messages": "no messages",
    "events": "no events",
    "dead letters": "no dead letters",
}
"""What an empty view says."""
