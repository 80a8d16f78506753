"""Verbs of mail administration: traces, dead letters and loops."""

from __future__ import annotations

import time
from typing import Any

import click

from hive.cli import options, output
from hive.cli.requests import call
from hive.click_types import Seconds
from hive.errors import NotFoundError
from hive.view.lines import message_lines, step_line
from hive.view.terminal import inline

ids = click.argument("ids", metavar="[ID...]", nargs=-1, type=click.IntRange(min=1))


def chosen(command: options.F) -> options.F:
    """Add the options that choose dead letters."""
    for option in (
        click.option("--inbox", metavar="NAME", help="Those of this inbox."),
        click.option("--sender", metavar="NAME", help="Those from this sender."),
        click.option(
            "--older-than",
            "older_than_seconds",
            type=Seconds(min=0),
            metavar="SECONDS",
            help="Those given up so long ago.",
        ),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("number", metavar="ID", type=click.IntRange(min=1))
@options.as_json
def trace(number: int, as_json: bool) -> None:
    """Show the whole life of one message.

    Each step is shown with its time, attempt and session.
    """
    found = call("trace", id=number)
    if as_json:
        output.document({"message": found["message"], "steps": found["steps"]})
        return
    output.lines(message_lines(found["message"], time.time()))
    output.lines([step_line(step) for step in found["steps"]])


@click.command("dead-letters")
@ids
@chosen
@click.option("-n", "most", type=int, default=50, show_default=True, help="At most so many.")
@options.as_json
def dead_letters(ids: tuple[int, ...], most: int, as_json: bool, **narrow: Any) -> None:
    """Show messages that were given up.

    The newest comes last; each has the reason.
    """
    found = call("dead_letters", ids=list(ids) or None, max=most, **narrow)["messages"]
    if as_json:
        output.document(found)
        return
    if not found:
        output.hint("No dead letters.")
    now = time.time()
    for row in found:
        output.lines(message_lines(row, now))


@click.command()
@ids
@chosen
def replay(ids: tuple[int, ...], **narrow: Any) -> None:
    """Make dead letters deliverable again.

    Say which; none given is an error. Prints their ids.
    """
    _decide("replay", ids, narrow)


@click.command()
@ids
@chosen
def discard(ids: tuple[int, ...], **narrow: Any) -> None:
    """Give dead letters up for good.

    Say which; none given is an error. Prints their ids.
    """
    _decide("discard", ids, narrow)


def _decide(verb: str, ids: tuple[int, ...], narrow: dict[str, Any]) -> None:
    if not ids and all(value is None for value in narrow.values()):
        raise click.UsageError("say which: IDs, --inbox, --sender or --older-than; never all")
    done = call(verb, ids=list(ids) or None, **narrow)["ids"]
    if not done and not ids:
        output.hint("No such dead letters.")
    output.lines([str(number) for number in done])
    if left := [str(number) for number in ids if number not in done]:
        raise NotFoundError(
            f"no such dead letter: {', '.join(left)}; 'hive-c0re trace ID' tells what became of it"
        )


@click.command()
@options.as_json
def loops(as_json: bool) -> None:
    """Show the pairs of participants that looped.

    Their messages are parked until you reset the loop.
    """
    found = call("loops")["loops"]
    if as_json:
        output.document(found)
        return
    if not found:
        output.hint("No loops.")
    for row in found:
        one, other = (inline(name) for name in row["pair"])
        parked = f"{row['parked']} parked since {inline(row['since'])}"
        output.lines([f"{one} {other}  {parked}  {inline(row['reason'])}"])


@click.command("reset-loop")
@click.argument("one", metavar="NAME", shell_complete=options.complete_names)
@click.argument("other", metavar="NAME", shell_complete=options.complete_names)
def reset_loop(one: str, other: str) -> None:
    """Let two participants talk again that looped.

    What was parked is delivered, in order.
    """
    call("reset_loop", names=[one, other])
