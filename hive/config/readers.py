"""Readers of single values: each converts a TOML value to the value that the model holds.

A reader raises `InvalidValueError` with a sentence that names the expected form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from hive.names import suggest

T = TypeVar("T")

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# Not within a number: else each of its digits would be tried as a beginning.
_DURATION = re.compile(r"(?<![\d.])(\d++(?:\.\d++)?+)(ms|s|m|h|d)")
_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d{1,20})([KMGT]?)")  # int() refuses thousands of digits
_SHARE = re.compile(r"(?:[1-9]\d?|100)%")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

LONGEST_DURATION = 366 * 86400.0
"""Longest duration, in seconds; a longer one is probably a mistake."""


class InvalidValueError(Exception):
    """A value is not allowed here; the sentence says what is. It never leaves the package."""


def text(value: Any) -> str:
    """Read a string without NUL, which arguments and environment variables cannot contain."""
    if not isinstance(value, str):
        raise InvalidValueError(f"expected a string, not {toml_type(value)}")
    if "\0" in value:
        raise InvalidValueError("a string may not contain NUL")
    return value


def boolean(value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise InvalidValueError(f"expected true or false, not {toml_type(value)}")
    return value


def integer(minimum: int) -> Callable[[Any], int]:
    """Return a reader of whole numbers, at least `minimum`."""

    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise InvalidValueError(f"expected a whole number, not {toml_type(value)}")
        if value < minimum:
            raise InvalidValueError(f"the smallest value is {minimum}")
        return value

    return read


def number(minimum: float, maximum: float) -> Callable[[Any], float]:
    """Return a reader of numbers from `minimum` to `maximum`, both included."""

    def read(value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise InvalidValueError(f"expected a number, not {toml_type(value)}")
        if not minimum <= value <= maximum:
            raise InvalidValueError(f"expected a number from {minimum:g} to {maximum:g}")
        return float(value)

    return read


def choice(allowed: Iterable[str]) -> Callable[[Any], str]:
    """Return a reader of one of the allowed words."""
    words = tuple(map(str, allowed))

    def read(value: Any) -> str:
        word = text(value)
        if word not in words:
            raise InvalidValueError(f"expected one of {', '.join(words)}{suggest(word, words)}")
        return word

    return read


def duration(value: Any) -> float:
    """Read a duration in seconds: a number of seconds, or a string such as "90s" or "1h30m".

    The units ms, s, m, h and d, and the meaning of a bare number, are those of systemd.time(7).
    """
    if isinstance(value, str):
        seconds = _seconds(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        raise InvalidValueError(
            f'expected a duration such as "90s" or "5m", not {toml_type(value)}'
        )
    if not 0 <= seconds <= LONGEST_DURATION:
        raise InvalidValueError("a duration is from 0 to 366 days")
    return seconds


def positive_duration(value: Any) -> float:
    """Read a duration that is not zero."""
    seconds = duration(value)
    if seconds == 0:
        raise InvalidValueError("this duration may not be zero")
    return seconds


def size(value: Any) -> int:
    """Read a size in bytes: a number, or a string such as "64K" (powers of 1024, as in systemd)."""
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        if match is None:
            raise InvalidValueError('expected a size such as 65536, "64K", "64M" or "4G"')
        found = int(match[1]) * _SIZES[match[2]]
    else:
        found = integer(0)(value)
    if not 1 <= found < 1 << 50:
        raise InvalidValueError("a size is at least one byte and below 1024T")
    return found


def written_duration(seconds: float) -> float | str:
    """Return a duration as it is written: one unit that divides it, else a number of seconds."""
    for unit in ("d", "h", "m", "s"):
        if seconds >= _UNITS[unit] and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:.0f}{unit}"
    milliseconds = round(seconds * 1000, 6)
    return f"{milliseconds:.0f}ms" if milliseconds and milliseconds % 1 == 0 else seconds


def written_size(size: int) -> int | str:
    """Return a size as it is written: the largest unit that divides it, else a number of bytes."""
    for unit in ("T", "G", "M", "K"):
        if size % _SIZES[unit] == 0:
            return f"{size // _SIZES[unit]}{unit}"
    return size


def memory(value: Any) -> str:
    """Read a memory limit in systemd's notation and return it unchanged."""
    word = text(value)
    if word != "infinity" and not (_SIZE.fullmatch(word) and size(word)):
        raise InvalidValueError('expected a memory limit such as "512M", "4G" or "infinity"')
    return word


def memory_share(value: Any) -> str:
    """Read a memory limit of the whole machine: as `memory`, or a percentage of its memory."""
    try:
        return _share(value) or memory(value)
    except InvalidValueError as error:
        raise InvalidValueError(f'{error}, or a percentage from "1%" to "100%"') from None


def tasks_share(value: Any) -> str:
    """Read a number of processes and threads, or a percentage of those that the machine allows."""
    if isinstance(value, str) and (value == "infinity" or _share(value)):
        return value
    if isinstance(value, str):
        raise InvalidValueError('expected a number, a percentage such as "50%", or "infinity"')
    return str(integer(1)(value))


def unless_off(read: Callable[[Any], T]) -> Callable[[Any], T | None]:
    """Return a reader that also takes the word "off", as None."""

    def read_or_off(value: Any) -> T | None:
        try:
            return None if value == "off" else read(value)
        except InvalidValueError as error:
            raise InvalidValueError(f'{error}, or "off"') from None

    return read_or_off


def cpu(value: Any) -> str:
    """Read a CPU limit in systemd's notation and return it unchanged."""
    word = text(value)
    if not re.fullmatch(r"[1-9]\d{0,5}%", word):
        raise InvalidValueError(
            'expected a part of one CPU such as "50%", or of several, such as "200%"'
        )
    return word


def variables(value: Any) -> dict[str, str]:
    """Read environment variables; names that begin with HIVE_ are reserved for the hive."""
    if not isinstance(value, dict):
        raise InvalidValueError(f"expected a table of strings, not {toml_type(value)}")
    for name, item in value.items():
        if not _VARIABLE.fullmatch(name):
            shown = name.partition("=")[0]  # behind it may be a secret
            raise InvalidValueError(f"{shown!r} cannot name an environment variable")
        if name.startswith("HIVE_"):
            raise InvalidValueError(f"{name} begins with HIVE_, which is reserved for the hive")
        if not isinstance(item, str) or "\0" in item:
            raise InvalidValueError(f"the value of {name} must be a string without NUL")
    return dict(value)


def toml_type(value: Any) -> str:
    """Return TOML's name for the type of a value, with its article."""
    names = {bool: "a boolean", int: "an integer", float: "a float", str: "a string"}
    names |= {list: "an array", dict: "a table"}
    return names.get(type(value), "a date or time")


def _share(value: Any) -> str | None:
    """Return a percentage from 1 to 100 unchanged; None if it is something else."""
    is_share = isinstance(value, str) and _SHARE.fullmatch(value) is not None
    return value if is_share else None


def _seconds(written: str) -> float:
    pieces = _DURATION.findall(written)
    if not pieces or "".join(amount + unit for amount, unit in pieces) != written:
        raise InvalidValueError('expected a duration such as "250ms", "90s", "5m", "2h" or "1h30m"')
    return sum(float(amount) * _UNITS[unit] for amount, unit in pieces)
