"""The entry point of `hive-c0re`: dispatches a verb, and maps an error to an exit status."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import NamedTuple

import click
from click.exceptions import NoArgsIsHelpError

import hive
from hive.cli import output
from hive.errors import INTERRUPTED, ConfigError, ExitStatus, HiveError
from hive.names import suggest
from hive.stdio import reopen_closed_stdio

PROGRAM = output.PROGRAM


class LazyVerb(NamedTuple):
    """Module and summary of a verb, known without importing it."""

    module: str
    summary: str


VERBS = {
    "serve": LazyVerb("daemon", "Run the daemon in the foreground."),
    "shutdown": LazyVerb("daemon", "Shut down the daemon."),
    "spawn": LazyVerb("participants", "Create an agent and start it."),
    "start": LazyVerb("participants", "Start agents, also those that were parked as failed."),
    "stop": LazyVerb("participants", "Stop agents; they stay stopped until you start them."),
    "restart": LazyVerb("participants", "Stop agents gracefully and start them again."),
    "rebuild": LazyVerb("participants", "Rebuild agents' containers and restart them."),
    "kill": LazyVerb("participants", "Stop agents; with --force, at once."),
    "destroy": LazyVerb("participants", "Remove an agent."),
    "pause": LazyVerb("participants", "Hold back agents' mail while they keep running."),
    "resume": LazyVerb("participants", "Deliver paused agents' mail again."),
    "cancel": LazyVerb("turns", "Interrupt the turns of agents."),
    "new-session": LazyVerb("turns", "Begin the next turn of agents in a new session."),
    "list": LazyVerb("status", "Print the names of the agents."),
    "status": LazyVerb("status", "Show the state of all participants, or one in detail."),
    "tree": LazyVerb("status", "Draw the supervision tree."),
    "send": LazyVerb("messages", "Send a message as the operator."),
    "questions": LazyVerb("messages", "Show open questions, oldest first."),
    "answer": LazyVerb("messages", "Answer a question as the operator."),
    "inbox": LazyVerb("inboxes", "Show an inbox, newest message last."),
    "search": LazyVerb("inboxes", "Search all mail, newest message last."),
    "trace": LazyVerb("mail_admin", "Show the trace of one message."),
    "dead-letters": LazyVerb("mail_admin", "Show messages that were given up."),
    "replay": LazyVerb("mail_admin", "Make dead letters deliverable again."),
    "discard": LazyVerb("mail_admin", "Discard dead letters for good."),
    "loops": LazyVerb("mail_admin", "Show the pairs of participants that looped."),
    "reset-loop": LazyVerb("mail_admin", "Resume delivery between two participants that looped."),
    "group": LazyVerb("queues", "Manage the groups that messages to '@group' go to."),
    "queues": LazyVerb("queues", "Show the load of work queues and groups."),
    "remove-queue": LazyVerb("queues", "Remove a work queue."),
    "register-peer": LazyVerb("participants", "Register a participant with its own lifecycle."),
    "unregister-peer": LazyVerb("participants", "Remove a peer."),
    "turns": LazyVerb(
        "turns", "Show the turns of an agent, newest last: times, outcome, tokens, cost, tools."
    ),
    "watch": LazyVerb("turns", "Follow the live events of an agent's turns, until Ctrl-C."),
    "limits": LazyVerb("turns", "Show used-up accounts, until when, and which agents share them."),
    "logs": LazyVerb("logs", "Show the last lines that an agent printed."),
    "events": LazyVerb("logs", "Show the event log of the hive."),
    "doctor": LazyVerb("doctor", "Examine machine and store; each finding says what to do."),
    "install-unit": LazyVerb(
        "install", "Print the unit file that makes the daemon a systemd service."
    ),
    "backup": LazyVerb("daemon", "Copy the store to a file, while everything runs."),
    "completion": LazyVerb("install", "Print the script that completes names in a shell."),
}
"""Every verb, in the order in which `--help` lists them."""


class LazyGroup(click.Group):
    """A group that imports a verb's module only when the verb is invoked."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb; None if there is none of that name."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        module = import_module(f"hive.cli.{verb.module}")
        return next(
            found
            for found in vars(module).values()
            if isinstance(found, click.Command) and found.name == cmd_name
        )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb of a command line.

        Raises:
            click.UsageError: There is no such verb; the sentence has the nearest one.
        """
        if args[0] not in VERBS and not ctx.resilient_parsing:
            raise click.UsageError(f"unknown verb {args[0]!r}{suggest(args[0], VERBS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])


@click.group(PROGRAM, cls=LazyGroup, subcommand_metavar="VERB ...")
@click.version_option(hive.__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
def cli() -> None:
    """Supervise a hive of coding agents.

    HYPERHIVE_RUN_DIR names the directory of the daemon's socket, if it is not the default.
    """


def main(args: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status.

    Args:
        args: Words after the program's name; by default those of this process.
    """
    reopen_closed_stdio()
    # Characters that an output cannot encode are shown as escapes: no name makes a verb fail.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return int(cli.main(args, prog_name=PROGRAM, standalone_mode=False) or ExitStatus.OK)
    except ConfigError as error:
        output.complain_at_length(str(error))
        return error.exit_status
    except HiveError as error:
        output.complain(str(error))
        return error.exit_status
    except NoArgsIsHelpError as error:
        error.show()
        return ExitStatus.USAGE
    except click.ClickException as error:
        output.complain(_usage(error))
        return ExitStatus.USAGE
    except click.Abort:
        return INTERRUPTED


def _usage(error: click.ClickException) -> str:
    """Return a usage error as one sentence that names the help."""
    sentence = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{sentence}; see '{context.command_path} --help'" if context else sentence
