"""The programs `hive-ag3nt` and `hive-m1nd` as click reads them: verbs, help, completion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from hive.command_lines import (
    CONTEXT,
    ProgramGroup,
    help_verb,
    unknown_verb,
    usage_sentence,
    with_examples,
)
from hive.errors import INTERRUPTED, ExitStatus
from hive.harness.cli.adapters import converse, hook, mcp_verb, serve
from hive.harness.cli.agent_examples import AGENT_EXAMPLES
from hive.harness.cli.oneshot import AGENT_VERBS, MANAGER_VERBS
from hive.shell_completion import completion_verb
from hive.stdio import write_error
from hive.version import VERSION

FIRST_OF_GROUP = {
    "serve": "The harness",
    "send": "Mail",
    "ask": "Questions and reminders",
    "set-status": "Participants",
    "kill": "Other agents",
    "request-spawn": "Requests to the operator",
    "completion": "The shell",
}
"""The title of each group of verbs, by its first verb."""

_OF_MANAGER = frozenset(verb.name for verb in MANAGER_VERBS)


class VerbGroup(ProgramGroup):
    """A program that knows the verbs of the manager, also where it does not have them."""

    first_of_group = FIRST_OF_GROUP

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb with its examples; None if there is none of that name."""
        found = super().get_command(ctx, cmd_name)
        return found and with_examples(found, self.name or "", AGENT_EXAMPLES)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb of a command line.

        Raises:
            click.UsageError: There is no such verb; the sentence has the nearest one.
        """
        known = self.list_commands(ctx)
        if args[0] not in known and not ctx.resilient_parsing:
            if args[0] in _OF_MANAGER:
                raise click.UsageError(_only_manager(args[0]), ctx)
            raise unknown_verb(args[0], known, ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; an interrupted one says nothing."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


def _only_manager(verb: str) -> str:
    return f"only the manager may {verb!r}: it is a verb of 'hive-m1nd', on the manager's socket"


@click.group(cls=VerbGroup, name="hive-ag3nt", context_settings=CONTEXT)
@click.version_option(VERSION, message="%(prog)s %(version)s")
def agent() -> None:
    """Take part in a hive: the harness of an agent or a peer, and its verbs for scripts."""


@click.group(cls=VerbGroup, name="hive-m1nd", context_settings=CONTEXT)
@click.version_option(VERSION, message="%(prog)s %(version)s")
def manager() -> None:
    """Take part in a hive as its manager: all of hive-ag3nt, and control of the other agents."""


for program, own in ((agent, ()), (manager, MANAGER_VERBS)):
    for verb in (
        *(serve, hook, mcp_verb(manager=program is manager), converse),
        *(*AGENT_VERBS, *own),
        *(completion_verb(program.name or ""), help_verb),
    ):
        program.add_command(verb)

PROGRAMS = {program.name: program for program in (agent, manager)}


def run(name: str, words: Sequence[str], prog_name: str, complain: Callable[[str], object]) -> int:
    """Run one command line and return its exit status.

    Args:
        name: The program.
        words: Words after its name.
        prog_name: What it is called in texts.
        complain: Prints what is wrong with the command line.

    Raises:
        HiveError: The verb has failed.
        OSError: The output cannot be written.
    """
    try:
        status = PROGRAMS[name].main(words, prog_name=prog_name, standalone_mode=False)
    except NoArgsIsHelpError as error:
        write_error(f"{error.format_message()}\n")
        return ExitStatus.USAGE
    except click.ClickException as error:
        complain(usage_sentence(error))
        return ExitStatus.USAGE
    except click.Abort:
        return INTERRUPTED
    return int(status or ExitStatus.OK)
