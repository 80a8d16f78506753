"""Verbs of mail administration: traces, dead letters and loops."""

from __future__ import annotations

import time
from typing import Any

import click

from hive.cli import options, output
from hive.cli.requests import call
from hive.click_types import Seconds
from hive.errors import NotFoundError
from hive.escapes import inline
from hive.view.lines import message_lines, step_line

ids = click.argument("ids", metavar="[ID...]", nargs=-1, type=click.IntRange(min=1))


def selection(command: options.F) -> options.F:
    """Add the options that select dead letters."""
    for option in (
        click.option("--inbox", metavar="NAME", help="Only those of this inbox."),
        click.option("--sender", metavar="NAME", help="Only those from this sender."),
        click.option(
            "--older-than",
            "older_than_seconds",
            type=Seconds(min=0),
            metavar="SECONDS",
            help="Only those that were given up at least this long ago.",
        ),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("number", metavar="ID", type=click.IntRange(min=1))
@options.as_json
def trace(number: int, as_json: bool) -> None:
    """Show the trace of one message.

    Each step has its time, attempt, session and reason.
    """
    found = call("trace", id=number)
    if as_json:
        output.document({"message": found["message"], "steps": found["steps"]})
        return
    output.lines(message_lines(found["message"], time.time()))
    output.lines([step_line(step) for step in found["steps"]])


@click.command("dead-letters")
@ids
@selection
@click.option("-n", "most", type=int, default=50, show_default=True, help="At most this many.")
@options.as_json
def dead_letters(ids: tuple[int, ...], most: int, as_json: bool, **filters: Any) -> None:
    """Show messages that were given up.

    The newest comes last, each with its reason.
    """
    found = call("dead_letters", ids=list(ids) or None, max=most, **filters)["messages"]
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
@selection
def replay(ids: tuple[int, ...], **filters: Any) -> None:
    """Make dead letters deliverable again.

    IDs or an option must select them. Prints the ids of those that were selected.
    """
    _apply("replay", ids, filters)


@click.command()
@ids
@selection
def discard(ids: tuple[int, ...], **filters: Any) -> None:
    """Discard dead letters for good.

    IDs or an option must select them. Prints the ids of those that were selected.
    """
    _apply("discard", ids, filters)


def _apply(verb: str, ids: tuple[int, ...], filters: dict[str, Any]) -> None:
    if not ids and all(value is None for value in filters.values()):
        raise click.UsageError("give IDs, --inbox, --sender or --older-than; none never means all")
    done = call(verb, ids=list(ids) or None, **filters)["ids"]
    if not done and not ids:
        output.hint("No such dead letters.")
    output.lines([str(number) for number in done])
    if left := [str(number) for number in ids if number not in done]:
        raise NotFoundError(f"no such dead letter: {', '.join(left)}; see 'hive-c0re trace ID'")


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
    """Resume delivery between two participants that looped.

    Their parked messages are delivered in order.
    """
    call("reset_loop", names=[one, other])
