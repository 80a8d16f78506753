"""The output of verbs: lines for people, JSON for programs, errors in one sentence."""

from __future__ import annotations

import json
import math
import os
import select
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from hive.errors import BROKEN_PIPE, BadRequestError, HiveError, UnavailableError
from hive.escapes import block, inline
from hive.stdio import discard_output, has_lost_reader, raise_output_error, write_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

PROGRAM = "hive-c0re"


def lines(texts: Iterable[str]) -> None:
    """Print lines that are already safe for a terminal."""
    _write("".join(f"{text}\n" for text in texts))


def document(value: Any, row: str | None = None) -> None:
    """Print one JSON document.

    It is all ASCII, so that raw text from agents cannot reach a terminal as control characters;
    reading the document gives exactly that text.

    Args:
        value: The document.
        row: Name of the type of its objects, which get every key; see `hive.cli.json_outputs`.
    """
    lines([_escape_delete(json.dumps(_completed(value, row), indent=2))])


def item(value: Any, row: str | None = None) -> None:
    """Print one item of a stream as a line of JSON; see `document`."""
    lines([_escape_delete(json.dumps(_completed(value, row)))])


def _completed(value: Any, row: str | None) -> Any:
    if row is None:
        return value
    from hive.client.json_rows import complete

    return complete(value, row)


def complain(sentence: str) -> None:
    """Print one sentence to standard error, after the name of the program."""
    write_error(f"{PROGRAM}: {inline(sentence)}\n")


def complain_at_length(text: str) -> None:
    """Print an error of several lines to standard error; further lines are indented."""
    first, *further = block(text)
    complain(first)
    write_error("".join(f"  {line.strip()}\n" for line in further))


def misuse(verb: str, sentence: str) -> BadRequestError:
    """Return the error of arguments that a verb cannot take together; it names the help."""
    return BadRequestError(f"{' '.join(sentence.split())}; see '{PROGRAM} {verb} --help'")


def hint(sentence: str) -> None:
    """Print a hint to standard error; only if a person reads the output."""
    if is_terminal():
        write_error(f"{sentence}\n")


def advise(sentence: str) -> None:
    """Print to standard error what the operator has to know or do, also if that is no terminal.

    A script that drops it leaves the hive other than its operator thinks, so it is never dropped.
    """
    write_error(f"{inline(sentence)}\n")


def advise_of(answer: Mapping[str, Any]) -> None:
    """Print what an answer says that is to be changed in hive.toml, see `advise`."""
    if "advice" in answer:
        advise(answer["advice"])


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

    Each failure is printed after its name; the exit status is that of the first one. With one name,
    its failure is the caller's.
    """
    names = tuple(names)
    if len(names) == 1:
        act(names[0])
        return
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
        raise SystemExit(failed.exit_status)


def _escape_delete(text: str) -> str:
    # The one control character that json leaves as it is.
    return text.replace("\x7f", "\\u007f")


def _write(text: str) -> None:
    # Not click.echo: it writes UTF-8 to an output whose encoding is ASCII.
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        end_without_output(error)


def end_without_output(error: OSError) -> NoReturn:
    """End the verb because its output cannot be written.

    Raises:
        SystemExit: Its reader has gone: a pipe, or a terminal that was closed.
        FailedError: Any other failure, such as a full disk.
    """
    if not has_lost_reader(error):
        raise_output_error(error)
    discard_output()
    raise SystemExit(BROKEN_PIPE) from None


@contextmanager
def following(is_follower: bool = True) -> Iterator[None]:
    """Say on standard error that a verb which follows something ends for want of a reader.

    Other verbs end quietly then, as programs do that write to a closed pipe.
    """
    try:
        yield
    except SystemExit as ended:
        if is_follower and ended.code == BROKEN_PIPE:
            complain("nobody reads this output any more, so it ends")
        raise


def wait_for_data(descriptor: int, seconds: float | None) -> None:
    """Wait until a descriptor has data, or end because the reader of the output has gone.

    A follower with nothing to write would never notice otherwise. It returns without data after so
    many seconds; None for no limit.

    Raises:
        SystemExit: The reader has gone.
    """
    _poll([descriptor], seconds)


def require_reader() -> None:
    """End if the reader of the output has gone; see `wait_for_data`."""
    _poll([], 0)


def _poll(descriptors: Iterable[int], seconds: float | None) -> None:
    try:
        standard_output = sys.stdout.fileno()
    except (OSError, ValueError):  # replaced by an object of a program that embeds the verbs
        return
    poll = select.poll()
    poll.register(standard_output, 0)  # errors and hang-ups only
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    milliseconds = None if seconds is None else math.ceil(seconds * 1000)
    if any(ready == standard_output for ready, _ in poll.poll(milliseconds)):
        discard_output()
        raise SystemExit(BROKEN_PIPE)
