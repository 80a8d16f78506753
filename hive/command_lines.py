"""What the programs share in reading command lines: help, unknown verbs, usage errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import Exit

from hive.errors import BROKEN_PIPE
from hive.names import suggest
from hive.stdio import discard_output, has_lost_reader

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""Settings of the context of every program."""

SUMMARY_WIDTH = 200
"""Most characters of the summary of a verb in `--help`."""


class ProgramGroup(click.Group):
    """A program with verbs, which ends with `BROKEN_PIPE` when the reader of its output has gone.

    Without it, click would end with status 1 and without a word, as for a failure.
    """

    first_of_group: Mapping[str, str] = MappingProxyType({})
    """The title of each group of verbs, by its first verb; it goes on to the next one's first."""

    def groups(self, ctx: click.Context) -> list[tuple[str, list[str]]]:
        """Return the verbs in groups, each with its title, as `--help` and the manual list them."""
        return list(grouped(self.list_commands(ctx), self.first_of_group).items())

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all verbs, in the order of the groups."""
        return list(self.commands)

    def summary(self, ctx: click.Context, name: str) -> str:
        """Return the first sentence about a verb."""
        command = self.get_command(ctx, name)
        return "" if command is None else command.get_short_help_str(limit=SUMMARY_WIDTH)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs in their groups."""
        width = max(map(len, self.list_commands(ctx)))  # all summaries begin in one column
        for title, names in self.groups(ctx):
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), self.summary(ctx, name)) for name in names])

    def make_context(self, *args: Any, **given: Any) -> click.Context:
        """Read the options of the program; `--help` and `--version` print something."""
        with _ending_with_the_reader():
            return super().make_context(*args, **given)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb."""
        with _ending_with_the_reader():
            return super().invoke(ctx)


def grouped(verbs: Iterable[str], first_of_group: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the verbs by the title of their group, all in their order.

    Args:
        verbs: All verbs, the first of a group first.
        first_of_group: The title of each group, by its first verb.
    """
    groups: dict[str, list[str]] = {}
    title = ""
    for verb in verbs:
        title = first_of_group.get(verb, title)
        groups.setdefault(title, []).append(verb)
    return groups


@contextmanager
def _ending_with_the_reader() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not has_lost_reader(error):
            raise
        discard_output()
        raise Exit(BROKEN_PIPE) from None


def unknown_verb(wrong: str, known: Iterable[str], context: click.Context) -> click.UsageError:
    """Return the error of a verb that a program does not have, with the nearest one."""
    nearest = suggest(wrong, [*known, "--version", "--help"])
    return click.UsageError(f"unknown verb {wrong!r}{nearest}", context)


def with_examples(
    command: click.Command, program: str, examples: Mapping[str, Iterable[str]]
) -> click.Command:
    """Return a verb whose help ends with its examples.

    Args:
        command: The verb.
        program: The program that it is a verb of.
        examples: Command lines without the program, by the names of the verbs.
    """
    lines = [f"  {program} {line}" for line in examples.get(command.name or "", ())]
    if lines:
        command.epilog = "\n".join(["\b", "Examples:", *lines])
    return command


def resolved_program(program: str, *arguments: str) -> list[str]:
    """Return a command line whose program does not depend on the caller's directory.

    As in hive.toml, a program with a `/` is a path and any other is looked up on the agent's PATH.
    """
    return [str(Path(program).absolute()) if "/" in program else program, *arguments]


def usage_sentence(error: click.ClickException) -> str:
    """Return a usage error as one sentence that names the help."""
    sentence = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{sentence}; see '{context.command_path} --help'" if context else sentence


def _complete_verbs(
    context: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Return the verbs of the program that begin as typed."""
    from click.shell_completion import CompletionItem

    program = context.find_root().command
    assert isinstance(program, click.Group), "verbs belong to a group"
    verbs = program.list_commands(context)
    return [CompletionItem(verb) for verb in verbs if verb.startswith(typed)]


@click.command("help")
@click.argument("verb", metavar="[VERB]", required=False, shell_complete=_complete_verbs)
@click.pass_context
def help_verb(context: click.Context, verb: str | None) -> None:
    """Show the help of a verb, or all verbs."""
    program = context.parent
    assert program is not None, "help is a verb of a program"
    if verb is None:
        click.echo(program.get_help())
        return
    group = program.command
    assert isinstance(group, click.Group), "verbs belong to a group"
    command = group.get_command(program, verb)
    if command is None:
        raise unknown_verb(verb, group.list_commands(program), program)
    with click.Context(command, info_name=verb, parent=program) as shown:
        click.echo(command.get_help(shown))
