"""Verbs about participants whose lives are their own."""

from __future__ import annotations

from typing import Any

import click

from hive.cli import options, output
from hive.cli.requests import call
from hive.view.escape import inline


@click.command()
@options.name
@click.option("--broadcast", is_flag=True, help="Deliver messages to '*' to it, too.")
@click.option("--description", metavar="TEXT", help="What it is, for the other participants.")
@click.option("--observe", metavar="UNIT", help="Show the state of this unit or machine.")
@options.as_json
def register_peer(
    name: str, broadcast: bool, description: str | None, observe: str | None, as_json: bool
) -> None:
    """Give a participant with its own lifecycle an inbox and a socket, and print the socket.

    Nothing in hyperhive can start, stop or restart it.
    """
    settings: dict[str, Any] = {
        "broadcast": broadcast,
        "description": description,
        "observe": observe,
    }
    socket = call("register_peer", name=name, **settings)["socket"]
    if as_json:
        output.document({"socket": socket})
    else:
        output.lines([inline(socket)])


@click.command()
@options.name
@click.option("--force", is_flag=True, help="Even if it has unread mail.")
def unregister_peer(name: str, force: bool) -> None:
    """Take a peer out of the routing; refused while it has unread mail, unless --force."""
    call("unregister_peer", name=name, force=force)
