"""The lines of what covers the view: peek, description, log, trace, approval, help. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hive.escapes import block, inline
from hive.top.help_page import help_lines
from hive.top.look import wrapped
from hive.top.state import Pane, TopState
from hive.view.change_lines import approval_lines, behind_lines
from hive.view.lines import message_lines, step_line, turn_line
from hive.view.row_fields import UNREADABLE, Row, objects
from hive.view.status_lines import details
from hive.view.text import Glyphs


def pane_title(pane: Pane) -> str:
    """Return the title of a pane."""
    words = {
        "peek": "peek at",
        "describe": "",
        "logs": "log of",
        "trace": "message",
        "approval": "approval",
        "output": "hive-c0re",
        "help": "help",
    }[pane.kind]
    parts = (words, inline(pane.subject))
    return " ".join(part for part in parts if part)


def pane_lines(state: TopState, pane: Pane, glyphs: Glyphs, now: float) -> list[str]:
    """Return all lines of a pane, each safe for a terminal, before they are wrapped or cut."""
    if pane.lines or pane.kind == "output":
        return [text for each in pane.lines for text in block(each)]
    try:
        return list(_made(state, pane, glyphs, now))
    except UNREADABLE as error:
        return [f"this cannot be shown: {inline(repr(error))}"]


def shown_lines(lines: list[str], pane: Pane, width: int, height: int) -> tuple[list[str], int]:
    """Return the lines that fit, and how many are below them.

    Only what can be seen is wrapped: a long log costs no more than a short one.

    Args:
        lines: All lines.
        pane: How far it is from its end, and whether lines are wrapped.
        width: Cells of a line.
        height: Lines that fit.
    """
    above = min(pane.above, max(len(lines) - height, 0))
    end = len(lines) - above
    if not pane.wrap:
        return lines[max(end - height, 0) : end], above
    found: list[str] = []
    if end <= height:
        return [piece for text in lines[:end] for piece in wrapped(text, width)][:height], above
    for text in reversed(lines[:end]):
        found[:0] = wrapped(text, width)
        if len(found) >= height:
            break
    return found[-height:], above


TOP = 1 << 30
"""Lines above the end of a pane that shows its beginning, however long it is."""


def found_above(lines: list[str], pane: Pane, height: int, *, back: bool) -> int | None:
    """Return how far from the end a pane is once it shows the next line with its search text.

    None if there is no such line.
    """
    wanted = pane.find.casefold()
    last_shown = len(lines) - min(pane.above, max(len(lines) - height, 0)) - 1
    hits = [number for number, text in enumerate(lines) if wanted in text.casefold()]
    if not hits:
        return None
    if back:
        earlier = [number for number in hits if number < last_shown]
        hit = earlier[-1] if earlier else hits[-1]
    else:
        later = [number for number in hits if number > last_shown]
        hit = later[0] if later else hits[0]
    return len(lines) - 1 - hit


def _made(state: TopState, pane: Pane, glyphs: Glyphs, now: float) -> Iterator[str]:
    match pane.kind:
        case "help":
            yield from help_lines(state.of_serve)
        case "describe":
            row = state.last_rows.get(pane.subject)
            yield from ["no participant any more"] if row is None else details(row, now, glyphs)
        case "logs":
            yield from _log(state, pane.subject)
        case "peek":
            yield from _peek(state, pane.subject, glyphs, now)
        case "trace":
            yield from _trace(state, pane.subject)
        case "approval":
            yield from _approval(state, pane.subject, now)


def _log(state: TopState, name: str) -> Iterator[str]:
    answer, missing = _answer(state, f"logs {name}")
    if missing:
        yield missing
        return
    lines = answer.get("lines") or ()
    if not lines:
        yield f"No output of {inline(name)}."
    for text in lines:
        yield from block(str(text))


def _peek(state: TopState, name: str, glyphs: Glyphs, now: float) -> Iterator[str]:
    row = state.last_rows.get(name)
    if row is not None:
        yield from details(row, now, glyphs)[:1]
        if row.get("cause") or row.get("reason"):
            yield f"  why: {inline(row.get('cause') or row['reason'])}"
    yield from ("", "Last turns:")
    turns, missing = _answer(state, f"turns {name}")
    found = list(objects(turns.get("turns")))
    yield from (f"  {turn_line(each)}" for each in found)
    if missing or not found:
        yield f"  {missing or 'none yet'}"
    yield from ("", "Inbox, newest last:")
    mail, missing = _answer(state, f"inbox {name}")
    messages = list(objects(mail.get("messages")))
    for each in messages:
        yield from (f"  {text}" for text in message_lines(each, now)[:4])
    if missing or not messages:
        yield f"  {missing or 'empty'}"
    yield from ("", "Output, newest last:")
    yield from (f"  {text}" for text in _log(state, name))


def _trace(state: TopState, number: str) -> Iterator[str]:
    answer, missing = _answer(state, f"trace {number}")
    if missing:
        yield missing
        return
    yield from message_lines(answer["message"], None)
    yield ""
    yield from map(step_line, objects(answer.get("steps")))


def _approval(state: TopState, number: str, now: float) -> Iterator[str]:
    answer, missing = _answer(state, f"approval {number}")
    if missing:
        yield missing
        return
    yield from [*approval_lines(answer["approval"], now), *behind_lines(answer)]
    patch, missing = _answer(state, f"diff {number}")
    yield ""
    yield from [missing] if missing else block(str(patch.get("diff") or ""))


def _answer(state: TopState, key: str) -> tuple[Row, str]:
    """Return an answer, or an empty one and why there is none."""
    found: Mapping[str, object] = state.answers.found.get(key, {})
    if found:
        return found, ""
    refused = state.answers.refused.get(key)
    return {}, inline(refused) if refused else "asking the daemon ..."
