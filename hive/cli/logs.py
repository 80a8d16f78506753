"""Verbs that show logs: the output of an agent, and the event log of the hive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click

from hive.cli import options, output
from hive.cli.requests import call
from hive.cli.requests import follow as stream
from hive.escapes import block
from hive.view.lines import event_line

_FOLLOW = click.option("-f", "--follow", is_flag=True, help="Follow new ones until Ctrl-C.")


@click.command()
@options.name
@_FOLLOW
@click.option(
    "-n",
    "lines",
    type=int,
    default=100,
    show_default=True,
    help="Begin with this many earlier ones.",
)
@options.as_json
def logs(name: str, follow: bool, lines: int, as_json: bool) -> None:
    """Show the last lines that an agent printed."""
    _show(
        _items("logs", "lines", follow=follow, name=name, lines=lines),
        block,
        follow=follow,
        as_json=as_json,
    )


@click.command()
@_FOLLOW
@click.option(
    "-n", "most", type=int, default=50, show_default=True, help="Begin with this many earlier ones."
)
@click.option("--after", type=int, default=0, metavar="SEQ", help="Only events after this one.")
@options.as_json
def events(follow: bool, most: int, after: int, as_json: bool) -> None:
    """Show the event log of the hive: number, time, event, participant, details."""
    _show(
        _items("events", "events", follow=follow, max=most, after=after),
        lambda row: [event_line(row)],
        follow=follow,
        as_json=as_json,
    )


def _items(cmd: str, field: str, *, follow: bool, **fields: Any) -> Iterator[Any]:
    """Yield the items in a field of one response, or of each response of a stream."""
    if follow:
        for response in stream(cmd, follow=True, **fields):
            yield from response.get(field, ())
    else:
        yield from call(cmd, **fields)[field]


def _show(
    items: Iterable[Any], human: Callable[[Any], list[str]], *, follow: bool, as_json: bool
) -> None:
    if as_json and not follow:
        output.document(list(items))
        return
    for item in items:
        if as_json:
            output.item(item)
        else:
            output.lines(human(item))
