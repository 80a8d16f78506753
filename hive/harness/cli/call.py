"""The one-shot verbs: one connection, a request or two, an answer, the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hive.client.blocking import Connection, call
from hive.stdio import DONE, raise_output_error

Fields = dict[str, Any]

HOLD_ON = 30.0
"""Seconds that an answer may take beyond the time that a `recv` waits."""


def body_of(written: str | None) -> str:
    """Return a body; `-` or none is standard input, without the line end at its end."""
    if written is not None and written != "-":
        return written
    return sys.stdin.buffer.read().decode(errors="surrogateescape").removesuffix("\n")


def receive(socket: Path, *, most: int, wait: float, keep: bool, as_json: bool) -> None:
    """Print messages, and ack them once they are written out.

    They are leased to this connection: with `keep` they are given back, which costs no attempt.
    """
    with Connection(socket) as connection:
        request = {"cmd": "recv", "max": most, "wait_seconds": wait}
        messages = connection.call(request, wait + HOLD_ON)["messages"]
        for message in messages:
            text = message_json(message) if as_json else message_text(message)
            print_line(text, "nothing was acked, so it will be delivered again")
        if keep:
            for message in messages:
                connection.call({"cmd": "nack", "id": message["id"], "mode": "defer"})
        elif messages:
            connection.call({"cmd": "ack", "ids": [message["id"] for message in messages]})


def ask(socket: Path, request: Fields) -> Fields:
    """Return the answer to one request, without the envelope."""
    answer = call(socket, request)
    return {name: value for name, value in answer.items() if name not in ("version", "ok")}


def print_answer(answer: Fields, lines: Sequence[str], *, as_json: bool) -> None:
    """Print an answer as JSON, or as lines for people."""
    for line in [message_json(answer)] if as_json else lines:
        print_line(line)


def message_json(fields: Fields) -> str:
    """Return fields as one line of JSON in ASCII, so that no text can control a terminal."""
    return json.dumps(fields)


def message_text(message: Fields) -> str:
    """Return a message for people: a line about it, then its body."""
    head = f"#{message['id']} from {message['from']} at {message['sent_at']}"
    if message.get("in_reply_to") is not None:
        head += f", in reply to #{message['in_reply_to']}"
    if message.get("label"):
        head += f", label {message['label']}"
    if message.get("redelivered"):
        head += f", delivered again (attempt {message['attempt']})"
    return f"{head}\n{message['body']}\n"


def receipt_lines(row: Fields) -> list[str]:
    """Return what became of a message for people: its state, then its steps."""
    head = f"#{row['id']} to {row['to']}: {row['state']}"
    facts = ("at", "step", "session", "reason")
    steps = [[str(step[fact]) for fact in facts if step.get(fact)] for step in row["steps"]]
    return [head, *(f"  {'  '.join(step)}" for step in steps)]


def presence_text(row: Fields) -> str:
    """Return a participant for people: name, kind, and whether it is there."""
    seen = f"last seen {row['last_seen']}" if row.get("last_seen") else "never seen"
    there = "connected" if row.get("connected") else seen
    text = row.get("status_text")
    return f"{row['name']}  {row['kind']}  {there}" + (f"  {text}" if text else "")


def print_line(text: str, all_the_same: str = DONE) -> None:
    """Write a line to standard output; on a terminal, control characters are made visible.

    Args:
        text: The line, without its end.
        all_the_same: What is so even if it cannot be written.

    Raises:
        FailedError: When it cannot be written, and not because its reader has gone.
    """
    if sys.stdout.isatty():
        text = "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise_output_error(error, all_the_same)
