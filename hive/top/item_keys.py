"""The keys that act on what waits for the operator, and on the lines of the views. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hive.escapes import inline
from hive.top import key_requests
from hive.top.actions import Action, DaemonRequest, ReadInbox
from hive.top.attention_items import options_of
from hive.top.chosen import chosen_entry, chosen_item
from hive.top.opening import asked, covered, noted, prompted
from hive.top.state import TopState
from hive.view.row_fields import Row

Pressed = tuple[TopState, Action | None]


def press_on_item(state: TopState, key: str, now: float) -> Pressed | None:
    """Return what a key does to the selected item; None for a key that is not about items."""
    item = chosen_item(state, now)
    if item is None:
        return None
    if key == "enter":
        return _open(state, item), None
    if key in {"P", "A"}:
        return state, _mark(item, "pinned" if key == "P" else "archived")
    number = str(item.get("number") or "")
    act = _BY_KIND.get(str(item.get("kind")))
    return act(state, item, number, key, now) if act is not None and number else None


def press_on_entry(state: TopState, key: str, now: float) -> Pressed | None:
    """Return what a key does to the selected line of a view; None for a key of no view."""
    if key == "R" and state.view == "inbox":
        return state, ReadInbox()
    entry = chosen_entry(state, now)
    if entry is None:
        return None
    if key == "enter":
        return _open_entry(state, state.view, entry.id), None
    act = _BY_VIEW.get(state.view)
    return act(state, entry.row, entry.id, key, now) if act is not None else None


def decide_in_pane(state: TopState, key: str, now: float) -> TopState | None:
    """Return the state after `y` or `n` on an approval that is shown alone; None otherwise."""
    pane = state.pane
    if pane is None or pane.kind != "approval" or key not in {"y", "n"}:
        return None
    return _decide(state, pane.subject, key, now)


def snooze(state: TopState, key: str, now: float) -> TopState:
    """DaemonRequest for how long an item or a participant is put out of sight."""
    label = f"Snooze {inline(key)} for (30m, 8h, 2d; empty wakes it):"
    return prompted(state, "snooze", label, now, subject=key)


def _on_question(state: TopState, item: Row, number: str, key: str, now: float) -> Pressed | None:
    options = options_of(item)
    if key == "a":
        who = inline(item.get("name") or "")
        label = f"Answer question {inline(number)} of {who}:"
        return prompted(state, "answer", label, now, subject=number), None
    if key not in _DIGITS:
        return None
    if int(key) <= len(options):
        if item.get("multi"):
            label = f"Options of question {inline(number)}, by their digits (such as 1 3):"
            subject = str(item["id"])
            return prompted(state, "choose", label, now, subject=subject, text=key), None
        return state, key_requests.answer(number, options[int(key) - 1])
    text = f"question {inline(number)} has no answer {key}; a answers with a text"
    return noted(state, text, now), None


def _on_approval(state: TopState, row: Row, number: str, key: str, now: float) -> Pressed | None:
    return (_decide(state, number, key, now), None) if key in {"y", "n"} else None


def _on_dead_letter(state: TopState, row: Row, number: str, key: str, now: float) -> Pressed | None:
    return (_dead_letter(state, number, key, now), None) if key in {"y", "x"} else None


def _on_mail(state: TopState, row: Row, number: str, key: str, now: float) -> Pressed | None:
    sender = str(row.get("from") or row.get("name") or "")
    return (_reply(state, sender, number, now), None) if key == "m" else None


def _open(state: TopState, item: Row) -> TopState:
    kind, number = item.get("kind"), item.get("number")
    if kind == "approval" and number:
        return covered(state, "approval", str(number))
    if number:
        return covered(state, "trace", str(number))
    return covered(state, "peek", str(item.get("name") or ""))


def _open_entry(state: TopState, view: str, number: str) -> TopState:
    if view == "events":
        entry = next(row for row in _events(state) if str(row.get("seq")) == number)
        lines = tuple(f"{key}: {value}" for key, value in _flat(entry))
        return covered(state, "output", f"event {number}", lines)
    return covered(state, "approval" if view == "approvals" else "trace", number)


def _events(state: TopState) -> tuple[Row, ...]:
    return state.answers.rows("events", "events")


def _flat(row: Row) -> list[tuple[str, object]]:
    detail = row.get("detail")
    own = [(key, value) for key, value in row.items() if key != "detail"]
    return [*own, *(detail.items() if isinstance(detail, dict) else ())]


def _decide(state: TopState, number: str, key: str, now: float) -> TopState:
    verb = "approve" if key == "y" else "deny"
    row = _approval(state, number)
    sha = str(row.get("fetched_sha") or "")
    what = f"{inline(row.get('kind') or 'approval')} of {inline(row.get('agent') or '?')}"
    commit = f", commit {inline(sha[:12])}" if sha else ""
    asks_for = "Note" if verb == "approve" else "Reason"
    label = f"{asks_for} to {verb} {inline(number)} ({what}{commit}), Enter decides:"
    return prompted(state, verb, label, now, subject=f"{number} {sha}".strip())


def _approval(state: TopState, number: str) -> Row:
    rows = state.answers.rows("approvals", "approvals")
    return next((row for row in rows if str(row.get("id")) == number), {})


def _dead_letter(state: TopState, number: str, key: str, now: float) -> TopState:
    if key == "y":
        return asked(state, f"deliver message {number} again?", key_requests.replay(number), now)
    return asked(state, f"end message {number} for good?", key_requests.discard(number), now)


def _reply(state: TopState, sender: str, number: str, now: float) -> TopState:
    if not key_requests.may_write_to(sender):
        return noted(state, f"nobody reads a reply to {inline(sender)}", now)
    label = f"Reply to {inline(number)} of {inline(sender)}:"
    return prompted(state, "message", label, now, subject=f"{sender} {number}".strip())


def _mark(item: Row, name: str) -> DaemonRequest:
    return key_requests.mark(str(item["id"]), **{name: not item.get(name)})


_DIGITS = frozenset("123456789")

_Act = Callable[[TopState, Row, str, str, float], Pressed | None]

_BY_KIND: Mapping[str, _Act] = {
    "question": _on_question,
    "approval": _on_approval,
    "dead_letter": _on_dead_letter,
    "mail": _on_mail,
}

_BY_VIEW: Mapping[str, _Act] = {
    "approvals": _on_approval,
    "dead letters": _on_dead_letter,
    "inbox": _on_mail,
}
