"""The line that is typed: its keys, and what Enter does with it, by its purpose. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping

from attrs import evolve

from hive.top import key_requests
from hive.top.actions import Action, Complete, RunVerb
from hive.top.attention_items import attention_items, options_of
from hive.top.line_editor import Prompt
from hive.top.opening import closed, noted
from hive.top.pane_keys import searched
from hive.top.state import TopState

KEPT = 50
"""Earlier lines that are kept of each purpose."""

_LINE_END = re.compile(r"\r\n?|\n")
"""The end of a line; a terminal pastes it as the Enter key would send it."""

Entered = Callable[[TopState, Prompt, float], tuple[TopState, Action | None]]


def press_in_prompt(state: TopState, key: str, now: float) -> tuple[TopState, Action | None]:
    """Return what a key does to the line that is typed."""
    prompt = state.prompt
    assert prompt is not None
    match key:
        case "escape":
            cleared = evolve(state, filter="") if prompt.purpose == "filter" else state
            return closed(cleared), None
        case "enter":
            return _ENTERED[prompt.purpose](_remembered(closed(state), prompt), prompt, now)
        case "tab" if prompt.purpose == "command":
            return _completing(state, prompt)
    changed = prompt.typed(key) if len(key) == 1 else prompt.edited(key)
    return _typed(state, changed), None


def paste(state: TopState, text: str) -> TopState:
    """Return the state after a text was pasted; line breaks become blanks."""
    if state.prompt is None:
        return state
    return _typed(state, state.prompt.typed(_LINE_END.sub(" ", text)))


def completed(state: TopState, asked_for: Complete, words: tuple[str, ...]) -> TopState:
    """Return the state with the words that complete its line, unless it has changed meanwhile."""
    prompt = state.prompt
    if prompt is None or prompt.purpose != "command" or _split(prompt) != asked_for:
        return state
    return evolve(state, prompt=prompt.completed(words)) if words else state


def _typed(state: TopState, prompt: Prompt) -> TopState:
    state = evolve(state, prompt=prompt)
    return evolve(state, filter=prompt.text) if prompt.purpose == "filter" else state


def _remembered(state: TopState, prompt: Prompt) -> TopState:
    if not prompt.text.strip():
        return state
    lines = [line for line in state.earlier.get(prompt.purpose, ()) if line != prompt.text]
    kept = tuple([*lines, prompt.text][-KEPT:])
    return evolve(state, earlier={**state.earlier, prompt.purpose: kept})


def _completing(state: TopState, prompt: Prompt) -> tuple[TopState, Action | None]:
    wanted = _split(prompt)
    if wanted.words:
        return state, wanted
    words = tuple(verb for verb in state.verbs if verb.startswith(wanted.typed))
    return evolve(state, prompt=prompt.completed(words)), None


def _split(prompt: Prompt) -> Complete:
    head, _, last = prompt.text.rpartition(" ")
    return Complete(tuple(head.split()), last)


def _filter(state: TopState, prompt: Prompt, now: float) -> tuple[TopState, Action | None]:
    return evolve(state, filter=prompt.text), None


def _command(state: TopState, prompt: Prompt, now: float) -> tuple[TopState, Action | None]:
    try:
        words = tuple(shlex.split(prompt.text))
    except ValueError as error:
        return noted(state, f"this cannot be read: {error}", now, is_error=True), None
    if words[:1] == ("hive-c0re",):
        words = words[1:]
    if not words:
        return state, None
    if words[0] in state.verbs and words[0] in NOT_HERE:
        text = f"{words[0]} is not for this view: {NOT_HERE[words[0]]}"
        return noted(state, text, now, is_error=True), None
    return state, RunVerb(words)


NOT_HERE = {
    "serve": "it is a daemon of its own",
    "top": "this is it",
    "watch": "it never ends; enter peeks",
    "attach": "it needs the whole terminal; run it in a shell",
    "shell": "it needs the whole terminal; run it in a shell",
}
"""Verbs that need a terminal or never end, and what to do instead."""


def _message(state: TopState, prompt: Prompt, now: float) -> tuple[TopState, Action | None]:
    if not prompt.text.strip():
        return noted(state, "nothing was typed, so nothing was sent", now), None
    name, _, number = prompt.subject.partition(" ")
    return state, key_requests.message(name, prompt.text, number)


def _answer(state: TopState, prompt: Prompt, now: float) -> tuple[TopState, Action | None]:
    if not prompt.text.strip():
        return noted(state, "nothing was typed, so nothing was answered", now), None
    return state, key_requests.answer(prompt.subject, prompt.text)


def _choose(state: TopState, prompt: Prompt, now: float) -> tuple[TopState, Action | None]:
    """Answer with the options of which the digits were typed, one a line, as the dashboard does."""
    items = (row for row in attention_items(state.answers) if row["id"] == prompt.subject)
    item = next(items, None)
    if item is None:
        return noted(state, "it is answered already, or has ended", now, is_error=True), None
    options = options_of(item)
    digits = sorted(set(prompt.text) - {" ", ","})
    wrong = [digit for digit in digits if digit not in "123456789"[: len(options)]]
    if wrong or not digits:
        text = f"give digits from 1 to {len(options)}, such as 1 3; nothing was answered"
        return noted(state, text, now, is_error=bool(wrong)), None
    chosen = "\n".join(options[int(digit) - 1] for digit in digits)
    return state, key_requests.answer(str(item["number"]), chosen)


def _decide(verb: str) -> Entered:
    def entered(state: TopState, prompt: Prompt, now: float) -> tuple[TopState, Action | None]:
        number, _, sha = prompt.subject.partition(" ")
        note = prompt.text.strip()
        if verb == "deny" and not note:
            return noted(state, "nothing was denied: a denial needs a reason", now), None
        return state, key_requests.decide(verb, number, note, sha or None)

    return entered


def _snooze(state: TopState, prompt: Prompt, now: float) -> tuple[TopState, Action | None]:
    seconds = key_requests.duration(prompt.text)
    if seconds is None:
        text = f"{prompt.text!r} is no time; give 30m, 8h or 2d, or nothing to wake it"
        return noted(state, text, now, is_error=True), None
    return state, key_requests.mark(prompt.subject, snooze=seconds)


def _find(state: TopState, prompt: Prompt, now: float) -> tuple[TopState, Action | None]:
    return searched(state, prompt.text, now), None


_ENTERED: Mapping[str, Entered] = {
    "filter": _filter,
    "command": _command,
    "message": _message,
    "answer": _answer,
    "choose": _choose,
    "approve": _decide("approve"),
    "deny": _decide("deny"),
    "snooze": _snooze,
    "find": _find,
}
"""What Enter does, by purpose."""
