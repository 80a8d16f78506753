"""Verbs about the turns of agents and the usage limits of their accounts."""

from __future__ import annotations

import time

import click

from hive.cli import options, output
from hive.cli.completing import complete_names
from hive.cli.requests import act_on_each, call
from hive.cli.requests import follow as stream
from hive.click_types import Whole
from hive.view.lines import limit_line, live_lines, turn_line


@click.command()
@options.name
@click.option(
    "-n",
    "--max",
    "most",
    type=Whole(1, 1000),
    default=20,
    show_default=True,
    help="At most this many.",
)
@options.as_json
def turns(name: str, most: int, as_json: bool) -> None:
    """Show the turns of an agent, newest last: times, outcome, tokens, cost, tools."""
    found = call("turns", name=name, max=most)["turns"]
    if as_json:
        output.document(found, "TurnRow")
        return
    if not found and output.is_terminal():
        output.hint(_no_turns(name))
    output.lines(map(turn_line, found))


def _no_turns(name: str) -> str:
    """Return why a participant has no turns, as far as it is known."""
    if name in call("list").get("peers", ()):
        return (
            f"No turns of {name}: it is a peer, and peers have none, except those whose harness "
            "runs a program ('hive-ag3nt serve -- PROGRAM')."
        )
    return f"No turns of {name} yet."


@click.command()
@options.name
@click.option(
    "-n",
    "most",
    type=Whole(0, 200),
    default=20,
    show_default=True,
    help="Begin with this many earlier ones.",
)
@options.as_json
def watch(name: str, most: int, as_json: bool) -> None:
    """Follow the live events of an agent's turns, until Ctrl-C."""
    with output.following():
        for number, response in enumerate(stream("watch", name=name, max=most)):
            if number == 0 and not as_json:
                output.hint(f"Turns of {name}, until Ctrl-C; only a harness with a model has any.")
            for row in response.get("live", ()):
                if as_json:
                    output.item(row, "LiveRow")
                else:
                    output.lines(live_lines(row))


@click.command()
@options.names
def cancel(names: tuple[str, ...]) -> None:
    """Interrupt the turns of agents. Their messages become dead letters."""
    act_on_each(names, lambda name: call("cancel_turn", name=name), orders=True)


@click.command("new-session")
@options.names
def new_session(names: tuple[str, ...]) -> None:
    """Begin the next turn of agents in a new session."""
    act_on_each(names, lambda name: call("new_session", name=name), orders=True)


@click.command()
@click.option(
    "--clear",
    metavar="ACCOUNT",
    shell_complete=complete_names,
    help="Treat this account as usable again.",
)
@options.as_json
def limits(clear: str | None, as_json: bool) -> None:
    """Show used-up accounts, until when, and which agents share them."""
    if clear is not None:
        call("clear_limit", account=clear)
        return
    found = call("limits")["limits"]
    if as_json:
        output.document(found, "LimitRow")
        return
    if not found:
        output.hint("No account is used up.")
    now = time.time()
    output.lines([limit_line(row, now) for row in found])
