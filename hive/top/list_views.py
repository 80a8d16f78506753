"""The views that are lists: mail, approvals, messages, events, dead letters. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from attrs import frozen

from hive.escapes import block, inline
from hive.quantities import counted
from hive.top.look import Fragment
from hive.top.state import TopState, in_order_of, matches
from hive.view.change_lines import approval_line
from hive.view.event_sentences import event_sentence
from hive.view.message_states import message_state
from hive.view.row_fields import UNREADABLE, Row
from hive.view.text import UNKNOWN, age


@frozen
class ListEntry:
    """One line of a list.

    Attributes:
        id: What it is about: a number as text.
        fragments: Its parts.
        row: The row that it shows.
    """

    id: str
    fragments: tuple[Fragment, ...]
    row: Row

    @property
    def text(self) -> str:
        """The whole line."""
        return "".join(text for text, _ in self.fragments)


def entries(state: TopState, view: str, now: float) -> list[ListEntry]:
    """Return the lines of a view, newest last, that the filter lets through."""
    found: Iterable[ListEntry] = _ENTRIES[view](state, now)
    if state.held is not None and view in state.held:
        found = in_order_of(state.held[view], {entry.id: entry for entry in found}, _gone)
    return [entry for entry in found if not state.filter or matches(state, entry.text)]


def clock_time(stamp: object) -> str:
    """Return the time of day of an RFC 3339 time, in UTC: `14:02:11Z`; `-` if it is none."""
    _, t, rest = str(stamp or "").partition("T")
    return f"{inline(rest[:8])}Z" if t else UNKNOWN


def readable(make: Callable[[Row, float], ListEntry], row: Row, now: float) -> ListEntry:
    """Return the line of a row; that of one that cannot be read says so."""
    try:
        return make(row, now)
    except UNREADABLE:
        number = str(row.get("id") or row.get("seq"))
        return ListEntry(number, ((f"#{inline(number)}  unreadable", "dim"),), row)


def message_entry(row: Row, now: float) -> ListEntry:
    """Return a message with its receipts in one line: from, to, state, when, first line."""
    first = block(str(row.get("body") or ""))[0]
    state = inline(message_state(row))
    ended = row.get("ended_at")
    receipts = f"sent {clock_time(row.get('sent_at'))}"
    receipts += f", {state} {clock_time(ended)}" if ended else f", {state}"
    attempt = row.get("attempt")
    if isinstance(attempt, int) and attempt > 1:
        receipts += f", attempt {attempt}"
    return ListEntry(
        str(row.get("id")),
        (
            (f"#{inline(row.get('id'))}  ", "dim"),
            (f"{inline(row.get('from'))} -> {inline(row.get('to'))}", "name"),
            (f"  {receipts}", _STATES.get(state, "")),
            (f"  {age(row.get('sent_at'), now)} ago  ", "dim"),
            (first, ""),
        ),
        row,
    )


def event_entry(row: Row, _: float) -> ListEntry:
    """Return an event as its time and a sentence."""
    kind = str(row.get("event"))
    role = "failed" if kind in _BAD else "waiting" if kind in _ASKING else ""
    fragments = ((f"{clock_time(row.get('at'))}  ", "dim"), (event_sentence(row), role))
    return ListEntry(str(row.get("seq")), fragments, row)


def _mail_entry(row: Row, now: float) -> ListEntry:
    first, *more = block(str(row.get("body") or ""))
    unread = row.get("state") in {"stored", "leased"}
    return ListEntry(
        str(row.get("id")),
        (
            (f"#{inline(row.get('id'))}  ", "dim"),
            (f"{'unread' if unread else 'read':<6}  ", "waiting" if unread else "dim"),
            (f"{age(row.get('sent_at'), now):>4} ago  ", "dim"),
            (f"{inline(row.get('from'))}  ", "name"),
            (first + (f"  (+{counted(len(more), 'line')})" if more else ""), ""),
        ),
        row,
    )


def _approval_entry(row: Row, now: float) -> ListEntry:
    try:
        text = approval_line(row, now)
    except UNREADABLE:
        text = f"{inline(row.get('id'))}  {inline(row.get('kind'))}  {inline(row.get('agent'))}"
    return ListEntry(str(row.get("id")), ((text, ""),), row)


def _dead_entry(row: Row, now: float) -> ListEntry:
    why = inline(row.get("reason") or "no reason is known")
    return ListEntry(
        str(row.get("id")),
        (
            (f"#{inline(row.get('id'))}  ", "dim"),
            (f"{inline(row.get('from'))} -> {inline(row.get('to'))}  ", "name"),
            (f"{age(row.get('ended_at') or row.get('sent_at'), now)} ago  ", "dim"),
            (f"{why}  ", "failed"),
            (block(str(row.get("body") or ""))[0], ""),
        ),
        row,
    )


def _of(
    key: str, name: str, make: Callable[[Row, float], ListEntry]
) -> Callable[..., Iterable[ListEntry]]:
    return lambda state, now: (readable(make, row, now) for row in state.answers.rows(key, name))


_ENTRIES: Mapping[str, Callable[[TopState, float], Iterable[ListEntry]]] = {
    "inbox": _of("inbox", "messages", _mail_entry),
    "approvals": _of("approvals", "approvals", _approval_entry),
    "messages": _of("messages", "messages", message_entry),
    "events": _of("events", "events", event_entry),
    "dead letters": _of("dead", "messages", _dead_entry),
}

_STATES = {
    "dead": "failed",
    "expired": "failed",
    "parked": "waiting",
    "leased": "running",
    "acked": "idle",
    "answered": "idle",
}

_BAD = frozenset({"ended", "failed", "dead_letter", "trouble", "store_failed", "loop_tripped"})

_ASKING = frozenset({"approval_requested", "needs_login", "question_escalated", "restarting"})


def _gone(number: str) -> ListEntry:
    return ListEntry(number, ((f"#{inline(number)}  gone", "dim"),), {})
