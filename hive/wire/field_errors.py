"""Sentences about wrong fields: from an error of msgspec to words that a person understands.

msgspec says "Expected `int` >= 1 - at `$.max`". The sentence here names the field, the value that
was given and the limit: "'max' is 0, at least 1 is needed". What is not known is described in
general words; no text of the decoder is passed on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Literal, NamedTuple, get_args, get_origin

import msgspec

from hive.names import suggest
from hive.quantities import counted, plural

VALUE_MAX = 40
"""Characters of a value that a sentence repeats."""

_PLACE = re.compile(r" - at (?P<key>`key` in )?`(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.?(?P<field>[^.\[\]]+)|\[(?P<index>\d+|\.\.\.)\]")
_LENGTH = re.compile(
    r"Expected `(?P<kind>str|bytes|array|object)` of length (?P<sign>[<>]=) (?P<limit>\d+)"
)
_RANGE = re.compile(r"Expected `(?:int|float)` (?P<sign>[<>]=?) (?P<limit>\S+)")
_KIND = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<kind>[^`]+)`")
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`")
_CHOICE = re.compile(r"Invalid (?:enum )?value ")

_KINDS = {
    "str": "text",
    "bytes": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_LIMITS = {
    ">=": "at least {} is needed",
    ">": "more than {} is needed",
    "<=": "at most {} is allowed",
    "<": "less than {} is allowed",
}


class _Place(NamedTuple):
    """A value in the fields of a request.

    Attributes:
        words: How a sentence names it, such as `item 1 of 'ids'`.
        field: The outermost field.
        value: The value; `...` if it is not known.
    """

    words: str
    field: str
    value: Any


def explain_fields(error: Exception, fields: Any, kind: type[Any]) -> str:
    """Return a sentence about the wrong field of a request or of a tool's arguments.

    Args:
        error: The error of msgspec.
        fields: The fields that were given.
        kind: The type that they should have fitted.
    """
    text = str(error)
    found = _PLACE.search(text)
    place = _place(found["path"] if found else "$", fields)
    if found and found["key"]:
        place = _Place(f"a name in {place.words}", place.field, ...)
    what = text[: found.start()] if found else text
    if isinstance(error.__cause__, ValueError):  # our own check of the fields together
        return what
    for pattern, say in _SENTENCES:
        if match := pattern.match(what):
            return say(match, place)
    if _CHOICE.match(what):
        return _choice(place, kind)
    return f"{place.words} is {shown(place.value)}, which is not allowed there"


def _place(path: str, fields: Any) -> _Place:
    """Return what a path such as `$.ids[0]` names."""
    words, outermost, value = "the request", "", fields
    for step in _STEP.finditer(path.removeprefix("$")):
        if (name := step["field"]) is not None:
            words = f"{name!r}" if not outermost else f"{name!r} in {words}"
            outermost = outermost or name
            value = value.get(name, ...) if isinstance(value, dict) else ...
        elif (index := step["index"]) != "...":
            words = f"item {int(index) + 1} of {words}"
            known = isinstance(value, list) and int(index) < len(value)
            value = value[int(index)] if known else ...
        else:
            words, value = f"a value in {words}", ...
    return _Place(words, outermost, value)


def _length(match: re.Match[str], place: _Place) -> str:
    limit = int(match["limit"])
    unit = {"str": "character", "bytes": "byte"}.get(match["kind"], "item")
    if match["sign"] == ">=" and limit == 1:
        return f"{place.words} is empty"
    bound = "at least {} {} needed" if match["sign"] == ">=" else "at most {} {} allowed"
    limits = bound.format(limit, "is" if limit == 1 else "are")
    if not hasattr(place.value, "__len__"):  # a key, or a value in an object
        return f"{place.words} has too many or too few {plural(unit)}, {limits}"
    return f"{place.words} has {counted(len(place.value), unit)}, {limits}"


def _range(match: re.Match[str], place: _Place) -> str:
    bound = _LIMITS[match["sign"]].format(match["limit"].removesuffix(".0"))
    if place.value is ...:
        return f"{place.words} is too {'small' if '>' in match['sign'] else 'large'}, {bound}"
    return f"{place.words} is {shown(place.value)}, {bound}"


def _kind(match: re.Match[str], place: _Place) -> str:
    wanted = " or ".join(_KINDS.get(each, each) for each in match["wanted"].split(" | "))
    kind = match["kind"]
    given = shown(place.value) if kind == "bool" else _KINDS.get(kind, kind)
    return f"{place.words} is {given}, it takes {wanted}"


def _missing(match: re.Match[str], place: _Place) -> str:
    return f"{match['field']!r} is missing" + (f" in {place.words}" if place.field else "")


def _unknown(match: re.Match[str], place: _Place) -> str:
    return f"{place.words} has no field {_shortened(match['field'])!r}"


_SENTENCES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], _Place], str]], ...] = (
    (_LENGTH, _length),
    (_RANGE, _range),
    (_KIND, _kind),
    (_MISSING, _missing),
    (_UNKNOWN, _unknown),
)


def _choice(place: _Place, kind: type[Any]) -> str:
    known = msgspec.structs.fields(kind) if issubclass(kind, msgspec.Struct) else ()
    types = {field.encode_name: field.type for field in known}
    choices = list(_choices(types.get(place.field)))
    if not choices:
        return f"{place.words} is {shown(place.value)}, which is not allowed there"
    return (
        f"{place.words} is {shown(place.value)}, it takes one of {', '.join(choices)}"
        f"{suggest(str(place.value), choices)}"
    )


def _choices(kind: Any) -> Iterator[str]:
    """Yield the words that a type with an enum or a literal in it allows."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        yield from (str(each.value) for each in kind)
    elif get_origin(kind) is Literal:
        yield from map(str, get_args(kind))
    else:
        for part in get_args(kind):
            yield from _choices(part)


def shown(value: Any) -> str:
    """Return a value as a sentence names it: shortened, and no contents of lists and objects."""
    if isinstance(value, dict | list):
        return _KINDS["object" if isinstance(value, dict) else "array"]
    if value is ...:
        return "a value"
    return repr(_shortened(value)) if isinstance(value, str) else _shortened(json.dumps(value))


def _shortened(word: str) -> str:
    return word if len(word) <= VALUE_MAX else word[:VALUE_MAX] + "…"
