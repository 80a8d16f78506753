"""The verbs about questions, reminders and the own status line: one request each.

They mean what the tools of the same names mean, see `hive.harness.tools`. The docstrings of the
verbs are the texts of `--help`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from hive.click_types import Name, Seconds, TextCommand, WallTime, Whole
from hive.escapes import block, inline
from hive.harness.cli.call import (
    INDENT,
    hint,
    json_option,
    print_answer,
    read_body,
    request,
    socket_option,
)
from hive.harness.cli.offered_words import (
    complete_open,
    complete_participants,
    complete_questions,
)

Fields = dict[str, Any]

ON_EXPIRY = ("deny", "hold", "escalate")

KINDS = ("reminder", "question", "message", "approval", "schedule")
"""What a participant can take back, see `hive.wire.enums.CancelKind`."""


@click.command(cls=TextCommand)
@socket_option
@json_option
@click.option(
    "--to",
    type=Name(),
    metavar="NAME",
    shell_complete=complete_participants,
    help="Who is asked; by default the operator.",
)
@click.option(
    "--option", "options", multiple=True, metavar="TEXT", help="A proposed answer; may be repeated."
)
@click.option("--multi", is_flag=True, help="Several options may be chosen.")
@click.option(
    "--ttl",
    "ttl_seconds",
    type=Seconds(min=0, min_open=True),
    metavar="SECONDS",
    help="How long an answer is of use; by default it stays open.",
)
@click.option(
    "--on-expiry",
    type=click.Choice(ON_EXPIRY),
    help="What happens then: deny (by default) answers [expired], hold, or escalate.",
)
@click.argument("question", required=False)
def ask(socket: str, as_json: bool, question: str | None, **given: Any) -> None:
    """Ask the operator or another participant, and print the id of the question at once.

    The answer comes as a message of type 'answer', in reply to it. Without QUESTION, or with -, it
    is read from standard input.
    """
    options = list(given.pop("options"))
    fields = {"cmd": "ask", "question": read_body(question, "QUESTION"), "options": options}
    answer = request(socket, {**fields, **given})
    print_answer(answer, [str(answer["id"])], as_json=as_json, row="StoredItem")


@click.command(cls=TextCommand)
@socket_option
@click.argument("number", metavar="ID", type=Whole(min=1), shell_complete=complete_questions)
@click.argument("text", metavar="[TEXT]", required=False)
def answer(socket: str, number: int, text: str | None) -> None:
    """Answer the question ID; its asker receives the answer as a message.

    Without TEXT, or with -, it is read from standard input.
    """
    request(socket, {"cmd": "answer", "id": number, "answer": read_body(text, "TEXT")})


@click.command(cls=TextCommand)
@socket_option
@json_option
@click.option("--delay", type=Seconds(min=0), metavar="SECONDS", help="So long from now.")
@click.option("--at", type=WallTime(), metavar="WHEN", help="2026-05-01T14:00, or a Unix time.")
@click.argument("message", required=False)
def remind(
    socket: str, as_json: bool, delay: float | None, at: float | None, message: str | None
) -> None:
    """Send a MESSAGE to oneself later, and print its id.

    A time without a zone is local. Without MESSAGE, or with -, it is read from standard input.
    """
    if (delay is None) == (at is None):
        raise click.UsageError("give one of --delay and --at", click.get_current_context())
    text = read_body(message, "MESSAGE")
    fields = {"cmd": "remind", "message": text, "delay_seconds": delay, "at_unix_timestamp": at}
    found = request(socket, fields)
    print_answer(found, [str(found["id"])], as_json=as_json, row="StoredItem")


@click.command("loose-ends")
@socket_option
@json_option
def loose_ends(socket: str, as_json: bool) -> None:
    """Print what is open: questions, both ways, and reminders.

    For the manager, also the approvals that it asked for and that wait, and its schedules.
    """
    found = request(socket, {"cmd": "loose_ends"})
    lines = list(_open_lines(found))
    if not lines and not as_json:
        hint("Nothing is open.")
    print_answer(found, lines, as_json=as_json, row="LooseEnds")


@click.command()
@socket_option
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("number", metavar="ID", type=Whole(min=1), shell_complete=complete_open)
def cancel(socket: str, kind: str, number: int) -> None:
    """Take back a reminder, question or message of one's own, an approval or a schedule.

    A message only while nobody has received it, an approval only while it is not decided.
    """
    request(socket, {"cmd": "cancel", "kind": kind, "id": number})


@click.command("set-status", cls=TextCommand)
@socket_option
@click.argument("text")
def set_status(socket: str, text: str) -> None:
    """Set the line about the participant that the others see; '' clears it."""
    request(socket, {"cmd": "set_status", "text": text})


def _open_lines(found: Fields) -> Iterator[str]:
    """Yield what is open as lines: a line about each, then its text, indented."""
    for row in found["questions_asked"]:
        yield from _entry(
            f"question {row['id']} to {row['to']}, {row['state']}, asked {row['asked_at']}",
            row["question"],
        )
    for row in found["questions_to_answer"]:
        yield from _entry(
            f"question {row['id']} from {row['asker']}, {row['state']}, asked {row['asked_at']}",
            "\n".join([row["question"], *(f"- {option}" for option in row["options"])]),
        )
    for row in found["reminders"]:
        yield from _entry(f"reminder {row['id']}, due {row['due_at']}", row["message"])
    for row in found.get("approvals", ()):
        head = f"approval {row['id']}: {row['kind']} of {row['agent']}, {row['status']}"
        yield from _entry(head, row.get("description") or "")
    for row in found.get("schedules", ()):
        head = f"schedule {row['id']} to {row['to']}, {row['when']}, next {row['next_at']}"
        yield from _entry(head, row["body"])


def _entry(head: str, text: str) -> Iterator[str]:
    yield inline(head)
    if text:
        yield from (f"{INDENT}{line}".rstrip() for line in block(text))


QUESTION_VERBS = (ask, answer, remind, loose_ends, cancel, set_status)
"""The verbs of this module, which every participant has."""
