"""Verbs of mail administration: traces, dead letters and loops."""

from __future__ import annotations

import time
from typing import Any

import click

from hive.cli import options, output
from hive.cli.completing import complete_names, complete_numbers
from hive.cli.requests import call
from hive.click_types import Seconds, Whole
from hive.errors import NotFoundError
from hive.escapes import inline
from hive.view.lines import message_lines, step_line
from hive.view.timeline_lines import timeline_line

STATES = ("stored", "deferred", "parked", "leased", "dead")
"""The states that a message may have before it ends, and that of dead letters."""

ids = click.argument(
    "ids", metavar="[ID...]", nargs=-1, type=Whole(min=1), shell_complete=complete_numbers
)


def selection(command: options.F) -> options.F:
    """Add the options that select dead letters."""
    for option in (
        click.option(
            "--inbox",
            metavar="NAME",
            shell_complete=complete_names,
            help="Only those of this inbox.",
        ),
        click.option(
            "--sender",
            metavar="NAME",
            shell_complete=complete_names,
            help="Only those from this sender.",
        ),
        click.option(
            "--older-than",
            "older_than_seconds",
            type=Seconds(min=0),
            metavar="SECONDS",
            help="Only those that were given up, or sent, at least this long ago.",
        ),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("number", metavar="ID", type=Whole(min=1))
@options.as_json
def trace(number: int, as_json: bool) -> None:
    """Show the trace of one message.

    Each step has its time, attempt, session and reason. Below them are the turns that it was given
    to, and the events that concern it, such as a pause of its recipient.
    """
    found = call("trace", id=number)
    if as_json:
        output.document(found, "MessageTrace")
        return
    output.lines(message_lines(found["message"], None))
    output.lines([step_line(step) for step in found["steps"]])
    around = found.get("around") or ()
    if around:
        output.lines(["", "Meanwhile:", *(f"  {timeline_line(each)}" for each in around)])


@click.command("dead-letters")
@ids
@selection
@click.option(
    "-n", "most", type=Whole(1, 1000), default=50, show_default=True, help="At most this many."
)
@options.before
@options.as_json
def dead_letters(ids: tuple[int, ...], most: int, as_json: bool, **filters: Any) -> None:
    """Show messages that were given up.

    The newest comes last, each with its reason.
    """
    found = call("dead_letters", ids=list(ids) or None, max=most, **filters)["messages"]
    if as_json:
        output.document(found, "InboxRow")
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
    _apply("replay", ids, filters, "dead letter")


@click.command()
@ids
@selection
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(STATES),
    help="Those in this state; may be repeated.",
)
@click.option("--all-states", is_flag=True, help="Those in any state.")
@click.option("--reason", metavar="TEXT", help="Why; their senders are notified.")
def discard(
    ids: tuple[int, ...],
    states: tuple[str, ...],
    all_states: bool,
    reason: str | None,
    **filters: Any,
) -> None:
    """Discard messages for good, whether delivered or not.

    IDs or an option must select them. An id reaches a message in any state, other options only dead
    letters, unless --state or --all-states says more. Prints the ids of those that were selected.
    """
    if states and all_states:
        raise click.UsageError("give --state or --all-states, not both")
    chosen = list(STATES if all_states else states) or None
    what = "message" if ids or chosen else "dead letter"
    _apply("discard", ids, filters, what, states=chosen, reason=reason)


def _apply(
    verb: str, ids: tuple[int, ...], filters: dict[str, Any], what: str, **more: Any
) -> None:
    if not ids and all(value is None for value in filters.values()):
        raise click.UsageError("give IDs, --inbox, --sender or --older-than; none never means all")
    done = call(verb, ids=list(ids) or None, **filters, **more)["ids"]
    if not done and not ids:
        call("dead_letters", max=1, **filters)  # refuses a name that nobody has
        output.hint(f"No such {what}s.")
    output.lines([str(number) for number in done])
    if left := [str(number) for number in ids if number not in done]:
        raise NotFoundError(f"no such {what}: {', '.join(left)}; see 'hive-c0re trace ID'")


@click.command()
@options.as_json
def loops(as_json: bool) -> None:
    """Show the pairs of participants that looped.

    Their messages are parked until you reset the loop.
    """
    found = call("loops")["loops"]
    if as_json:
        output.document(found, "LoopRow")
        return
    if not found:
        output.hint("No loops.")
    for row in found:
        one, other = (inline(name) for name in row["pair"])
        parked = f"{row['parked']} parked since {inline(row['since'])}"
        output.lines([f"{one} {other}  {parked}  {inline(row['reason'])}"])


@click.command("reset-loop")
@click.argument("one", metavar="NAME", shell_complete=complete_names)
@click.argument("other", metavar="NAME", shell_complete=complete_names)
def reset_loop(one: str, other: str) -> None:
    """Resume delivery between two participants that looped.

    Their parked messages are delivered in order.
    """
    call("reset_loop", names=[one, other])
