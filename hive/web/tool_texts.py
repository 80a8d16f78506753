"""Events of a turn as a page shows them: tool calls by their arguments, edits as diffs. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

_CUT = re.compile(r"\\(u[0-9a-fA-F]{0,3})?$")
"""An escape of JSON that was cut."""

_ENDINGS = ("", '"}', "}", '"]}', "]}", '"}}', "}}", '"}]}', "}]}")
"""What may be missing at the end of arguments that were cut."""

_HUNK = re.compile(r"^@@ -\d+(?:,(\d{1,9}))? \+\d+(?:,(\d{1,9}))? @@")

_IS_DIFF = re.compile(r"^(diff --git |@@ -\d+)", re.MULTILINE)


@frozen
class ShownEvent:
    """An event.

    Attributes:
        title: What it is, in a line; empty for text of the model.
        text: Its text.
        diff: Whether the text is a diff.
    """

    title: str
    text: str
    diff: bool = False


def turn_event(kind: str, text: str) -> ShownEvent:
    """Return an event of a kind of `LiveKind` as it is shown."""
    if kind == "tool":
        name, _, arguments = text.partition(" ")
        return _tool_call(name, arguments)
    if kind == "tool_result":
        return ShownEvent("result", text, is_diff(text))
    return ShownEvent("" if kind == "text" else kind, text)


def is_diff(text: str) -> bool:
    """Return whether a text is a patch."""
    return _IS_DIFF.search(text) is not None and re.search(r"^[+-]", text, re.MULTILINE) is not None


def _tool_call(name: str, arguments: str) -> ShownEvent:
    found = _arguments(arguments)
    if found is None:
        return ShownEvent(name, arguments)
    path = found.get("file_path") or found.get("path") or ""
    if "new_string" in found or "old_string" in found:
        edit = [*_marked("-", found.get("old_string")), *_marked("+", found.get("new_string"))]
        return ShownEvent(f"{name} {path}".rstrip(), "\n".join(edit), diff=True)
    if path and isinstance(found.get("content"), str):
        return ShownEvent(f"{name} {path}", "\n".join(_marked("+", found["content"])), diff=True)
    if isinstance(found.get("command"), str):
        return ShownEvent(name, found["command"])
    try:
        lines = [f"{key}: {_word(value)}" for key, value in found.items()]
    except RecursionError:  # just not too deep to be read
        return ShownEvent(name, arguments)
    return ShownEvent(name, "\n".join(lines))


def _arguments(text: str) -> Mapping[str, Any] | None:
    """Return the arguments of a call, as far as they were not cut; None if they are no object."""
    whole = _CUT.sub("", text)
    for kept in (whole, whole.rpartition(",")[0]):
        for ending in _ENDINGS:
            try:
                found = json.loads(kept + ending, strict=False)
            except (ValueError, RecursionError):
                continue
            return found if isinstance(found, dict) else None
    return None


def _marked(mark: str, text: object) -> Iterator[str]:
    if isinstance(text, str) and text:
        yield from (mark + line for line in text.removesuffix("\n").split("\n"))


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def diff_classes(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the lines of a patch with what each is: "plus", "minus", "hunk", "meta" or "same".

    Within a hunk, whose head says how long it is, a line that begins with `---` is a removed one.
    A patch without hunks has only lines that begin with a sign.
    """
    old = new = 0
    has_hunks = any(map(_HUNK.match, lines))
    for line in lines:
        head = _HUNK.match(line)
        if head and old <= 0 and new <= 0:
            old, new = (int(count or 1) for count in head.groups())
            yield "hunk", line
        elif has_hunks and old <= 0 and new <= 0:
            yield "meta", line
        else:
            old -= line[:1] != "+"
            new -= line[:1] != "-"
            yield {"+": "plus", "-": "minus"}.get(line[:1], "same"), line
