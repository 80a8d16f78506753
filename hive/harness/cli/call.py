"""Send a verb's request to the daemon and print the answer: common options, input, output."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from hive.client.blocking import BlockingClient, call
from hive.harness import environment
from hive.stdio import DONE, raise_output_error

Fields = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])

ANSWER_TIMEOUT = 30.0
"""Seconds that the answer to a `recv` may take beyond the time that it waits for a message."""


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
            text = json_line(message) if as_json else message_text(message)
            print_line(text, "nothing was acked, so it will be delivered again")
        if keep:
            for message in messages:
                connection.call({"cmd": "nack", "id": message["id"], "mode": "defer"})
        elif messages:
            connection.call({"cmd": "ack", "ids": [message["id"] for message in messages]})


def print_answer(answer: Fields, lines: Sequence[str], *, as_json: bool) -> None:
    """Print an answer as JSON, or else as the given lines."""
    for line in [json_line(answer)] if as_json else lines:
        print_line(line)


def json_line(fields: Fields) -> str:
    """Return fields as one line of JSON in ASCII, so that no text can control a terminal."""
    return json.dumps(fields)


def message_text(message: Fields) -> str:
    """Return a message as text: a line with its facts, then its body."""
    head = f"#{message['id']} from {message['from']} at {message['sent_at']}"
    if message.get("in_reply_to") is not None:
        head += f", in reply to #{message['in_reply_to']}"
    if message.get("label"):
        head += f", label {message['label']}"
    if message.get("redelivered"):
        head += f", delivered again (attempt {message['attempt']})"
    return f"{head}\n{message['body']}\n"


def receipt_lines(row: Fields) -> list[str]:
    """Return a message's receipt as lines: its state, then one line for each step."""
    head = f"#{row['id']} to {row['to']}: {row['state']}"
    facts = ("at", "step", "session", "reason")
    steps = [[str(step[fact]) for fact in facts if step.get(fact)] for step in row["steps"]]
    return [head, *(f"  {'  '.join(step)}" for step in steps)]


def presence_text(row: Fields) -> str:
    """Return a participant as a line: name, kind, presence, status text."""
    seen = f"last seen {row['last_seen']}" if row.get("last_seen") else "never seen"
    there = "connected" if row.get("connected") else seen
    text = row.get("status_text")
    return f"{row['name']}  {row['kind']}  {there}" + (f"  {text}" if text else "")


def print_line(text: str, consequence: str = DONE) -> None:
    """Write a line to standard output.

    On a terminal, control characters are replaced by U+FFFD.

    Args:
        text: The line, without its end.
        consequence: Ends the error sentence: the state of the request if the write fails.

    Raises:
        FailedError: When the line cannot be written; BrokenPipeError when the reader has gone.
    """
    if sys.stdout.isatty():
        text = "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise_output_error(error, consequence)
