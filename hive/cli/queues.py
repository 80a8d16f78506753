"""Verbs about work queues and groups."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click

from hive.cli import options, output
from hive.cli.completing import complete_names
from hive.cli.requests import call
from hive.errors import UnknownNameError
from hive.escapes import inline
from hive.names import suggest
from hive.quantities import counted
from hive.view.text import age


@click.command()
@options.as_json
def queues(as_json: bool) -> None:
    """Show the load of work queues and groups.

    A queue has its waiting and leased messages, a group the unread mail of its members. With a cap
    on turns, the agents that have one and those that wait for one are shown, too.
    """
    found = call("queues")
    if as_json:
        output.document(found, "QueueLoads")
        return
    if not found["queues"]:
        output.hint("No queues. Create one: hive-c0re send queue:NAME BODY")
    output.lines([_queue_line(row) for row in found["queues"]])
    output.lines([_group_line(row) for row in found["groups"]])
    output.lines(_turn_lines(found.get("turns") or {}))


@click.command("remove-queue")
@click.argument("name", metavar="NAME", shell_complete=complete_names)
@click.option("--force", is_flag=True, help="Even if it holds messages; they become dead letters.")
def remove_queue(name: str, force: bool) -> None:
    """Remove a work queue.

    Refused while it holds messages.
    """
    ended = call("remove_queue", name=name, force=force)["dead_letters"]
    if ended:
        output.hint(
            f"{counted(ended, 'dead letter')}: hive-c0re dead-letters --inbox queue:{inline(name)}"
        )


@click.command()
@click.argument("change", type=click.Choice(["list", "add", "remove"]))
@click.argument("name", metavar="[GROUP]", required=False, shell_complete=complete_names)
@click.argument("members", metavar="[NAME...]", nargs=-1, shell_complete=complete_names)
@options.as_json
def group(change: str, name: str | None, members: tuple[str, ...], as_json: bool) -> None:
    """Manage the groups that messages to '@group' go to."""
    if change != "list":
        if name is None or not members:
            raise click.UsageError(f"'group {change}' needs a group and at least one name")
        changed: dict[str, Any] = {change: list(members)}
        call("change_group", name=name, **changed)
        return
    found = call("groups")["groups"]
    if name is not None:
        wanted = name.removeprefix("@")
        if wanted not in found:
            raise UnknownNameError(f"there is no group '@{wanted}'{suggest(wanted, found)}")
        found = {wanted: found[wanted]}
    if as_json:
        output.document(found)
        return
    if not found:
        output.hint("No groups. Create one: hive-c0re group add GROUP NAME")
    output.lines(
        [f"@{inline(each)}  {' '.join(map(inline, names))}" for each, names in found.items()]
    )


def _queue_line(row: dict[str, Any]) -> str:
    counts = f"{row['stored']} waiting, {row['leased']} in work, {counted(row['bytes'], 'byte')}"
    return f"queue:{inline(row['name'])}  {counts}, {counted(row['receivers'], 'receiver')}"


def _turn_lines(turns: dict[str, Any]) -> Iterator[str]:
    """Yield a line about the cap on turns, and one for each agent in a turn or waiting for one."""
    if turns.get("limit") is not None:
        yield f"turns: {turns['running']} of {turns['limit']} run"
        now = time.time()
        for row in turns.get("holding", ()):
            yield f"{inline(row['name'])}  has a turn, {age(row['since'], now)}"
        for row in turns["waiting"]:
            yield f"{inline(row['name'])}  waits for a turn, {age(row['since'], now)}"


def _group_line(row: dict[str, Any]) -> str:
    return (
        f"@{inline(row['name'])}  {row['unread']} unread  {' '.join(map(inline, row['members']))}"
    )
