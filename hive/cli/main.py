"""The entry point of `hive-c0re`: the verbs, and how a command line finds its own."""

from __future__ import annotations

import sys
from collections import namedtuple
from collections.abc import Sequence
from importlib import import_module

from hive import quick_command_lines
from hive.cli import output
from hive.cli.quick_verbs import QUICK_VERBS
from hive.errors import ExitStatus, HiveError
from hive.program_ends import ended_with
from hive.stdio import escape_unencodable, reopen_closed_stdio, write_error

LazyVerb = namedtuple("LazyVerb", "module summary")
"""Module and summary of a verb, known without importing it. (A NamedTuple imports `typing`.)"""

VERBS = {
    "serve": LazyVerb("daemon", "Run the daemon in the foreground."),
    "init": LazyVerb("first_file", "Write a first hive.toml, and print its path."),
    "check": LazyVerb(
        "daemon", "Check a hive.toml: keys, values, and that the programs and directories exist."
    ),
    "schema": LazyVerb("daemon", "Print the JSON schema of hive.toml, or of agent.toml."),
    "reload": LazyVerb("daemon", "Apply hive.toml as it is now, and show what differed."),
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
    "estop": LazyVerb("freeze_verbs", "Freeze all agents at once, or those named."),
    "thaw": LazyVerb("freeze_verbs", "Let frozen agents go on."),
    "drain": LazyVerb("freeze_verbs", "Let the running turns of agents end, and begin none."),
    "attach": LazyVerb("attach_verbs", "Go on with an agent's own conversation in this terminal."),
    "shell": LazyVerb("attach_verbs", "Open a shell where an agent runs."),
    "cancel": LazyVerb("turns", "Interrupt the turns of agents."),
    "new-session": LazyVerb("turns", "Begin the next turn of agents in a new session."),
    "model": LazyVerb(
        "model_verb", "Show or choose the model and the effort of an agent with the driver claude."
    ),
    "show": LazyVerb("change_verbs", "Show the settings of a participant as they are in force."),
    "pending": LazyVerb("change_verbs", "Show what waits for your decision."),
    "approval": LazyVerb("change_verbs", "Show one approval in detail."),
    "diff": LazyVerb("change_verbs", "Show what an approval changes, as a patch."),
    "approve": LazyVerb("change_verbs", "Approve what waits; it is carried out at once."),
    "deny": LazyVerb("change_verbs", "Deny what waits."),
    "audit": LazyVerb("change_verbs", "Show who decided what, newest last, refusals included."),
    "deploys": LazyVerb("change_verbs", "Show deploys, newest last, each with its step."),
    "rollback": LazyVerb("change_verbs", "Deploy again what an agent ran before."),
    "history": LazyVerb("change_verbs", "Show what an agent ran, newest last."),
    "init-config": LazyVerb("change_verbs", "Write a first proposed repository for an agent."),
    "propose": LazyVerb("change_verbs", "Submit a commit as the configuration of an agent."),
    "schedule": LazyVerb("schedules", "Send a message again and again."),
    "schedules": LazyVerb("schedules", "Show the messages that are sent again and again."),
    "update-inputs": LazyVerb(
        "input_verbs", "Lock newer inputs of the NixOS systems, and submit that."
    ),
    "list": LazyVerb(
        "status", "Print the names of all participants, their kinds, and what they are."
    ),
    "status": LazyVerb("status", "Show the state of all participants, or one in detail."),
    "overview": LazyVerb("status", "Show the whole hive at a glance: counts, limits, mail, store."),
    "why": LazyVerb(
        "explain_verbs", "Explain why a participant is idle, waiting, stopped or failed."
    ),
    "timeline": LazyVerb("explain_verbs", "Show what happened to a participant, newest last."),
    "top": LazyVerb("top_verb", "Show the hive on the whole screen, with a key for each act."),
    "tree": LazyVerb("status", "Draw the supervision tree."),
    "attention": LazyVerb(
        "attention_verbs", "Show what needs you, and the command that settles each item."
    ),
    "statusline": LazyVerb("attention_verbs", "Print one line for a status bar."),
    "send": LazyVerb("messages", "Send a message as the operator."),
    "questions": LazyVerb("messages", "Show open questions, oldest first."),
    "answer": LazyVerb("messages", "Answer a question as the operator."),
    "inbox": LazyVerb("inboxes", "Show an inbox, newest message last."),
    "search": LazyVerb("inboxes", "Search all mail, newest message last."),
    "trace": LazyVerb("mail_admin", "Show the trace of one message."),
    "dead-letters": LazyVerb("mail_admin", "Show messages that were given up."),
    "replay": LazyVerb("mail_admin", "Make dead letters deliverable again."),
    "discard": LazyVerb("mail_admin", "Discard messages for good, whether delivered or not."),
    "loops": LazyVerb("mail_admin", "Show the pairs of participants that looped."),
    "reset-loop": LazyVerb("mail_admin", "Resume delivery between two participants that looped."),
    "group": LazyVerb("queues", "Manage the groups that messages to '@group' go to."),
    "queues": LazyVerb("queues", "Show the load of work queues and groups."),
    "remove-queue": LazyVerb("queues", "Remove a work queue."),
    "register-peer": LazyVerb("participants", "Register a participant with its own lifecycle."),
    "unregister-peer": LazyVerb("participants", "Remove a peer."),
    "release": LazyVerb("move_verbs", "Make an agent a peer; its container runs on."),
    "adopt": LazyVerb("move_verbs", "Make a peer an agent, once you have approved it."),
    "rename": LazyVerb("move_verbs", "Give a peer or a stopped agent another name."),
    "turns": LazyVerb(
        "turns", "Show the turns of an agent, newest last: times, outcome, tokens, cost, tools."
    ),
    "watch": LazyVerb("turns", "Follow the live events of an agent's turns, until Ctrl-C."),
    "limits": LazyVerb("turns", "Show used-up accounts, until when, and which agents share them."),
    "logs": LazyVerb("logs", "Show the last lines that an agent printed."),
    "events": LazyVerb("logs", "Show the event log of the hive."),
    "metrics": LazyVerb("metrics", "Print the numbers for monitoring, as text for Prometheus."),
    "doctor": LazyVerb("doctor", "Examine machine and store; each finding says what to do."),
    "image": LazyVerb("images", "Make an image for the runtime machinectl, and print its path."),
    "install-unit": LazyVerb(
        "install", "Print the unit file that makes the daemon a systemd service."
    ),
    "backup": LazyVerb("daemon", "Copy the store to a file, while everything runs."),
    "export": LazyVerb("transfer", "Write a whole hive into a new directory, while it runs."),
    "import": LazyVerb("transfer", "Make an empty state directory the hive of an export."),
    "web": LazyVerb("web_verbs", "Serve the dashboard in the foreground."),
    "web-login": LazyVerb("web_verbs", "Print a link that logs a browser in to the dashboard."),
    "web-sessions": LazyVerb(
        "web_verbs", "Show the browsers that are logged in to the dashboard, or log some out."
    ),
    "completion": LazyVerb("install", "Print the script that completes names in a shell."),
    "help": LazyVerb("main", "Show the help of a verb, or all verbs."),
}
"""Every verb, in the order in which `--help` lists them."""


def main(args: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status.

    Args:
        args: Words after the program's name; by default those of this process.
    """
    reopen_closed_stdio()
    escape_unencodable()
    words = sys.argv[1:] if args is None else list(args)
    return ended_with(lambda: _run(words), _report)


def _run(words: list[str]) -> int:
    """Run a command line: by the quick reader if it can read it, else by click."""
    verb = quick_command_lines.find(output.PROGRAM, QUICK_VERBS, words)
    if verb is None:
        return int(import_module("hive.cli.program").run(words))
    try:
        verb()
    except KeyboardInterrupt:
        write_error("\n")  # after the ^C on a terminal, as click does
        raise
    return ExitStatus.OK


def _report(error: HiveError | str) -> None:
    output.complain_at_length(str(error))  # of a file, all problems are in it, a line each
