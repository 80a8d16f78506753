"""The kinds of values of a configuration: word, reader, JSON schema and written form of each."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Any

from hive.config.model import QuietHours
from hive.config.readers import (
    InvalidValueError,
    boolean,
    choice,
    duration,
    integer,
    number,
    positive_duration,
    size,
    text,
    variables,
    written_duration,
    written_size,
)
from hive.config.readers import unless_off as read_unless_off
from hive.config.table_schema import ReadContext, ValueKind, array_of, scalar

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_QUIET = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")

STRING = {"type": "string"}
"""The JSON schema of a string."""

_DURATION = {
    "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^[\dhmsd.]+$"}]
}
_SIZE = {
    "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[0-9]+[KMGT]?$"}]
}

TEXT = scalar("text", text, STRING)
BOOLEAN = scalar("true or false", boolean, {"type": "boolean"})
DURATION = scalar("duration", duration, _DURATION, written_duration)
POSITIVE_DURATION = scalar("duration", positive_duration, _DURATION, written_duration)
SIZE = scalar("size", size, _SIZE, written_size)
VARIABLES = scalar("table", variables, {"type": "object", "additionalProperties": STRING}, dict)


def whole(minimum: int) -> ValueKind:
    """Return the kind of whole numbers, at least `minimum`."""
    return scalar("number", integer(minimum), {"type": "integer", "minimum": minimum})


def real(minimum: float, maximum: float) -> ValueKind:
    """Return the kind of numbers from `minimum` to `maximum`."""
    schema = {"type": "number", "minimum": minimum, "maximum": maximum}
    return scalar("number", number(minimum, maximum), schema)


def word(enum: type[StrEnum]) -> ValueKind:
    """Return the kind of words that are the values of an enum."""
    read = choice(enum)
    schema = {"type": "string", "enum": list(map(str, enum))}
    return scalar("word", lambda value: enum(read(value)), schema, str)


def unless_off(kind: ValueKind) -> ValueKind:
    """Return a kind whose values may also be the word "off", which is None."""

    def read(value: Any, context: ReadContext) -> Any:
        return read_unless_off(lambda written: kind.read(written, context))(value)

    return ValueKind(
        kind.word,
        read,
        {"anyOf": [kind.schema, {"const": "off"}]},
        lambda value: "off" if value is None else kind.write(value),
    )


def _without_control(written: str) -> str:
    """Return a path that can stand in a line of a generated file."""
    if _CONTROL.search(written):
        raise InvalidValueError("a path may not have control characters such as a new line")
    return written


def _path(value: Any, context: ReadContext) -> Path:
    written = _without_control(text(value))
    if not written:
        raise InvalidValueError("a path may not be empty")
    try:
        return context.base / Path(written).expanduser()
    except RuntimeError:
        raise InvalidValueError("there is no such home directory") from None


def _inside_path(value: Any, context: ReadContext) -> Path:
    found = Path(_without_control(text(value)))
    if not found.is_absolute():
        raise InvalidValueError("a path inside the agent's machine begins with '/'")
    return found


def _quiet_hours(value: Any) -> QuietHours:
    """Read hours of a day, such as `22:00-07:00`."""
    found = _QUIET.fullmatch(text(value))
    if found is None:
        raise InvalidValueError('give two times of day such as "22:00-07:00"')
    hours = QuietHours(int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4]))
    if hours.start == hours.end:
        raise InvalidValueError('the two times are the same; give hours such as "22:00-07:00"')
    return hours


def _program(value: Any, context: ReadContext) -> tuple[str, ...]:
    words = array_of(TEXT).read(value, context)
    if not words or not words[0]:
        raise InvalidValueError('the first item names a program, as in ["./agent.sh", "--fast"]')
    name = str(PATH.read(words[0], context)) if "/" in words[0] else words[0]
    return (name, *words[1:])


PATH = ValueKind("path", _path, STRING, str)
"""A path; a relative one starts in the file's directory, `~` is the home directory."""

INSIDE_PATH = ValueKind("path", _inside_path, STRING, str)
"""A path inside the agent's machine; it must be absolute."""

PROGRAM = ValueKind("program", _program, {"type": "array", "items": STRING, "minItems": 1}, list)
"""A program with its arguments.

A program with a '/' is a path, relative to the file's directory; any other is looked up in the
agent's PATH when it starts.
"""

QUIET = scalar("text", _quiet_hours, {"type": "string", "pattern": f"^{_QUIET.pattern}$"}, str)
"""Hours of a day, such as "22:00-07:00"."""
