"""Verbs with which the operator sends messages and answers questions."""

from __future__ import annotations

import time
from typing import Any

import click

from hive.cli import operator_sending, options, output
from hive.cli.completing import complete_numbers
from hive.cli.requests import call
from hive.click_types import Seconds, TextCommand, WaitSeconds, Whole
from hive.view.lines import question_lines

ANSWER_WAIT = 600.0
"""Default of `send --wait` in seconds: a turn of an agent may take minutes."""


def message_options(command: options.F) -> options.F:
    """Add the options of a message."""
    for option in (
        click.option(
            "--priority",
            type=click.Choice(["low", "normal", "high"]),
            help="Its priority in the inbox.",
        ),
        click.option(
            "--ttl",
            "ttl_seconds",
            type=Seconds(min=0, min_open=True),
            metavar="SECONDS",
            help="Give it up after this time.",
        ),
        click.option(
            "--delay",
            "delay_seconds",
            type=Seconds(min=0),
            metavar="SECONDS",
            help="Deliver it after this time.",
        ),
        click.option(
            "--dedupe-key", metavar="KEY", help="Store it once, however often it is sent."
        ),
        click.option(
            "--supersede-key", metavar="KEY", help="Replace the unread message under KEY."
        ),
    ):
        command = option(command)
    return command


@click.command(cls=TextCommand)
@options.name
@click.argument("body", required=False)
@click.option("--reply-to", type=Whole(min=1), metavar="ID", help="Answer this message.")
@message_options
@click.option(
    "--wait",
    type=WaitSeconds(min=0),
    is_flag=False,
    flag_value=str(ANSWER_WAIT),
    metavar="[SECONDS]",
    help=f"Wait for the answer ({ANSWER_WAIT:.0f} s by default) and print it; of a group, all.",
)
@options.as_json
def send(**given: Any) -> None:
    """Send a message as the operator and print its id once it is on disk.

    Of several recipients, each has a line with the id of its copy and its name. Without BODY, or
    with -, the body is read from standard input, which must not be empty. NAME may be `manager`,
    `*` for every agent, `@group`, or `queue:name` for one of its receivers.
    """
    operator_sending.send(**given)


@click.command()
@click.option("--all", "every", is_flag=True, help="Also those that have ended, newest last.")
@click.option(
    "-n", "most", type=Whole(1, 1000), default=50, show_default=True, help="At most this many."
)
@options.as_json
def questions(every: bool, most: int, as_json: bool) -> None:
    """Show open questions, oldest first."""
    found = call("questions", all=every, max=most)["questions"]
    if as_json:
        output.document(found, "QuestionRow")
        return
    if not found:
        output.hint("No questions.")
    now = time.time()
    for row in found:
        output.lines(question_lines(row, now))


@click.command(cls=TextCommand)
@click.argument("number", metavar="ID", type=Whole(min=1), shell_complete=complete_numbers)
@click.argument("text", metavar="[TEXT]", required=False)
def answer(number: int, text: str | None) -> None:
    """Answer a question as the operator.

    Without TEXT, or with -, the answer is read from standard input.
    """
    call("answer", id=number, answer=operator_sending.read_body(text, "TEXT", "answer"))
