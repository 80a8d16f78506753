"""Verbs that read mail: one inbox, or a search through all of them."""

from __future__ import annotations

from typing import Any

import click

from hive.cli import inbox_reading, options
from hive.cli.completing import complete_names
from hive.cli.points_in_time import PointInTime
from hive.cli.requests import call
from hive.click_types import TextCommand, Whole
from hive.names import OPERATOR

_SEARCH = 120.0
"""Timeout in seconds: the first search of a large store builds its index."""

_MOST = click.option(
    "-n", "most", type=Whole(1, 1000), default=50, show_default=True, help="At most this many."
)


@click.command()
@click.argument("name", default=OPERATOR, shell_complete=complete_names)
@click.option("--unread", is_flag=True, help="Only unread mail.")
@click.option(
    "--ack", is_flag=True, help="Mark the shown mail as read (the operator's inbox only)."
)
@click.option("-f", "--follow", "follows", is_flag=True, help="Follow new mail until Ctrl-C.")
@click.option("--after", type=Whole(min=0), metavar="ID", help="Only mail after this.")
@_MOST
@options.as_json
def inbox(**given: Any) -> None:
    """Show an inbox, newest message last; by default your own. This leases nothing."""
    inbox_reading.show_inbox(**given)


@click.command(cls=TextCommand)
@click.argument("text", required=False)
@click.option(
    *("--from", "sender"),
    metavar="NAME",
    shell_complete=complete_names,
    help="Only mail from this participant.",
)
@click.option(
    *("--inbox", "of_inbox"),
    metavar="NAME",
    shell_complete=complete_names,
    help="Only mail of this inbox.",
)
@click.option(
    "--thread",
    type=Whole(min=1),
    metavar="ID",
    help="Only the thread that began with this message.",
)
@click.option("--since", type=PointInTime(), metavar="WHEN", help="Sent at this time or later.")
@click.option("--until", type=PointInTime(), metavar="WHEN", help="Sent before this time.")
@_MOST
@options.before
@options.as_json
def search(
    *,
    text: str | None,
    sender: str | None,
    of_inbox: str | None,
    thread: int | None,
    since: float | None,
    until: float | None,
    most: int,
    before: int | None,
    as_json: bool,
) -> None:
    """Search all mail, newest message last; also mail that was read long ago.

    TEXT is words that must all be in the body; a word that ends with * is a prefix.
    """
    wanted = {
        "text": (text or "").strip() or None,
        "sender": sender,
        "inbox": of_inbox,
        "thread": thread,
        "since": since,
        "until": until,
        "before": before,
    }
    if all(each is None for each in wanted.values()):
        raise click.UsageError("give TEXT or one of the options")
    inbox_reading.show_found(call("search", timeout=_SEARCH, max=most, **wanted), as_json)
