"""Verbs that show the state of the hive: names, status, supervision tree."""

from __future__ import annotations

import time
from typing import Any

import click

from hive.cli import options, output, participant_list, state_reading
from hive.cli.completing import complete_columns, complete_names
from hive.cli.requests import call
from hive.click_types import WaitSeconds


@click.command("list")
@click.option("--agents", is_flag=True, help="Print only the names of the agents.")
@click.option("--peers", is_flag=True, help="Print only the names of the peers.")
@options.as_json
def list_(**given: Any) -> None:
    """Print the names of all participants, their kinds, and what they are.

    With --agents or --peers, only names: `hive-c0re stop $(hive-c0re list --agents)`.
    """
    participant_list.list_participants(**given)


@click.command()
@click.argument("name", required=False, shell_complete=complete_names)
@click.option(
    "--watch",
    type=WaitSeconds(min=0.1),
    is_flag=False,
    flag_value="2",
    metavar="[SECONDS]",
    help="Refresh at this interval (2 s by default), until Ctrl-C.",
)
@click.option(
    *("-o", "columns"),
    metavar="COLUMNS",
    shell_complete=complete_columns,
    help="Show these columns, as name,state,memory; 'wide' for all, 'help' for their names.",
)
@click.option(
    *("--sort", "order"),
    metavar="COLUMN",
    shell_complete=complete_columns,
    help="Sort by this column, with a - before it in the reverse order.",
)
@options.as_json
def status(**given: Any) -> None:
    """Show the state of all participants, or one in detail.

    Those that need attention come first: failed, waiting, running, stopped, peers.
    """
    state_reading.show_status(**given)


@click.command()
@options.as_json
def overview(as_json: bool) -> None:
    """Show the whole hive at a glance: counts, limits, mail, store."""
    from hive.view.overview_lines import overview_lines

    row = call("overview")["overview"]
    if as_json:
        output.document(row, "OverviewRow")
    else:
        output.lines(overview_lines(row, time.time()))


@click.command()
@options.as_json
def tree(as_json: bool) -> None:
    """Draw the supervision tree."""
    from hive.view.lines import tree_lines

    root = call("tree")["tree"]
    if as_json:
        output.document(root, "TreeRow")
    else:
        output.lines(tree_lines(root, state_reading.glyphs()))
