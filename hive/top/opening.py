"""Opening and closing of questions, lines of input and panes. Pure.

The order of what was drawn is held while a question or a line of input is open.
"""

from __future__ import annotations

from attrs import evolve

from hive.top.actions import Action
from hive.top.chosen import ids_of
from hive.top.line_editor import Prompt
from hive.top.panes import TOP
from hive.top.state import ITEMS, Confirmation, Note, Pane, TopState


def asked(state: TopState, text: str, action: Action, now: float) -> TopState:
    """Return the state with a question open, which `y` answers with an action."""
    return evolve(_held(state, now), question=Confirmation(text, action), note=None)


def prompted(
    state: TopState, purpose: str, label: str, now: float, *, subject: str = "", text: str = ""
) -> TopState:
    """Return the state with a line of input open.

    Args:
        state: The state.
        purpose: What it is for, see `prompts`.
        label: What is asked for.
        now: Wall time in seconds.
        subject: The id that it is about.
        text: What it begins with.
    """
    earlier = state.earlier.get(purpose, ())
    prompt = Prompt(purpose, label, subject, text, len(text), earlier=earlier)
    return evolve(_held(state, now), prompt=prompt, note=None)


def closed(state: TopState) -> TopState:
    """Return the state without a question or a line of input; rows may move again."""
    gone = [name for name in state.last_rows if name not in state.places]
    rows = {name: row for name, row in state.last_rows.items() if name not in gone}
    return evolve(state, question=None, prompt=None, held=None, last_rows=rows)


def covered(state: TopState, kind: str, subject: str = "", lines: tuple[str, ...] = ()) -> TopState:
    """Return the state with a pane above what is shown; a log shows its end first."""
    pane = Pane(kind, subject, lines, above=0 if kind == "logs" else TOP)
    return evolve(state, panes=(*state.panes, pane), note=None)


def noted(state: TopState, text: str, now: float, *, is_error: bool = False) -> TopState:
    """Return the state with a line about what a key has done."""
    return evolve(state, note=Note(text, now, is_error))


def _held(state: TopState, now: float) -> TopState:
    if state.held is not None:
        return state
    everything = evolve(state, filter="", problems=False)
    lists = {ITEMS, "agents", state.view}
    return evolve(state, held={which: tuple(ids_of(everything, which, now)) for which in lists})
