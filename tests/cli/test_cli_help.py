"""The help of every verb of every program: `-h`, `--help`, `help VERB`, groups and examples."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hive.cli.help_groups import FIRST_OF_GROUP
from hive.cli.main import VERBS
from hive.cli.program import cli
from hive.cli.verb_examples import EXAMPLES
from hive.command_lines import CONTEXT, grouped
from hive.harness.cli.agent_examples import AGENT_EXAMPLES
from hive.harness.cli.verb_groups import agent, manager
from tests.support.daemons import PROGRAMS as DIRECTORY

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()

PROGRAMS: dict[str, click.Group] = {"hive-c0re": cli, "hive-ag3nt": agent, "hive-m1nd": manager}

ALL = [
    (program, verb)
    for program, group in PROGRAMS.items()
    for verb in group.list_commands(click.Context(group))
]


def verb_of(program: str, verb: str) -> tuple[click.Command, click.Context]:
    """Return a verb and the context of its program."""
    group = PROGRAMS[program]
    context = click.Context(group, info_name=program, **CONTEXT)
    command = group.get_command(context, verb)
    assert command is not None
    return command, context


def help_of(program: str, *words: str) -> str:
    ran = CliRunner().invoke(
        PROGRAMS[program], [*words], prog_name=program, standalone_mode=program != "hive-c0re"
    )
    assert ran.exit_code == 0, (words, ran.output)
    return ran.output


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_verb_of_the_real_program_has_help(program):
    for verb in ["", *(verb for name, verb in ALL if name == program)]:
        words = [verb, "-h"] if verb else ["-h"]
        done = subprocess.run(
            [DIRECTORY / program, *words], capture_output=True, text=True, check=False, timeout=30
        )
        assert (done.returncode, done.stderr) == (0, ""), words
        assert done.stdout.startswith(f"Usage: {' '.join([program, *words[:-1]])} ")


@pytest.mark.parametrize(("program", "verb"), ALL)
def test_the_three_ways_to_the_help_of_a_verb_agree(program, verb):
    shown = help_of(program, verb, "--help")
    assert help_of(program, verb, "-h") == shown
    assert help_of(program, "help", verb) == shown


@pytest.mark.parametrize(("program", "verb"), ALL)
def test_every_option_says_what_it_does(program, verb):
    options = [each for each in verb_of(program, verb)[0].params if isinstance(each, click.Option)]
    assert [each.opts for each in options if not each.help] == []


@pytest.mark.parametrize(("program", "verb"), ALL)
def test_every_verb_has_examples_that_are_read_as_command_lines(program, verb):
    shown = help_of(program, verb, "--help").partition("\n  Examples:\n")[2].splitlines()
    examples = (EXAMPLES if program == "hive-c0re" else AGENT_EXAMPLES)[verb]
    assert shown == [f"    {program} {line}" for line in examples]
    for line in shown:
        first, second, *words = shlex.split(line)
        assert (first, second) == (program, verb)
        words = words[: words.index("<")] if "<" in words else words
        command, context = verb_of(program, verb)
        made = command.make_context(verb, words, parent=context)
        for parameter in command.params:
            assert parameter.name in made.params or not parameter.expose_value


def test_a_wrong_example_would_be_found():
    command, context = verb_of("hive-c0re", "stop")
    with pytest.raises(click.UsageError):
        command.make_context("stop", ["--evry"], parent=context)


def test_there_are_no_examples_of_other_verbs():
    assert EXAMPLES.keys() == VERBS.keys()
    assert AGENT_EXAMPLES.keys() == set(manager.commands)


def test_the_help_lists_the_verbs_in_the_groups_of_the_page():
    groups: dict[str, list[str]] = {}
    for title, section in re.findall(
        r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL
    ):
        if verbs := re.findall(r"^### `([a-z-]+)", section, re.MULTILINE):
            groups[title] = verbs
    assert grouped(VERBS, FIRST_OF_GROUP) == groups
    assert set(FIRST_OF_GROUP) <= VERBS.keys()
    shown = help_of("hive-c0re", "--help")
    listed = re.findall(r"^([A-Z][\w ]+):$|^  ([a-z][a-z-]+)  ", shown, re.MULTILINE)
    words = [title or verb for title, verb in listed if title != "Options"]
    assert words == [word for title, verbs in groups.items() for word in (title, *verbs)]


def test_a_verb_before_the_first_group_has_none():
    assert grouped(["x", "serve", "y"], FIRST_OF_GROUP) == {"": ["x"], "The daemon": ["serve", "y"]}
