"""The verbs that connect another program to the hive: `serve`, `mcp` and `hook`.

Each imports its implementation when it runs, so that no other verb pays for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hive.click_types import Seconds
from hive.harness.cli.call import socket_option


@click.command(context_settings={"allow_interspersed_args": False})
@socket_option
@click.option("--driver", default="command", show_default=True, help="What works on messages.")
@click.option(
    "--time-limit",
    type=Seconds(min=0, min_open=True),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="Longest time for one message.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1, max=64),
    default=1,
    show_default=True,
    help="Messages that are worked on at once.",
)
@click.option("--reply-to-replies", is_flag=True, help="Answer also what is an answer itself.")
@click.option("--peer", is_flag=True, help="Announce presence; receive nothing without --hook.")
@click.option("--hook", is_flag=True, help="With --peer: hand each message to PROGRAM.")
@click.option("--bell", metavar="COMMAND", help="With --peer: run this when mail waits (sh -c).")
@click.option(
    "--bell-tty",
    type=click.Path(readable=False, path_type=Path),
    metavar="PATH",
    help="With --peer: notify this terminal when mail waits.",
)
@click.option(
    "--bell-notice",
    type=click.Choice(["bell", "osc9", "osc777"]),
    default="bell",
    show_default=True,
    help="What that terminal understands.",
)
@click.argument("arguments", metavar="[--] [PROGRAM [ARGS]...]", nargs=-1)
def serve(arguments: tuple[str, ...], peer: bool, hook: bool, **given: Any) -> None:
    """Receive messages and run PROGRAM for each.

    The message comes on standard input as JSON, what the program prints is the answer.
    """
    from hive.harness.serve import HarnessOptions
    from hive.harness.serve import serve as run

    if hook and not peer:
        raise click.UsageError("--hook goes with --peer")
    if not peer and (given["bell"] or given["bell_tty"]):
        raise click.UsageError("a bell goes with --peer; an agent wakes by itself")
    if peer and hook != bool(arguments):
        raise click.UsageError("a peer's program stands behind --hook, and --hook needs one")
    run(HarnessOptions(arguments=arguments, peer=peer, hook=hook, **given))


def mcp_verb(*, manager: bool) -> click.Command:
    """Return the verb `mcp`, with the tools of an agent or those of the manager."""

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
    """Report unread mail to a Claude Code session, as one of its hooks; leases and acks nothing.

    The event is JSON on standard input. The hook never fails and never takes longer than a
    second or two: without the daemon it reports nothing.
    """
    from hive.harness.hook import run

    run(socket, read_on=at_stop == "continue")
