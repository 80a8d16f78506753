"""Verbs about the questions of agents: which are open, and the operator's answers."""

from __future__ import annotations

import time

import click

from hive.cli import options, output
from hive.cli.messages import read_body
from hive.cli.requests import call
from hive.view.turns import question_lines


@click.command()
@click.option("--all", "every", is_flag=True, help="Also those that are over, newest last.")
@click.option("-n", "most", type=int, default=50, show_default=True, help="At most so many.")
@options.as_json
def questions(every: bool, most: int, as_json: bool) -> None:
    """Show the questions that are open, oldest first."""
    found = call("questions", all=every, max=most)["questions"]
    if as_json:
        output.document(found)
        return
    if not found:
        output.hint("No questions.")
    now = time.time()
    for row in found:
        output.lines(question_lines(row, now))


@click.command()
@click.argument("number", metavar="ID", type=click.IntRange(min=1))
@click.argument("text", metavar="[TEXT]", required=False)
def answer(number: int, text: str | None) -> None:
    """Answer a question, whoever it was put to.

    Without TEXT, or with -, the answer is read from standard input.
    """
    call("answer", id=number, answer=read_body(text, "TEXT"))
