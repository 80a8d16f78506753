"""Readers of single values: each takes what TOML gives and returns what the model holds.

A reader raises `Wrong` with the sentence that tells how to write it right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from hive.names import suggest

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d+)([KMGT]?)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

LONGEST_DURATION = 366 * 86400.0
"""Seconds; anything longer is taken for a mistake."""


class Wrong(Exception):  # noqa: N818 - says what it is about a value; never leaves the package
    """This value cannot stand here; the sentence says what can."""


def text(value: Any) -> str:
    """Read a string without NUL characters, which no program could be given."""
    if not isinstance(value, str):
        raise Wrong(f"expected a string, not {kind_of(value)}")
    if "\0" in value:
        raise Wrong("a string may not contain NUL")
    return value


def flag(value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise Wrong(f"expected true or false, not {kind_of(value)}")
    return value


def whole(minimum: int) -> Callable[[Any], int]:
    """Return a reader of whole numbers from `minimum` on."""

    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Wrong(f"expected a whole number, not {kind_of(value)}")
        if value < minimum:
            raise Wrong(f"the smallest value is {minimum}")
        return value

    return read


def number(minimum: float, maximum: float) -> Callable[[Any], float]:
    """Return a reader of numbers from `minimum` to `maximum`, both included."""

    def read(value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Wrong(f"expected a number, not {kind_of(value)}")
        if not minimum <= value <= maximum:
            raise Wrong(f"expected a number from {minimum:g} to {maximum:g}")
        return float(value)

    return read


def choice(allowed: Iterable[str]) -> Callable[[Any], str]:
    """Return a reader of one of a few words."""
    words = tuple(map(str, allowed))

    def read(value: Any) -> str:
        word = text(value)
        if word not in words:
            raise Wrong(f"expected one of {', '.join(words)}{suggest(word, words)}")
        return word

    return read


def duration(value: Any) -> float:
    """Read a duration: a number of seconds, or a string such as "90s" or "1h30m".

    Units and the meaning of a bare number are those of systemd.time(7), as far as they go here.
    """
    if isinstance(value, str):
        seconds = _seconds(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        raise Wrong(f'expected a duration such as "90s" or "5m", not {kind_of(value)}')
    if not 0 <= seconds <= LONGEST_DURATION:
        raise Wrong("a duration is from 0 to 366 days")
    return seconds


def positive_duration(value: Any) -> float:
    """Read a duration that is not zero."""
    seconds = duration(value)
    if seconds == 0:
        raise Wrong("this duration may not be zero")
    return seconds


def size(value: Any) -> int:
    """Read a number of bytes, or a string such as "64K" (powers of 1024, as in systemd)."""
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        if match is None:
            raise Wrong('expected a size such as 65536, "64K", "64M" or "4G"')
        found = int(match[1]) * _SIZES[match[2]]
    else:
        found = whole(0)(value)
    if not 1 <= found < 1 << 50:
        raise Wrong("a size is at least one byte and below 1024T")
    return found


def memory(value: Any) -> str:
    """Read a memory limit in systemd's notation and return it unchanged."""
    word = text(value)
    if word != "infinity" and not (_SIZE.fullmatch(word) and size(word)):
        raise Wrong('expected a memory limit such as "512M", "4G" or "infinity"')
    return word


def cpu(value: Any) -> str:
    """Read a CPU limit in systemd's notation and return it unchanged."""
    word = text(value)
    if not re.fullmatch(r"[1-9]\d{0,5}%", word):
        raise Wrong('expected a part of one CPU such as "50%", or of several, such as "200%"')
    return word


def variables(value: Any) -> dict[str, str]:
    """Read environment variables; names that begin with HIVE_ are given by the hive itself."""
    if not isinstance(value, dict):
        raise Wrong(f"expected a table of strings, not {kind_of(value)}")
    for name, held in value.items():
        if not _VARIABLE.fullmatch(name):
            raise Wrong(f"{name!r} cannot name an environment variable")
        if name.startswith("HIVE_"):
            raise Wrong(f"{name} begins with HIVE_, which the hive keeps for itself")
        if not isinstance(held, str) or "\0" in held:
            raise Wrong(f"the value of {name} must be a string without NUL")
    return dict(value)


def kind_of(value: Any) -> str:
    """Return what TOML calls the type of a value, with its article."""
    names = {bool: "a boolean", int: "an integer", float: "a float", str: "a string"}
    names |= {list: "an array", dict: "a table"}
    return names.get(type(value), "a date or time")


def _seconds(written: str) -> float:
    pieces = _DURATION.findall(written)
    if not pieces or "".join(amount + unit for amount, unit in pieces) != written:
        raise Wrong('expected a duration such as "250ms", "90s", "5m", "2h" or "1h30m"')
    return sum(float(amount) * _UNITS[unit] for amount, unit in pieces)
