"""Send a verb's request to the daemon and print the answer: common options, input, output."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib import import_module

from hive.base_directories import StrPath
from hive.client.blocking import BlockingClient, call
from hive.client.responses import copies, nothing_typed, skipped_sentences
from hive.escapes import block, inline
from hive.harness import environment
from hive.harness.cli.notes import complain
from hive.names import EVERYONE, GROUP_PREFIX
from hive.stdio import DONE, INPUT_MAX, has_lost_reader, raise_output_error, read_input, write_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Fields = dict[str, Any]
    F = TypeVar("F", bound=Callable[..., Any])

ANSWER_TIMEOUT = 30.0
"""Timeout in seconds of a request; of a `recv`, beyond the time that it waits for a message."""

LIFECYCLE_TIMEOUT = 180.0
"""Timeout in seconds of a request that starts or stops an agent, or imports a commit."""

INDENT = " " * 4
"""Begins each line of a body."""


def socket_option(command: F) -> F:
    """Add `--socket`."""
    import click

    return click.option(
        "--socket",
        type=click.Path(readable=False),
        default=environment.socket_path,
        show_default="$HIVE_SOCKET or /run/hive/mcp.sock",
        help="The participant's socket.",
    )(command)


def json_option(command: F) -> F:
    """Add `--json`."""
    import click

    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def read_body(written: str | None, name: str = "BODY") -> str:
    """Return a message's body; None and `-` read it from standard input.

    One line feed at the end of standard input is removed.

    Raises:
        BadRequestError: Standard input is empty.
    """
    if written is not None and written != "-":
        return written
    data = read_input(INPUT_MAX)
    if not data:
        raise nothing_typed(name)
    return data.decode(errors="surrogateescape").removesuffix("\n")


def request(socket: StrPath, fields: Fields, timeout: float = ANSWER_TIMEOUT) -> Fields:
    """Send one request and return the fields of its answer, without `version` and `ok`.

    Args:
        socket: The participant's socket.
        fields: The request.
        timeout: Seconds until the answer.

    Raises:
        HiveError: When the daemon refuses the request or cannot be reached.
    """
    answer = call(socket, fields, timeout=timeout)
    return {name: value for name, value in answer.items() if name not in ("version", "ok")}


def send(
    socket: StrPath,
    *,
    to: str,
    body: str | None,
    as_json: bool,
    wait: float | None,
    **given: str | float | None,
) -> None:
    """Send a message, and print its id or, with a time to wait, the answer.

    Args:
        socket: The participant's socket.
        to: Its recipient, or recipients.
        body: Its text; None and `-` for standard input.
        as_json: Print the answer as one line of JSON.
        wait: Seconds to wait for the answer; None for no wait.
        given: Further fields of the request.
    """
    if wait is not None:
        waits = import_module("hive.harness.cli.answer_wait")  # that imports this module
        waits.send_and_wait(socket, to=to, body=body, as_json=as_json, wait=wait, **given)
        return
    answer = request(socket, {"cmd": "send", "body": read_body(body), "to": to, **given})
    print_sentences(skipped_sentences(answer))
    print_answer(answer, sent_lines(to, answer), as_json=as_json, row="SentMessage")


def receive(
    socket: StrPath, *, most: int, wait: float, keep: bool, as_json: bool, queue: str | None = None
) -> None:
    """Lease messages, print them, and ack them once all are written.

    Args:
        socket: The participant's socket.
        most: Number of messages at most.
        wait: Seconds to wait for the first message.
        keep: Return the messages to the inbox, which counts no attempt.
        as_json: Print each message as one line of JSON.
        queue: The work queue to receive from, in place of the inbox.
    """
    with BlockingClient(socket) as connection:
        fields = {"cmd": "recv", "max": most, "wait_seconds": wait, "queue": queue}
        messages = connection.call(fields, wait + ANSWER_TIMEOUT)["messages"]
        if not messages and not as_json:
            hint("No message.")
        for message in messages:
            lines = [json_line(message, "Delivery")] if as_json else message_lines(message)
            print_lines(lines, "nothing was acked, so it will be delivered again")
        if keep:
            for message in messages:
                connection.call({"cmd": "nack", "id": message["id"], "mode": "defer"})
        elif messages:
            connection.call({"cmd": "ack", "ids": [message["id"] for message in messages]})


def sent_lines(to: str, answer: Fields) -> list[str]:
    """Return the answer to a `send` as lines: its id, or of several recipients each copy's."""
    if to.startswith((EVERYONE, GROUP_PREFIX)):
        return [f"{number} {inline(name)}" for number, name in copies(answer)]
    return [str(answer["id"])]


def print_sentences(sentences: Sequence[str]) -> None:
    """Print to standard error what a request has left to say."""
    for sentence in sentences:
        complain(sentence)


def hint(sentence: str) -> None:
    """Print a hint to standard error; only if a person reads the output."""
    if sys.stdout.isatty():
        write_error(f"{inline(sentence)}\n")


def print_answer(answer: Fields, lines: Sequence[str], *, as_json: bool, row: str) -> None:
    """Print an answer as JSON, or else as the given lines; see `json_line` and `print_lines`."""
    print_lines([json_line(answer, row)] if as_json else lines)


def json_line(fields: Fields, row: str) -> str:
    """Return fields as one line of printable ASCII, so that no text can control a terminal.

    Args:
        fields: The fields.
        row: Name of their type, whose keys are all in the line; see `hive.client.json_rows`.
    """
    from hive.client.json_rows import complete

    return json.dumps(complete(fields, row)).replace("\x7f", "\\u007f")


def message_lines(message: Fields) -> list[str]:
    """Return a message as lines: its facts, then its body, indented, and an empty line.

    Only the lines about messages begin at the margin, so no body can pass for one.
    """
    head = f"#{message['id']} from {inline(message['from'])} at {inline(message['sent_at'])}"
    if message.get("in_reply_to") is not None:
        head += f", in reply to #{message['in_reply_to']}"
    if message.get("label"):
        head += f", label {inline(message['label'])}"
    if message.get("redelivered"):
        head += f", delivered again (attempt {message['attempt']})"
    return [head, *(f"{INDENT}{line}".rstrip() for line in block(message["body"])), ""]


def receipt_lines(row: Fields) -> list[str]:
    """Return a message's receipt as lines: its state, then one line for each step."""
    head = f"#{row['id']} to {inline(row['to'])}: {inline(row['state'])}"
    head += f", but {inline(row['hindrance'])}" if row.get("hindrance") else ""
    facts = ("at", "step", "session", "reason")
    steps = [[inline(step[fact]) for fact in facts if step.get(fact)] for step in row["steps"]]
    return [head, *(f"  {'  '.join(step)}" for step in steps)]


def presence_line(row: Fields) -> str:
    """Return a participant as a line: name, kind, what it is, presence, status text."""
    seen = f"last seen {row['last_seen']}" if row.get("last_seen") else "never seen"
    there = "connected" if row.get("connected") else seen
    facts = (row["name"], row["kind"], row.get("description"), there, row.get("status_text"))
    return "  ".join(inline(fact) for fact in facts if fact)


def print_lines(lines: Sequence[str], consequence: str = DONE) -> None:
    """Write lines to standard output. Text of others in them is escaped already.

    Args:
        lines: The lines, without their ends.
        consequence: Ends the error sentence: the state of the request if the write fails.

    Raises:
        FailedError: When a line cannot be written; OSError when the reader has gone.
    """
    try:
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
    except OSError as error:
        if has_lost_reader(error):
            raise
        raise_output_error(error, consequence)
