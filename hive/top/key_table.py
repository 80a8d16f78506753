"""The keys of what is on the screen, and why one of them can do nothing. Pure.

A key that can do nothing is not hidden: the footer shows it dim, and pressed, it says why. The
first keys of a table are those that a narrow footer shows.
"""

from __future__ import annotations

from attrs import frozen

from hive.escapes import inline
from hive.top.attention_items import options_of
from hive.top.chosen import chosen_entry, chosen_item, chosen_name, chosen_row
from hive.top.state import ITEMS, TopState
from hive.view.row_fields import Row


@frozen
class KeyHelp:
    """A key of the footer.

    Attributes:
        key: Its name, as the footer shows it; `press` takes it, too.
        word: What it does.
        why_not: Why it can do nothing just now; empty if it can.
    """

    key: str
    word: str
    why_not: str = ""


def keys_of(state: TopState, now: float) -> list[KeyHelp]:
    """Return the keys of what is on the screen, the most needed first."""
    if state.question is not None:
        return [KeyHelp("y", "yes"), KeyHelp("n", "no"), KeyHelp("escape", "no")]
    if state.prompt is not None:
        tab = [KeyHelp("tab", "complete")] if state.prompt.purpose == "command" else []
        return [KeyHelp("enter", _ENTER[state.prompt.purpose]), *tab, KeyHelp("escape", "cancel")]
    if state.pane is not None:
        return _of_pane(state, now)
    if state.focus == ITEMS:
        return [*_of_item(state, now), *_GLOBAL, _last(state)]
    if state.view == "agents":
        return [*_of_agent(state, now), KeyHelp("z", "snooze"), *_GLOBAL, _last(state)]
    return [*_of_list(state, now), *_GLOBAL, _last(state)]


def why_no_lifecycle(row: Row | None, name: str) -> str:
    """Return why nothing here can stop or restart a participant; empty for an agent."""
    if not name:
        return "nothing is selected"
    shown = inline(name)
    if row is None:
        return f"{shown} is no participant any more"
    if row.get("kind") == "peer":
        return f"{shown} is a peer: its lifecycle is not the hive's"
    return ""


def why_no_log(row: Row | None, name: str) -> str:
    """Return why there is no log of a participant; empty for an agent."""
    why = why_no_lifecycle(row, name)
    if row is not None and why:
        return f"{inline(name)} is a peer: its output is not the hive's"
    return why


def can_start(row: Row | None) -> bool:
    """Return whether an agent is to be started: it is stopped, has ended or is parked."""
    return row is not None and row.get("state") in {"stopped", "ended", "failed"}


def _of_agent(state: TopState, now: float) -> list[KeyHelp]:
    row, name = chosen_row(state, now), chosen_name(state, now)
    peer = why_no_lifecycle(row, name)
    nobody = "" if name else "nothing is selected"
    is_down = row is not None and row.get("state") in {"stopped", "ended"}
    stopped = f"{inline(name)} does not run" if is_down else ""
    return [
        KeyHelp("enter", "peek", nobody),
        KeyHelp("l", "logs", why_no_log(row, name)),
        KeyHelp("m", "message", nobody),
        KeyHelp("p", "resume" if row and row.get("paused") else "pause", peer),
        KeyHelp("r", "start" if can_start(row) else "restart", peer),
        KeyHelp("x", "stop", peer or stopped),
        KeyHelp("d", "describe", nobody),
    ]


def _of_item(state: TopState, now: float) -> list[KeyHelp]:
    item = chosen_item(state, now)
    if item is None:
        return [KeyHelp("escape", "agents")]
    kind = item.get("kind")
    own = [KeyHelp("enter", "open")]
    if kind == "question":
        digits = options_of(item)
        own += [KeyHelp(str(number), inline(word)) for number, word in enumerate(digits, 1)]
        own.append(KeyHelp("a", "answer"))
    elif kind == "approval":
        own += [KeyHelp("y", "approve"), KeyHelp("n", "deny")]
    elif kind == "dead_letter":
        own += [KeyHelp("y", "replay")]
    elif kind == "failure":
        row = chosen_row(state, now)
        own += [KeyHelp("r", "start", why_no_lifecycle(row, chosen_name(state, now)))]
    marks = [KeyHelp("z", "snooze"), KeyHelp("P", "pin"), KeyHelp("A", "archive")]
    return [*own, *marks, KeyHelp("escape", "agents"), KeyHelp("m", "message")]


def _of_list(state: TopState, now: float) -> list[KeyHelp]:
    nothing = "" if chosen_entry(state, now) is not None else "nothing is selected"
    own = [KeyHelp("enter", "open", nothing)]
    if state.view == "inbox":
        own += [KeyHelp("m", "reply", nothing), KeyHelp("R", "mark all as read")]
    if state.view == "approvals":
        own += [KeyHelp("y", "approve", nothing), KeyHelp("n", "deny", nothing)]
    if state.view == "dead letters":
        own += [KeyHelp("y", "replay", nothing), KeyHelp("x", "discard", nothing)]
    return [*own, KeyHelp("escape", "agents")]


def _of_pane(state: TopState, now: float) -> list[KeyHelp]:
    pane = state.pane
    assert pane is not None
    scroll = [
        KeyHelp("escape", "back"),
        KeyHelp("/", "search"),
        KeyHelp("w", "cut lines" if pane.wrap else "wrap"),
    ]
    if pane.kind in {"logs", "peek", "describe"}:
        row = chosen_row(state, now)
        peer = why_no_lifecycle(row, pane.subject)
        hold = [KeyHelp("space", "go on" if pane.paused else "pause")]
        rest = [KeyHelp("m", "message"), KeyHelp("r", "restart", peer), KeyHelp("x", "stop", peer)]
        return [*scroll, *hold, *rest, KeyHelp("c", "copy")]
    if pane.kind == "approval":
        return [KeyHelp("y", "approve"), KeyHelp("n", "deny"), *scroll, KeyHelp("c", "copy")]
    return [*scroll, KeyHelp("c", "copy")]


def _last(state: TopState) -> KeyHelp:
    if state.of_serve:
        return KeyHelp("ctrl+c", "stop the hive")
    return KeyHelp("q", "quit")


_ENTER = {
    "filter": "keep",
    "command": "run",
    "message": "send",
    "reply": "send",
    "answer": "answer",
    "choose": "answer",
    "approve": "approve",
    "deny": "deny",
    "snooze": "snooze",
    "find": "search",
    "discard": "discard",
}
"""What Enter does, by the purpose of the line."""

_GLOBAL = (
    KeyHelp("/", "filter"),
    KeyHelp(":", "command"),
    KeyHelp("?", "help"),
    KeyHelp("!", "problems"),
    KeyHelp("g", "group"),
    KeyHelp("c", "copy id"),
    KeyHelp("tab", "next pane"),
)
