"""The last two lines: what is typed, asked or done, or the views; and the keys. Pure."""

from __future__ import annotations

from attrs import frozen
from rich.cells import cell_len

from hive.escapes import inline
from hive.top.key_table import KeyHelp, keys_of
from hive.top.look import Fragment, Look, fitted
from hive.top.state import VIEWS, TopState

NOTE_SECONDS = 8.0
"""Seconds for which the line about what a key has done is shown."""


@frozen
class Button:
    """A key in a line of the footer: where it is, and what a click on it presses."""

    begin: int
    end: int
    key: str


def status_line(state: TopState, width: int, look: Look, now: float) -> list[Fragment]:
    """Return the question, the line that is typed, what a key has done, or the views."""
    if state.question is not None:
        return [(inline(state.question.text), "notice"), ("  y/n", "key")]
    if state.prompt is not None:
        return _typed(state, width, look)
    if state.doing:
        return [(f"{inline(', '.join(state.doing))} {look.ellipsis}", "notice")]
    note = state.note
    if note is not None and now - note.at < NOTE_SECONDS:
        return [(inline(note.text), "error" if note.is_error else "notice")]
    return _views(state)


def key_line(state: TopState, width: int, now: float) -> tuple[list[Fragment], list[Button]]:
    """Return the keys that fit, each dim if it can do nothing just now, and their places."""
    prompt = state.prompt
    if prompt is not None and prompt.offered:
        return [(inline("  ".join(prompt.offered)), "dim")], []
    fragments: list[Fragment] = []
    buttons: list[Button] = []
    at = 0
    found = keys_of(state, now)
    for each in found:
        text = f"{_shown(each)} {each.word}"
        # The last key of a table is how to leave: it always has its place.
        last = 0 if each is found[-1] else cell_len(f"{_shown(found[-1])} {found[-1].word}") + 2
        if at and at + cell_len(text) + last > width:
            continue
        role = "off" if each.why_not else "key"
        gap = [("  ", "")] if at else []
        word = (f" {each.word}", "off" if each.why_not else "")
        fragments += [*gap, (_shown(each), role), word]
        buttons.append(Button(at, at + cell_len(text), each.key))
        at += cell_len(text) + 2
    return fragments, buttons


def _shown(each: KeyHelp) -> str:
    return _NAMES.get(each.key, each.key)


def _typed(state: TopState, width: int, look: Look) -> list[Fragment]:
    prompt = state.prompt
    assert prompt is not None
    before, after = prompt.shown
    label = inline(prompt.label)
    room = max(width - cell_len(label) - 3, 8)
    while cell_len(before) > room:
        before = before[max(len(before) // 8, 1) :]
    under = after[:1] or " "
    rest = fitted(after[1:], max(room - cell_len(before), 0), look)
    return [(f"{label} ", "title"), (before, ""), (under, "chosen"), (rest, "")]


def _views(state: TopState) -> list[Fragment]:
    found: list[Fragment] = []
    for number, name in enumerate(VIEWS, 1):
        is_shown = name == state.view and state.pane is None
        found += [(str(number), "key"), (f" {name}  ", "title" if is_shown else "dim")]
    return found


_NAMES = {"escape": "esc", "ctrl+c": "^C"}
"""How a key is shown, if its name is too long."""
