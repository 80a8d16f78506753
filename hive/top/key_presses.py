"""What each key does: the next state, and an action that names the id it was drawn for. Pure.

A key goes to the question that is open, else to the line that is typed, else to what covers the
view, else to the list in which the arrows move. Escape always goes one step back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from attrs import evolve

from hive.top import key_requests
from hive.top.actions import Action, Copy, EndDaemon, Leave, Refresh, Suspend
from hive.top.agent_keys import AGENT_ACTS, press_on_agent
from hive.top.chosen import chosen_entry, chosen_id, chosen_name, focused, ids_of, moved
from hive.top.item_keys import decide_in_pane, press_on_entry, press_on_item, snooze
from hive.top.opening import closed, covered, noted, prompted
from hive.top.pane_keys import scrolled
from hive.top.panes import pane_lines
from hive.top.prompts import press_in_prompt
from hive.top.state import ITEMS, VIEWS, TopState
from hive.view.text import ASCII

Pressed: TypeAlias = tuple[TopState, Action | None]


def press(state: TopState, key: str, now: float) -> Pressed:
    """Return what a key does.

    Args:
        state: The state.
        key: A character, or a name such as `enter`, `escape`, `up`, `ctrl+c`.
        now: Wall time in seconds.
    """
    if key == "ctrl+c" and state.is_asking:  # who types a line wants to be rid of that alone
        key = "escape"
    if key in _ALWAYS:
        return state, _ALWAYS[key](state)
    if state.question is not None:
        return _in_question(state, key, now)
    if state.prompt is not None:
        return press_in_prompt(state, " " if key == "space" else key, now)
    if key in _ANYWHERE:
        return _ANYWHERE[key](state, now)
    return _in_lists(state, key, now) if state.pane is None else _in_pane(state, key, now)


def select(state: TopState, which: str, found: str) -> TopState:
    """Return the state after a click on a line: what it shows is selected."""
    if state.is_asking or state.pane is not None:
        return state
    return evolve(state, focus=which, selected={**state.selected, which: found})


def _in_question(state: TopState, key: str, now: float) -> Pressed:
    question = state.question
    assert question is not None
    if key == "y":
        return closed(state), question.action
    if key in {"n", "escape"}:
        return noted(closed(state), "nothing was done", now), None
    return state, None


def _in_pane(state: TopState, key: str, now: float) -> Pressed:
    pane = state.pane
    assert pane is not None
    if key in {"escape", "q", "left"}:
        return evolve(state, panes=state.panes[:-1]), None
    if key == "/":
        return prompted(state, "find", "Search:", now, text=pane.find), None
    changed = scrolled(state, key, now) or decide_in_pane(state, key, now)
    if changed is not None:
        return changed, None
    is_of_agent = key in AGENT_ACTS and bool(chosen_name(state, now))
    return press_on_agent(state, key, now) if is_of_agent else (state, None)


def _in_lists(state: TopState, key: str, now: float) -> Pressed:
    if key in _MOVES:
        return moved(state, _MOVES[key](state), now), None
    found = press_on_item(state, key, now) or press_on_entry(state, key, now)
    if found is not None:
        return found
    if key in _IN_LISTS:
        return _IN_LISTS[key](state, now)
    if key in _VIEWS:
        return _view(state, _VIEWS[key], now)
    return press_on_agent(state, key, now) if key in AGENT_ACTS else (state, None)


def _view(state: TopState, name: str, now: float) -> Pressed:
    if name == "logs":
        return press_on_agent(state, "l", now)
    return evolve(state, view=name, focus=name, note=None), Refresh()


def _peek(state: TopState, now: float) -> Pressed:
    name = chosen_name(state, now)
    return (covered(state, "peek", name), Refresh()) if name else (state, None)


def _escape(state: TopState, now: float) -> Pressed:
    if state.filter:
        return evolve(state, filter=""), None
    if state.problems:
        return evolve(state, problems=False), None
    if state.view != "agents" or state.focus != "agents":
        return evolve(state, view="agents", focus="agents"), Refresh()
    return state, None


def _tab(state: TopState, now: float) -> Pressed:
    if state.view != "agents":
        return evolve(state, view="agents", focus="agents"), Refresh()
    if state.focus == ITEMS:
        return evolve(state, focus="agents"), None
    if not ids_of(state, ITEMS, now):
        return noted(state, "nothing needs you", now), None
    return focused(state, ITEMS, now), None


def _copy(state: TopState, now: float) -> Pressed:
    text = _text_to_copy(state, now)
    if not text:
        return noted(state, "nothing is selected", now), None
    first = text.partition("\n")[0]
    return noted(state, f"copied {first[:60]!r}", now), Copy(text)


def _text_to_copy(state: TopState, now: float) -> str:
    if state.pane is not None:
        return "\n".join(pane_lines(state, state.pane, ASCII, now))
    entry = chosen_entry(state, now)
    if entry is not None and entry.row.get("body"):
        return str(entry.row["body"])
    return chosen_id(state, state.focus, now)


def _snooze(state: TopState, now: float) -> Pressed:
    key = chosen_id(state, state.focus, now) if state.focus in {ITEMS, "agents"} else ""
    return (snooze(state, key, now) if key else state), None


def _mark(name: str) -> Callable[[TopState, float], Pressed]:
    def pressed(state: TopState, now: float) -> Pressed:
        chosen = chosen_name(state, now) if state.focus == "agents" else ""
        if not chosen:
            return state, None
        row = state.last_rows.get(chosen, {})
        return state, key_requests.mark(chosen, **{name: not row.get(name)})

    return pressed


def _everything(state: TopState, now: float) -> Pressed:
    return evolve(state, everything=not state.everything), None


def _problems(state: TopState, now: float) -> Pressed:
    return evolve(state, problems=not state.problems), None


def _group(state: TopState, now: float) -> Pressed:
    return evolve(state, grouped=not state.grouped), None


def _quit(state: TopState, now: float) -> Pressed:
    return state, Leave()


def _page(sign: int) -> Callable[[TopState], int]:
    return lambda state: sign * max(state.size[1] // 2, 1)


_VIEWS = {str(number): name for number, name in enumerate(VIEWS, 1)}

_MOVES: Mapping[str, Callable[[TopState], int]] = {
    "up": lambda state: -1,
    "k": lambda state: -1,
    "down": lambda state: 1,
    "j": lambda state: 1,
    "pageup": _page(-1),
    "pagedown": _page(1),
    "ctrl+u": _page(-1),
    "ctrl+d": _page(1),
    "home": lambda state: -1_000_000,
    "end": lambda state: 1_000_000,
    "G": lambda state: 1_000_000,
}

_ALWAYS: Mapping[str, Callable[[TopState], Action]] = {
    "ctrl+c": lambda state: EndDaemon() if state.of_serve else Leave(),
    "ctrl+z": lambda state: Suspend(),
}
"""The keys that do the same whatever is open."""

_ANYWHERE: Mapping[str, Callable[[TopState, float], Pressed]] = {
    "?": lambda state, now: (covered(state, "help"), None),
    ":": lambda state, now: (prompted(state, "command", ":", now), None),
    "c": _copy,
    "ctrl+r": lambda state, now: (state, Refresh()),
}
"""The keys that do the same above a pane."""

_IN_LISTS: Mapping[str, Callable[[TopState, float], Pressed]] = {
    "enter": _peek,
    "right": _peek,
    "escape": _escape,
    "left": _escape,
    "tab": _tab,
    "shift+tab": _tab,
    "/": lambda state, now: (prompted(state, "filter", "/", now, text=state.filter), None),
    "z": _snooze,
    "P": _mark("pinned"),
    "A": _mark("archived"),
    "E": _everything,
    "!": _problems,
    "g": _group,
    "q": _quit,
}
