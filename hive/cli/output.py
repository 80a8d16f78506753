"""What verbs print: lines for people, JSON for programs, sentences about trouble."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any

from click.exceptions import Exit

from hive.errors import HiveError, UnavailableError
from hive.stdio import discard_output, raise_output_error
from hive.view.terminal import block, inline

PROGRAM = "hive-c0re"

BROKEN_PIPE = 128 + signal.SIGPIPE
"""Exit status when the reader of the output has gone, as after `… | head -1`."""


def lines(texts: Iterable[str]) -> None:
    """Print lines that are already safe for a terminal."""
    _write("".join(f"{text}\n" for text in texts))


def document(value: Any) -> None:
    """Print one JSON document.

    It is all ASCII, so that not even raw text from agents can reach a terminal as control
    characters, and reading it back gives exactly that text.
    """
    lines([_plain_delete(json.dumps(value, indent=2))])


def item(value: Any) -> None:
    """Print one item of a stream as a line of JSON."""
    lines([_plain_delete(json.dumps(value))])


def complain(sentence: str) -> None:
    """Print a sentence about trouble to standard error."""
    sys.stderr.write(f"{PROGRAM}: {inline(sentence)}\n")


def complain_at_length(text: str) -> None:
    """Print what is wrong on several lines to standard error; the further ones are indented."""
    first, *further = block(text)
    complain(first)
    sys.stderr.writelines(f"  {line.strip()}\n" for line in further)


def hint(sentence: str) -> None:
    """Tell a person, and only a person, something beside the output."""
    if is_terminal():
        sys.stderr.write(f"{sentence}\n")


def is_terminal() -> bool:
    """Return whether standard output is a terminal that can do more than print lines."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def can_ask() -> bool:
    """Return whether a person can type on standard input."""
    return bool(sys.stdin) and sys.stdin.isatty()


def encoding() -> str:
    """Return the encoding of standard output."""
    return sys.stdout.encoding


def each(names: Iterable[str], act: Callable[[str], object]) -> None:
    """Act on every name, whatever becomes of the others.

    Complains about each that fails; the exit status is that of the first failure.
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


def _plain_delete(text: str) -> str:
    # The one control character that json leaves as it is.
    return text.replace("\x7f", "\\u007f")


def _write(text: str) -> None:
    # Not click.echo: it takes an ASCII output for a mistake and writes UTF-8 to it.
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
        raise Exit(BROKEN_PIPE) from None
    except OSError as error:
        raise_output_error(error)
