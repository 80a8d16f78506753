"""The verbs that stand beside an interactive session: `mcp` and `hook`."""

from __future__ import annotations

from pathlib import Path

import click

from hive.harness.options import socket_option


def mcp_verb(*, manager: bool) -> click.Command:
    """Return the verb that offers the tools of an agent, or those of the manager."""

    @click.command(name="mcp")
    @socket_option
    @click.option(
        "--channel", is_flag=True, help="Also push a line into the session when mail comes."
    )
    def mcp(socket: Path, channel: bool) -> None:
        """Offer the hive as tools to a program that speaks MCP, on standard input and output.

        For Claude Code: claude mcp add hive -- hive-ag3nt mcp
        """
        from hive.harness.mcp.serve import serve

        serve(socket, manager=manager, channel=channel)

    return mcp


@click.command()
@socket_option
@click.option(
    "--at-stop",
    type=click.Choice(["notice", "continue"]),
    default="notice",
    show_default=True,
    help="At the end of a turn: tell the user of mail, or have the model read it now.",
)
def hook(socket: Path, at_stop: str) -> None:
    """Tell a Claude Code session of unread mail, as a hook of it; takes and acks nothing.

    The event comes on standard input as JSON. This never fails and never takes longer than a
    second or two: without the daemon the session is told nothing.
    """
    from hive.harness.hook import run

    run(socket, read_on=at_stop == "continue")
