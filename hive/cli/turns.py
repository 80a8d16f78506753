"""Verbs about the turns of agents and the usage limits of their accounts."""

from __future__ import annotations

import time

import click

from hive.cli import options, output
from hive.cli.requests import call
from hive.cli.requests import follow as stream
from hive.view.lines import limit_line, live_lines, turn_line


@click.command()
@options.name
@click.option(
    "-n", "--max", "most", type=int, default=20, show_default=True, help="At most this many."
)
@options.as_json
def turns(name: str, most: int, as_json: bool) -> None:
    """Show the turns of an agent, newest last: times, outcome, tokens, cost, tools."""
    found = call("turns", name=name, max=most)["turns"]
    if as_json:
        output.document(found)
        return
    if not found:
        output.hint(f"No turns of {name} yet.")
    output.lines(map(turn_line, found))


@click.command()
@options.name
@click.option(
    "-n", "most", type=int, default=20, show_default=True, help="Begin with this many earlier ones."
)
@options.as_json
def watch(name: str, most: int, as_json: bool) -> None:
    """Follow the live events of an agent's turns, until Ctrl-C."""
    for response in stream("watch", name=name, max=most):
        for row in response.get("live", ()):
            if as_json:
                output.item(row)
            else:
                output.lines(live_lines(row))


@click.command()
@options.names
def cancel(names: tuple[str, ...]) -> None:
    """Interrupt the turns of agents. Their messages become dead letters."""
    output.each(names, lambda name: call("cancel_turn", name=name))


@click.command("new-session")
@options.names
def new_session(names: tuple[str, ...]) -> None:
    """Begin the next turn of agents in a new session."""
    output.each(names, lambda name: call("new_session", name=name))


@click.command()
@click.option("--clear", metavar="ACCOUNT", help="Treat this account as usable again.")
@options.as_json
def limits(clear: str | None, as_json: bool) -> None:
    """Show used-up accounts, until when, and which agents share them."""
    if clear is not None:
        call("clear_limit", account=clear)
        return
    found = call("limits")["limits"]
    if as_json:
        output.document(found)
        return
    if not found:
        output.hint("No account is used up.")
    now = time.time()
    output.lines([limit_line(row, now) for row in found])
