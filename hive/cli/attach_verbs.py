"""Verbs that lead an operator into an agent: its own conversation, or a shell."""

from __future__ import annotations

import os

import click

from hive.base_directories import host_socket
from hive.cli import entering, options, output
from hive.cli.attachment import Attachment
from hive.cli.requests import QUERY
from hive.client.blocking import BlockingClient
from hive.errors import BadRequestError
from hive.escapes import inline


@click.command()
@options.name
@click.option("--now", is_flag=True, help="Cancel the turn that runs; see 'cancel'.")
def attach(name: str, now: bool) -> None:
    """Go on with an agent's own conversation in this terminal; its mail waits meanwhile.

    A turn that runs may end first. When the session ends, however it ends, the agent gets its mail
    again, unless it is paused. Only for the driver claude; 'shell' opens a shell in any agent.
    """
    _require_terminal()
    with Attachment(name, now=now) as attachment:
        entrance = attachment.begin(lambda work: _say_what_is_waited_for(name, work))
        entry = entering.conversation_in(entrance, os.environ, attachment.daemon_pid)
        status = entering.run(entry, attachment.keep)
    if attachment.losses:
        output.advise(
            f"the daemon went away meanwhile: {name} may have had turns beside you until it "
            "came back"
        )
    raise SystemExit(status)


@click.command()
@options.name
def shell(name: str) -> None:
    """Open a shell where an agent runs; its turns go on.

    In a container it is a shell of root inside; beside a process, one with the environment and in
    the directory of the agent. Its exit status is that of this verb.
    """
    _require_terminal()
    with BlockingClient(host_socket(), QUERY, warn=output.complain) as client:
        entrance = client.call({"cmd": "open_shell", "name": name}, QUERY)["entrance"]
        entry = entering.shell_in(entrance, os.environ, client.server_pid)
    raise SystemExit(entering.run(entry))


def _require_terminal() -> None:
    if not (output.can_ask() and output.is_terminal()):
        raise BadRequestError(
            "this opens a program on your terminal, so standard input and output must be one; "
            "over ssh use: ssh -t"
        )


def _say_what_is_waited_for(name: str, work: str) -> None:
    output.advise(
        f"{name} {inline(work)}; its conversation opens when it has ended (Ctrl-C ends this wait, "
        "--now cancels the turn)"
    )
