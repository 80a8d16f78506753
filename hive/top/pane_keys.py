"""The keys of what covers the view: scroll, search, wrap, hold. Pure."""

from __future__ import annotations

from attrs import evolve

from hive.top.opening import noted
from hive.top.panes import TOP, found_above, pane_lines
from hive.top.picture import FRAME
from hive.top.state import Pane, TopState
from hive.view.text import ASCII

_STEPS = {"up": 1, "k": 1, "down": -1, "j": -1}
_PAGES = {"pageup": 1.0, "b": 1.0, "pagedown": -1.0, "ctrl+u": 0.5, "ctrl+d": -0.5}


def scrolled(state: TopState, key: str, now: float) -> TopState | None:
    """Return the state after a key that moves or changes the pane on top; None for others."""
    pane = state.pane
    assert pane is not None
    height = max(state.size[1] - FRAME - 1, 1)
    if key in _STEPS:
        return _moved(state, pane, _STEPS[key], now)
    if key in _PAGES:
        return _moved(state, pane, round(_PAGES[key] * height), now)
    changed = _changed(pane, key)
    if changed is not None:
        return _on_top(state, changed)
    is_next = key in {"n", "N"} and bool(pane.find)
    return _next_hit(state, pane, now, back=key == "N") if is_next else None


def _changed(pane: Pane, key: str) -> Pane | None:
    match key:
        case "home":
            return evolve(pane, above=TOP)
        case "end" | "G":
            return evolve(pane, above=0)
        case "w":
            return evolve(pane, wrap=not pane.wrap)
        case "space" if pane.kind in {"logs", "peek"}:
            return evolve(pane, paused=not pane.paused)
    return None


def searched(state: TopState, text: str, now: float) -> TopState:
    """Return the state with the pane on top at the next line that has a text."""
    pane = state.pane
    if pane is None:
        return state
    found = _on_top(state, evolve(pane, find=text))
    return _next_hit(found, evolve(pane, find=text), now, back=True) if text else found


def _next_hit(state: TopState, pane: Pane, now: float, *, back: bool) -> TopState:
    lines = pane_lines(state, pane, ASCII, now)
    above = found_above(lines, pane, max(state.size[1] - FRAME - 1, 1), back=back)
    if above is None:
        return noted(state, f"no line has {pane.find!r}", now)
    return _on_top(state, evolve(pane, above=above))


def _moved(state: TopState, pane: Pane, lines: int, now: float) -> TopState:
    height = max(state.size[1] - FRAME - 1, 1)
    most = max(len(pane_lines(state, pane, ASCII, now)) - height, 0)
    return _on_top(state, evolve(pane, above=min(max(min(pane.above, most) + lines, 0), most)))


def _on_top(state: TopState, pane: Pane) -> TopState:
    return evolve(state, panes=(*state.panes[:-1], pane))
