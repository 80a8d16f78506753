"""The output of verbs: lines for people, JSON for programs, errors in one sentence."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any

from click.exceptions import Exit

from hive.errors import HiveError, UnavailableError
from hive.escapes import block, inline
from hive.stdio import discard_output, raise_output_error

PROGRAM = "hive-c0re"

BROKEN_PIPE = 128 + signal.SIGPIPE
"""Exit status when the reader of the output has closed it, as after `… | head -1`."""


def lines(texts: Iterable[str]) -> None:
    """Print lines that are already safe for a terminal."""
    _write("".join(f"{text}\n" for text in texts))


def document(value: Any) -> None:
    """Print one JSON document.

    It is all ASCII, so that raw text from agents cannot reach a terminal as control characters;
    reading the document gives exactly that text.
    """
    lines([_escape_delete(json.dumps(value, indent=2))])


def item(value: Any) -> None:
    """Print one item of a stream as a line of JSON."""
    lines([_escape_delete(json.dumps(value))])


def complain(sentence: str) -> None:
    """Print one sentence to standard error, after the name of the program."""
    sys.stderr.write(f"{PROGRAM}: {inline(sentence)}\n")


def complain_at_length(text: str) -> None:
    """Print an error of several lines to standard error; further lines are indented."""
    first, *further = block(text)
    complain(first)
    sys.stderr.writelines(f"  {line.strip()}\n" for line in further)


def hint(sentence: str) -> None:
    """Print a hint to standard error; only if a person reads the output."""
    if is_terminal():
        sys.stderr.write(f"{sentence}\n")


def is_terminal() -> bool:
    """Return whether standard output is a terminal that can move its cursor."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def can_ask() -> bool:
    """Return whether standard input is a terminal."""
    return bool(sys.stdin) and sys.stdin.isatty()


def encoding() -> str:
    """Return the encoding of standard output."""
    return sys.stdout.encoding


def each(names: Iterable[str], act: Callable[[str], object]) -> None:
    """Call `act` for every name, also after a failure.

    Each failure is printed; the exit status is that of the first one.
    """
    failed: HiveError | None = None
    for name in names:
        try:
            act(name)
        except UnavailableError:
            raise
        except HiveError as error:
            complain(f"{name}: {error}")
            failed = failed or error
    if failed:
        raise Exit(failed.exit_status)


def _escape_delete(text: str) -> str:
    # The one control character that json leaves as it is.
    return text.replace("\x7f", "\\u007f")


def _write(text: str) -> None:
    # Not click.echo: it writes UTF-8 to an output whose encoding is ASCII.
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
        raise Exit(BROKEN_PIPE) from None
    except OSError as error:
        raise_output_error(error)
