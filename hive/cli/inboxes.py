"""Verbs that read mail: one inbox, or a search through all of them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click

from hive.cli import options, output
from hive.cli.requests import call, follow
from hive.names import OPERATOR
from hive.view.lines import message_lines

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

_SEARCH = 120.0
"""Timeout in seconds: the first search of a large store builds its index."""

_MOST = click.option(
    "-n", "most", type=int, default=50, show_default=True, help="At most this many."
)


class PointInTime(click.ParamType[float]):
    """A point in time: an age (`90m`, `2h`, `3d`), or a date with or without a time."""

    name = "when"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds since the epoch; a time without a zone is local."""
        ago = _AGO.fullmatch(value)
        if ago:
            return time.time() - float(ago[1]) * _SECONDS[ago[2]]
        try:
            return datetime.fromisoformat(value).timestamp()
        except ValueError:
            self.fail(f"{value!r} is no time; write 2h, 3d, 2026-05-01 or 2026-05-01T14:00", param)


@click.command()
@click.argument("name", default=OPERATOR, shell_complete=options.complete_names)
@click.option("--unread", is_flag=True, help="Only unread mail.")
@click.option(
    "--ack", is_flag=True, help="Mark the shown mail as read (the operator's inbox only)."
)
@click.option("-f", "--follow", "follows", is_flag=True, help="Follow new mail until Ctrl-C.")
@click.option("--after", type=click.IntRange(min=0), metavar="ID", help="Only mail after this.")
@_MOST
@options.as_json
def inbox(
    *,
    name: str,
    unread: bool,
    ack: bool,
    follows: bool,
    after: int | None,
    most: int,
    as_json: bool,
) -> None:
    """Show an inbox, newest message last; by default your own. This leases nothing."""
    if ack and name != OPERATOR:
        raise click.UsageError(f"--ack is for your own inbox; only {name} can ack its mail")
    if (follows or after) and (ack or unread):
        raise click.UsageError("--follow and --after show all mail; leave out --ack and --unread")
    if follows:
        for answer in follow("inbox", name=name, max=most, after=after, follow=True):
            _show_each(answer.get("messages", ()), as_json=as_json)
    else:
        _show(call("inbox", name=name, max=most, unread=unread, ack=ack, after=after), as_json)


@click.command()
@click.argument("text", required=False)
@click.option("--from", "sender", metavar="NAME", help="Only mail from this participant.")
@click.option("--inbox", "of_inbox", metavar="NAME", help="Only mail of this inbox.")
@click.option(
    "--thread", type=int, metavar="ID", help="Only the thread that began with this message."
)
@click.option("--since", type=PointInTime(), metavar="WHEN", help="Sent at this time or later.")
@click.option("--until", type=PointInTime(), metavar="WHEN", help="Sent before this time.")
@_MOST
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
    }
    if all(each is None for each in wanted.values()):
        raise click.UsageError("give TEXT or one of the options")
    _show(call("search", timeout=_SEARCH, max=most, **wanted), as_json)


def _show(answer: dict[str, Any], as_json: bool) -> None:
    found = answer["messages"]
    if as_json:
        output.document(found)
        return
    if not found:
        output.hint("No messages.")
    _show_each(found, as_json=False)


def _show_each(rows: Iterable[dict[str, Any]], *, as_json: bool) -> None:
    now = time.time()
    for row in rows:
        if as_json:
            output.item(row)
        else:
            output.lines(message_lines(row, now))
