"""Verbs that show logs: the output of an agent, and the event log of the hive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click

from hive.cli import options, output
from hive.cli.completing import complete_kinds, complete_names
from hive.cli.event_following import EventCursor
from hive.cli.points_in_time import EventPlace
from hive.cli.requests import call
from hive.cli.requests import follow as stream
from hive.click_types import Whole
from hive.escapes import block
from hive.names import suggest
from hive.view.lines import event_line
from hive.wire.enums import EventKind

LONGEST_DETAIL = 300
"""Characters of a detail of an event on a terminal, where the last lines of an agent fill it."""

_FOLLOW = click.option("-f", "--follow", is_flag=True, help="Follow new ones until Ctrl-C.")


def _known_kinds(
    context: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    for kind in value:
        if kind not in set(EventKind):
            nearest = suggest(kind, map(str, EventKind)) or "; docs/events.md lists all"
            raise click.BadParameter(f"there are no events {kind!r}{nearest}", context, parameter)
    return tuple(dict.fromkeys(value))


@click.command()
@options.name
@_FOLLOW
@click.option(
    "-n",
    "lines",
    type=Whole(1, 5000),
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
        nothing=f"No output of {name}.",
    )


@click.command()
@_FOLLOW
@click.option(
    "-n",
    "most",
    type=Whole(0, 1000),
    default=50,
    show_default=True,
    help="Begin with this many earlier ones.",
)
@click.option(
    "--after", type=Whole(min=0), default=0, metavar="SEQ", help="Only events after this one."
)
@click.option(
    "--since",
    type=EventPlace(),
    metavar="SEQ|WHEN",
    help="Only events from this number or time on.",
)
@click.option(
    *("--kind", "kinds"),
    multiple=True,
    metavar="KIND",
    callback=_known_kinds,
    shell_complete=complete_kinds,
    help="Only events of this kind; may be repeated.",
)
@click.option(
    "--name", metavar="NAME", shell_complete=complete_names, help="Only events about this one."
)
@options.before
@options.as_json
def events(
    *,
    follow: bool,
    most: int,
    after: int,
    since: Any,
    kinds: tuple[str, ...],
    name: str | None,
    before: int | None,
    as_json: bool,
) -> None:
    """Show the event log of the hive: number, time, event, participant, details.

    With --follow it goes on over restarts of the daemon, and says so on standard error.
    """
    if after and since is not None:
        raise output.misuse("events", "give --after or --since, not both")
    if before is not None and follow:
        raise output.misuse("events", "--before is of the past; leave out --follow")
    if isinstance(since, int):
        after, since = since - 1, None if since > 1 else 0.0
    filters = {"kinds": list(kinds) or None, "name": name}
    cursor = EventCursor(filters, most=most, after=after or None, since=since)
    items = (
        cursor.rows()
        if follow
        else _items(
            "events",
            "events",
            follow=False,
            max=most,
            after=after,
            since=since,
            before=before,
            **filters,
        )
    )
    longest = LONGEST_DETAIL if output.is_terminal() else None
    _show(
        items,
        lambda row: [event_line(row, longest)],
        follow=follow,
        as_json=as_json,
        row="EventRow",
        nothing=f"No events after {after}." if after else "No events.",
    )


def _items(cmd: str, field: str, *, follow: bool, **fields: Any) -> Iterator[Any]:
    """Yield the items in a field of one response, or of each response of a stream."""
    if follow:
        for response in stream(cmd, follow=True, **fields):
            yield from response.get(field, ())
    else:
        yield from call(cmd, **fields)[field]


def _show(
    items: Iterable[Any],
    human: Callable[[Any], list[str]],
    *,
    follow: bool,
    as_json: bool,
    nothing: str,
    row: str | None = None,
) -> None:
    """Print items; without any, a person is shown the sentence `nothing`.

    `row` is the type of the items in JSON, see `output.document`.
    """
    if as_json and not follow:
        output.document(list(items), row)
        return
    is_empty = True
    with output.following(follow):
        for item in items:
            is_empty = False
            if as_json:
                output.item(item, row)
            else:
                output.lines(human(item))
    if is_empty:
        output.hint(nothing)
