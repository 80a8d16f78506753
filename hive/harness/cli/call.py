"""Send a verb's request to the daemon and print the answer: common options, input, output."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from hive.client.blocking import BlockingClient, call
from hive.escapes import block, inline
from hive.harness import environment
from hive.stdio import DONE, raise_output_error

Fields = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])

ANSWER_TIMEOUT = 30.0
"""Seconds that the answer to a `recv` may take beyond the time that it waits for a message."""

INDENT = " " * 4
"""Begins each line of a body."""


def socket_option(command: F) -> F:
    """Add `--socket`."""
    return click.option(
        "--socket",
        type=click.Path(readable=False, path_type=Path),
        default=environment.socket_path,
        show_default="$HIVE_SOCKET or /run/hive/mcp.sock",
        help="The participant's socket.",
    )(command)


def json_option(command: F) -> F:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def read_body(written: str | None) -> str:
    """Return a message's body; None and `-` read it from standard input.

    One line feed at the end of standard input is removed.
    """
    if written is not None and written != "-":
        return written
    return sys.stdin.buffer.read().decode(errors="surrogateescape").removesuffix("\n")


def request(socket: Path, fields: Fields) -> Fields:
    """Send one request and return the fields of its answer, without `version` and `ok`.

    Raises:
        HiveError: When the daemon refuses the request or cannot be reached.
    """
    answer = call(socket, fields)
    return {name: value for name, value in answer.items() if name not in ("version", "ok")}


def receive(socket: Path, *, most: int, wait: float, keep: bool, as_json: bool) -> None:
    """Lease messages, print them, and ack them once all are written.

    Args:
        socket: The participant's socket.
        most: Number of messages at most.
        wait: Seconds to wait for the first message.
        keep: Return the messages to the inbox, which counts no attempt.
        as_json: Print each message as one line of JSON.
    """
    with BlockingClient(socket) as connection:
        fields = {"cmd": "recv", "max": most, "wait_seconds": wait}
        messages = connection.call(fields, wait + ANSWER_TIMEOUT)["messages"]
        for message in messages:
            lines = [json_line(message)] if as_json else message_lines(message)
            print_lines(lines, "nothing was acked, so it will be delivered again")
        if keep:
            for message in messages:
                connection.call({"cmd": "nack", "id": message["id"], "mode": "defer"})
        elif messages:
            connection.call({"cmd": "ack", "ids": [message["id"] for message in messages]})


def print_answer(answer: Fields, lines: Sequence[str], *, as_json: bool) -> None:
    """Print an answer as JSON, or else as the given lines; see `print_lines`."""
    print_lines([json_line(answer)] if as_json else lines)


def json_line(fields: Fields) -> str:
    """Return fields as one line of printable ASCII, so that no text can control a terminal."""
    return json.dumps(fields).replace("\x7f", "\\u007f")


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
    facts = ("at", "step", "session", "reason")
    steps = [[inline(step[fact]) for fact in facts if step.get(fact)] for step in row["steps"]]
    return [head, *(f"  {'  '.join(step)}" for step in steps)]


def presence_line(row: Fields) -> str:
    """Return a participant as a line: name, kind, presence, status text."""
    seen = f"last seen {row['last_seen']}" if row.get("last_seen") else "never seen"
    there = "connected" if row.get("connected") else seen
    facts = (row["name"], row["kind"], there, row.get("status_text"))
    return "  ".join(inline(fact) for fact in facts if fact)


def print_lines(lines: Sequence[str], consequence: str = DONE) -> None:
    """Write lines to standard output. Text of others in them is escaped already.

    Args:
        lines: The lines, without their ends.
        consequence: Ends the error sentence: the state of the request if the write fails.

    Raises:
        FailedError: When a line cannot be written; BrokenPipeError when the reader has gone.
    """
    try:
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise_output_error(error, consequence)
