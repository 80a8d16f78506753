"""The state of the view: the last answers, and what the operator has chosen. Pure.

What is selected is an id, never a position: a row that moves stays selected. While a question is
open or a line is typed, `held` has the ids in the order in which they were drawn, and that order
stays; what is gone by then is drawn as gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from attrs import evolve, field, frozen

from hive.escapes import inline
from hive.top.actions import Action
from hive.top.attention_items import attention_items, is_put_off
from hive.top.last_answers import LastAnswers
from hive.top.line_editor import Prompt
from hive.view.places import Place, Places, arrange, is_trouble
from hive.view.row_fields import Row

T = TypeVar("T")

VIEWS = ("agents", "inbox", "approvals", "messages", "logs", "events", "dead letters")
"""The views, by their digits from 1 on."""

ITEMS = "items"
"""The list of what waits for the operator, above that of the agents."""

SMALLEST = (20, 5)
"""Columns and lines below which nothing useful can be drawn."""


@frozen
class Confirmation:
    """A question that a key asks before it acts.

    Attributes:
        text: It, with the name of what would be acted on.
        action: What `y` does.
    """

    text: str
    action: Action


@frozen
class Pane:
    """What covers the view: details, output, help.

    Attributes:
        kind: "peek", "describe", "logs", "trace", "approval", "message", "output" or "help".
        subject: What it is about: a name or a number.
        lines: Its lines, if they were not asked of the daemon again and again.
        above: Lines between its end and the last line that is shown; 0 follows the newest.
        paused: Whether what is shown stays as it is.
        wrap: Whether long lines are continued; otherwise they are cut.
        find: The text that is searched for.
    """

    kind: str
    subject: str = ""
    lines: tuple[str, ...] = ()
    above: int = 0
    paused: bool = False
    wrap: bool = False
    find: str = ""


@frozen
class Note:
    """A line about what a key has done.

    Attributes:
        text: It.
        at: Wall time of it.
        is_error: Whether it could not be done.
    """

    text: str
    at: float
    is_error: bool = False


@frozen
class TopState:
    """All that the picture depends on, except for the size, the look and the time.

    Attributes:
        answers: The last answers of the daemon.
        size: Columns and lines of the terminal, for moves by pages.
        view: One of `VIEWS`.
        focus: The list that the arrows move in: `ITEMS` or the view.
        selected: The selected id of each list.
        filter: Only rows with this text are shown.
        grouped: Whether agents are grouped by project.
        problems: Whether only problems are shown.
        everything: Whether what is snoozed or archived is shown, too.
        prompt: The line that is typed.
        question: The question that is open.
        panes: What covers the view, the topmost last.
        note: What a key has done.
        doing: What is being done.
        places: The places of the participants.
        last_rows: The last status row of each participant since the last hold.
        held: The ids of each list in the order that is held; None if none is.
        earlier: Earlier lines of each purpose.
        verbs: The verbs of the command line with their summaries.
        of_serve: Whether the daemon has started this view, and ends with Ctrl-C in it.
    """

    answers: LastAnswers = field(factory=LastAnswers)
    size: tuple[int, int] = (80, 24)
    view: str = "agents"
    focus: str = "agents"
    selected: Mapping[str, str] = field(factory=dict)
    filter: str = ""
    grouped: bool = False
    problems: bool = False
    everything: bool = False
    prompt: Prompt | None = None
    question: Confirmation | None = None
    panes: tuple[Pane, ...] = ()
    note: Note | None = None
    doing: tuple[str, ...] = ()
    places: Places = field(factory=dict)
    last_rows: Mapping[str, Row] = field(factory=dict)
    held: Mapping[str, tuple[str, ...]] | None = None
    earlier: Mapping[str, tuple[str, ...]] = field(factory=dict)
    verbs: Mapping[str, str] = field(factory=dict)
    of_serve: bool = False

    @property
    def pane(self) -> Pane | None:
        """What covers the view."""
        return self.panes[-1] if self.panes else None

    @property
    def is_asking(self) -> bool:
        """Whether a question is open or a line is typed."""
        return self.question is not None or self.prompt is not None


def with_answers(state: TopState, answers: LastAnswers, now: float) -> TopState:
    """Return the state after a round of answers."""
    rows = answers.statuses
    known = {str(row["name"]): row for row in rows}
    if state.held is not None:
        known = {**state.last_rows, **known}
    places = arrange(rows, state.places, now, asking(answers))
    return evolve(state, answers=answers, places=places, last_rows=known)


def asking(answers: LastAnswers) -> frozenset[str]:
    """Return the names of those whose question waits for the operator."""
    items = attention_items(answers)
    return frozenset(str(item.get("name")) for item in items if item.get("kind") == "question")


def items(state: TopState, now: float) -> list[Row]:
    """Return what waits for the operator, as it is shown."""
    found: Iterable[Row] = attention_items(state.answers)
    if not state.everything:
        found = (item for item in found if not is_put_off(item, now))
    if state.held is not None:
        by_id = {str(item["id"]): item for item in found}
        gone = {"kind": "", "text": "gone"}
        found = in_order_of(state.held.get(ITEMS, ()), by_id, lambda each: {"id": each, **gone})
    return [item for item in found if _matches(state, item, ITEM_FIELDS)]


def in_order_of(
    drawn: Sequence[str], by_id: Mapping[str, T], gone: Callable[[str], T]
) -> Iterator[T]:
    """Yield what was drawn in its order, what is gone as such, and then what is new."""
    for each in drawn:
        yield by_id[each] if each in by_id else gone(each)
    for each, found in by_id.items():
        if each not in drawn:
            yield found


def put_off(state: TopState, now: float) -> int:
    """Return how many items are snoozed or archived, and not shown."""
    if state.everything:
        return 0
    return sum(is_put_off(item, now) for item in attention_items(state.answers))


def agents_put_off(state: TopState, now: float) -> int:
    """Return how many participants are snoozed or archived, and not shown."""
    return 0 if state.everything else sum(is_put_off(row, now) for row in state.last_rows.values())


def agents(state: TopState, now: float) -> list[Row]:
    """Return the rows of the participants, as they are shown: agents in order, then peers."""
    rows = state.last_rows
    shown = [rows[name] for name in _names(state) if name in rows]
    asks = asking(state.answers)
    found = [
        row
        for row in shown
        if _matches(state, row, ROW_FIELDS)
        and (state.everything or not is_put_off(row, now))
        and (not state.problems or is_trouble(row, now, asks))
    ]
    key = (lambda row: (_is_peer(row), _project(row))) if state.grouped else _is_peer
    return sorted(found, key=key) if state.held is None else found


def is_gone(state: TopState, name: str) -> bool:
    """Return whether a participant that is drawn is none any more."""
    return state.held is not None and name not in state.places


ITEM_FIELDS = ("id", "kind", "name", "text", "project")
"""The fields of an item that the filter reads."""

ROW_FIELDS = ("name", "state", "kind", "project", "activity", "reason", "cause", "status_text")
"""The fields of a status row that the filter reads, and `tier` besides."""


def place_of(state: TopState, name: str) -> Place:
    """Return the place of a participant; that of an unknown one if it is gone."""
    return state.places.get(name, Place("unknown", 0))


def matches(state: TopState, texts: object) -> bool:
    """Return whether the filter lets a text through; case does not matter."""
    return state.filter.casefold() in str(texts).casefold()


def _matches(state: TopState, row: Row, fields: tuple[str, ...]) -> bool:
    if not state.filter:
        return True
    texts = [str(row.get(name) or "") for name in fields]
    if fields is ROW_FIELDS:
        texts.append(place_of(state, str(row["name"])).tier)
    return matches(state, "\n".join(texts))


def _names(state: TopState) -> list[str]:
    if state.held is None:
        return list(state.places)
    drawn = state.held.get("agents", ())
    return [*drawn, *(name for name in state.places if name not in drawn)]


def _is_peer(row: Row) -> bool:
    return row.get("kind") == "peer"


def _project(row: Row) -> str:
    return str(row.get("project") or "\U0010ffff")


def project_title(row: Row) -> str:
    """Return the title of the group of a row."""
    if _is_peer(row):
        return "peers"
    return f"project {inline(row['project'])}" if row.get("project") else "no project"
