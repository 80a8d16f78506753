"""The program `hive-c0re` as click reads it: its verbs, their help, errors and completion."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import click
from click.exceptions import NoArgsIsHelpError

import hive
from hive.cli import output
from hive.cli.help_groups import FIRST_OF_GROUP
from hive.cli.main import VERBS
from hive.cli.verb_examples import EXAMPLES
from hive.command_lines import (
    CONTEXT,
    ProgramGroup,
    help_verb,
    unknown_verb,
    usage_sentence,
    with_examples,
)
from hive.errors import INTERRUPTED, ExitStatus
from hive.stdio import write_error

PROGRAM = output.PROGRAM


class LazyGroup(ProgramGroup):
    """A group that imports a verb's module only when the verb is invoked."""

    first_of_group = FIRST_OF_GROUP

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb; None if there is none of that name."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        if cmd_name == help_verb.name:
            return with_examples(help_verb, PROGRAM, EXAMPLES)
        module = import_module(f"hive.cli.{verb.module}")
        found = next(
            found
            for found in vars(module).values()
            if isinstance(found, click.Command) and found.name == cmd_name
        )
        return with_examples(found, PROGRAM, EXAMPLES)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb of a command line.

        Raises:
            click.UsageError: There is no such verb; the sentence has the nearest one.
        """
        if args[0] not in VERBS and not ctx.resilient_parsing:
            raise unknown_verb(args[0], VERBS, ctx)
        return super().resolve_command(ctx, args)

    def summary(self, ctx: click.Context, name: str) -> str:
        """Return the first sentence about a verb, without importing it."""
        return str(VERBS[name].summary)


@click.group(PROGRAM, cls=LazyGroup, subcommand_metavar="VERB ...", context_settings=CONTEXT)
@click.version_option(hive.__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
def cli() -> None:
    """Supervise a hive of coding agents.

    HYPERHIVE_RUN_DIR names the directory of the daemon's socket, if it is not the default.
    """


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit status.

    Args:
        args: Words after the program's name.

    Raises:
        HiveError: The verb has failed.
        OSError: The output cannot be written.
    """
    try:
        return int(cli.main(args, prog_name=PROGRAM, standalone_mode=False) or ExitStatus.OK)
    except NoArgsIsHelpError as error:
        write_error(f"{error.format_message()}\n")
        return ExitStatus.USAGE
    except click.ClickException as error:
        output.complain(usage_sentence(error))
        return ExitStatus.USAGE
    except click.Abort:
        return INTERRUPTED
