"""The verbs that connect another program to the hive: `serve`, `mcp`, `hook` and `converse`.

Each imports its implementation when it runs, so that no other verb pays for it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from hive.click_types import Seconds, Whole
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
    type=Whole(min=1, max=64),
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
def serve(socket: str, arguments: tuple[str, ...], peer: bool, hook: bool, **given: Any) -> None:
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
    options = HarnessOptions(
        socket=Path(socket), arguments=arguments, peer=peer, hook=hook, **given
    )
    run(options)


def mcp_verb(*, manager: bool) -> click.Command:
    """Return the verb `mcp`, with the tools of an agent or those of the manager."""

    @click.command(name="mcp")
    @socket_option
    @click.option(
        "--channel", is_flag=True, help="Also push a line into the session when mail comes."
    )
    def mcp(socket: str, channel: bool) -> None:
        """Offer the hive as tools to a program that speaks MCP, on standard input and output.

        For Claude Code: claude mcp add hive -- hive-ag3nt mcp
        """
        from hive.harness.mcp.serve import serve

        serve(Path(socket), manager=manager, channel=channel)

    return mcp


@click.command()
@socket_option
@click.option(
    "--at-stop",
    type=click.Choice(["notice", "continue"]),
    default="notice",
    show_default=True,
    help="At the end of a turn: notify the user of mail, or have the model read it now.",
)
def hook(**given: Any) -> None:
    """Report unread mail to a Claude Code session, as one of its hooks; leases and acks nothing.

    The event is JSON on standard input. The hook never fails and never takes longer than a
    second or two: without the daemon it reports nothing.
    """
    from hive.harness.hook import run

    run(**given)


@click.command()
@click.argument("session", metavar="SESSION")
@click.option("--unit", metavar="UNIT", help="First take over the surroundings of this unit.")
def converse(session: str, unit: str | None) -> None:
    """Go on with this agent's own conversation in this terminal; only for the driver claude.

    'hive-c0re attach NAME' runs it: beside a harness that works, two would write to one
    conversation.
    """
    from hive.harness.claude import conversation

    if unit is not None:
        conversation.join_unit(unit)
    conversation.converse(session, _this_harness("converse"))


def _this_harness(verb: str) -> list[str]:
    """Return the words of this command line that are the harness's program."""
    program, *words = sys.argv[: sys.argv.index(verb)]
    if Path(program).name == "__main__.py":
        return [sys.executable, "-P", "-m", "hive.harness", *words]
    return [program, *words]
