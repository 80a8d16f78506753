"""Reads the command lines of the most used verbs without click, whose import takes most of a verb.

A table has these verbs with the options that they usually get. A command line that is written as
most are is read here, and gives the arguments that click would give. Any other is left to click:
help, errors, completion, options that the table leaves out, words that need a second look. So click
alone decides what a verb accepts, and what is wrong with a command line.
"""

from __future__ import annotations

import os
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, TypeAlias

Convert: TypeAlias = "Callable[[str], Any]"
"""Returns the value of a word; raises ValueError for one that is to be left to click."""

DIGITS_MAX = 15
"""Digits of the longest number that is read here; a float has them all."""


class QuickOption:
    """An option.

    Args:
        name: The name of its argument in the function.
        convert: Converts its value; None for a flag.
        default: The value without it, or a function that returns it.
    """

    def __init__(self, name: str, convert: Convert | None = None, default: Any = None) -> None:
        self.name = name
        self.convert = convert
        self.default = False if convert is None else default


class QuickVerb:
    """A verb.

    Args:
        function: Module and name of the function that is the verb.
        options: The options that are read here, by each of their names.
        arguments: The names of the arguments, in order.
        required: How many of them must be given.
        defaults: Arguments of the function that are not read here; and those of the arguments that
            need not be given, if they are not None.
    """

    def __init__(
        self,
        function: tuple[str, str],
        options: Mapping[str, QuickOption],
        arguments: Sequence[str] = (),
        required: int = 0,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        self.function = function
        self.options = options
        self.arguments = arguments
        self.required = required
        self.defaults = defaults or {}


def find(
    program: str, verbs: Mapping[str, QuickVerb], words: Sequence[str]
) -> Callable[[], object] | None:
    """Return what a command line asks for; None if click must read it.

    Args:
        program: The name of the program.
        verbs: The verbs that are read here, by name.
        words: The words after the name of the program.
    """
    given = read(program, verbs, words)
    if given is None:
        return None
    module, name = verbs[words[0]].function
    function = getattr(import_module(module), name)
    return lambda: function(**given)


def read(
    program: str, verbs: Mapping[str, QuickVerb], words: Sequence[str]
) -> dict[str, Any] | None:
    """Return the arguments of the verb of a command line; see `find`."""
    if not words or words[0] not in verbs or _completes(program):
        return None
    verb = verbs[words[0]]
    try:
        given, arguments = _sorted(verb, iter(words[1:]))
    except ValueError:
        return None
    if not verb.required <= len(arguments) <= len(verb.arguments):
        return None
    if not all(arguments[: verb.required]):  # no name is empty
        return None
    absent = dict.fromkeys(verb.arguments) | dict(verb.defaults)
    for option in verb.options.values():
        absent[option.name] = option.default() if callable(option.default) else option.default
    return absent | dict(zip(verb.arguments, arguments, strict=False)) | given


def _completes(program: str) -> bool:
    """Return whether a shell asks for completion, by the variable that click reads."""
    return f"_{program.replace('-', '_').upper()}_COMPLETE" in os.environ


def _sorted(verb: QuickVerb, words: Iterator[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the options among words by the names of their arguments, and the other words.

    Raises:
        ValueError: Click must read them.
    """
    given: dict[str, Any] = {}
    arguments: list[str] = []
    for word in words:
        if word == "--":
            arguments += words
        elif word == "-" or not word.startswith("-"):
            arguments.append(word)
        else:
            name, value = _option(verb, word, words)
            if name in given:
                raise ValueError(f"{word} is given twice")
            given[name] = value
    return given, arguments


def _option(verb: QuickVerb, word: str, words: Iterator[str]) -> tuple[str, Any]:
    """Return the argument of an option, and its value, which may be the next word."""
    name, assigned, value = word.partition("=") if word.startswith("--") else (word, "", "")
    option = verb.options.get(name)
    if option is None:
        raise ValueError(f"{name} is not in the table")
    if option.convert is None:
        if assigned:
            raise ValueError(f"{name} takes no value")
        return option.name, True
    if not assigned:
        value = next(words, "-")
        if value.startswith("-"):
            raise ValueError(f"{name} has no value, or one that looks like an option")
    return option.name, option.convert(value)


def text(word: str) -> str:
    """Return a text as it is."""
    return word


def whole(least: int, most: int | None = None) -> Convert:
    """Return the conversion to a whole number in a range, see `hive.click_types.Whole`."""

    def convert(word: str) -> int:
        if not (word.isascii() and word.isdecimal()) or len(word) > DIGITS_MAX:
            raise ValueError(f"{word!r} is not written as a number usually is")
        number = int(word)
        if number < least or (most is not None and number > most):
            raise ValueError(f"{number} is out of range")
        return number

    return convert


def seconds(most: float, *, positive: bool = False) -> Convert:
    """Return the conversion to seconds, see `hive.click_types.Seconds`."""

    def convert(word: str) -> float:
        if not word.isascii() or not word.replace(".", "", 1).isdecimal():
            raise ValueError(f"{word!r} is not written as a number usually is")
        number = float(word)
        if number > most or (positive and number == 0):
            raise ValueError(f"{number} is out of range")
        return number

    return convert


def choice(*words: str) -> Convert:
    """Return the conversion to one of several words."""

    def convert(word: str) -> str:
        if word not in words:
            raise ValueError(f"{word!r} is none of them")
        return word

    return convert
