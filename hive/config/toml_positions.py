"""Line numbers of the keys of a TOML file, which `tomllib` does not report.

The text must be valid TOML: then a statement (a header, or a key with its value) is the shortest
run of lines that parses alone, and the parsed dictionary has the keys that it sets.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from hive.config.schema import KeyPath


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, counted from 1, of every table, key and array item of a valid TOML text.

    Keys inside a value that spans several lines have the line on which the value begins.
    """
    lines: dict[KeyPath, int] = {}
    newest: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, statement, parsed in _statements(text):
        if statement.lstrip().startswith("["):
            table = _header_path(parsed, newest)
            _record(lines, table, number)
        else:
            for path in _inner_paths(parsed):
                _record(lines, table + path, number)
    return lines


def line_of(path: KeyPath, lines: dict[KeyPath, int]) -> int | None:
    """Return the line of a key, or of the nearest table around it that has one."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return None


def _record(lines: dict[KeyPath, int], path: KeyPath, number: int) -> None:
    """Record the line of a path, and of the tables around it that have no line yet."""
    for end in range(1, len(path) + 1):
        lines.setdefault(path[:end], number)


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield the first line's number, the text and the parsed dictionary of each statement."""
    started, piece = 1, ""
    for number, line in enumerate(text.split("\n"), start=1):
        piece += line + "\n"
        try:
            parsed = tomllib.loads(piece)
        except tomllib.TOMLDecodeError:
            continue
        if parsed:
            yield started, piece, parsed
        started, piece = number + 1, ""


def _header_path(header: dict[str, Any], newest: dict[KeyPath, int]) -> KeyPath:
    """Return the path of the table that a header opens; in an array of tables, of its last item."""
    path: KeyPath = ()
    inner: Any = header
    while inner:
        name, inner = next(iter(inner.items()))
        path += (name,)
        if isinstance(inner, list):
            newest[path] = newest.get(path, -1) + 1
            inner = inner[0]
        if path in newest:
            path += (newest[path],)
    return path


def _inner_paths(value: Any) -> Iterator[KeyPath]:
    """Yield the path of every key and item below a value, outermost first."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        yield (key,)
        if isinstance(inner, dict | list):
            for rest in _inner_paths(inner):
                yield (key, *rest)
