"""The quick reader of command lines and click agree, or click reads the line."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import chain
from typing import Any, NamedTuple

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.cli.program import cli
from hive.cli.quick_verbs import QUICK_VERBS as OF_OPERATOR
from hive.harness.cli.quick_participant_verbs import QUICK_VERBS as OF_PARTICIPANT
from hive.harness.cli.verb_groups import agent, manager
from hive.quick_command_lines import QuickVerb, choice, find, read, seconds, whole

LEFT_TO_CLICK = {
    ("hive-c0re", "send"): {"--wait"},
    ("hive-c0re", "status"): {"--watch", "-o", "--sort"},
    ("hive-c0re", "inbox"): {"-f", "--follow"},
    ("hive-ag3nt", "send"): {"--wait"},
    ("hive-m1nd", "send"): {"--wait"},
}
"""Options that the quick reader does not know, by program and verb."""


class Program(NamedTuple):
    """A program, as click and as the quick reader have it."""

    name: str
    group: click.Group
    verbs: dict[str, QuickVerb]

    def by_click(self, words: Sequence[str]) -> dict[str, Any] | None:
        """Return the arguments of the verb, None if click refuses the line or prints its help."""
        try:
            with self.group.make_context(self.name, list(words)) as context:
                rest = [*context._protected_args, *context.args]
                name, command, rest = self.group.resolve_command(context, rest)
                with command.make_context(name, rest, parent=context) as found:
                    return found.params
        except (click.ClickException, click.exceptions.Exit):
            return None

    def quickly(self, words: Sequence[str]) -> dict[str, Any] | None:
        """Return the arguments of the verb, None if click must read the line."""
        return read(self.name, self.verbs, words)


C0RE = Program("hive-c0re", cli, OF_OPERATOR)
AG3NT = Program("hive-ag3nt", agent, OF_PARTICIPANT)
M1ND = Program("hive-m1nd", manager, OF_PARTICIPANT)
VERBS = [(program, verb) for program in (C0RE, AG3NT, M1ND) for verb in program.verbs]
IDS = [f"{program.name} {verb}" for program, verb in VERBS]

NUMBERS = [
    "0",
    "1",
    "7",
    "32",
    "33",
    "1000",
    "1001",
    "9" * 30,
    "007",
    "+1",
    "1_0",
    " 5",
    "٣",
    "5.5",
]
SECONDS = ["0.0", "1.5", ".5", "5.", ".", "180", "180.5", "1e3", "315360001", "nan", "inf", "1.5.5"]
WORDS = [
    "alice",
    "bob",
    "operator",
    "*",
    "@team",
    "hello there",
    "x=y",
    "é",
    "\udc80",
    "",
    "normal",
]
DASHES = ["-", "--", "-1", "-x", "-h", "--help", "--version", "--nope", "-nf", "-n5", "---"]
CHOICES = ["high", "HIGH", "hig", "notice", "continue"]
VALUES = st.sampled_from([*NUMBERS, *SECONDS, *WORDS, *DASHES, *CHOICES])


def options_of(program: Program, verb: str) -> dict[str, click.Option]:
    """Return the options of a verb by each of their names."""
    command = program.group.get_command(click.Context(program.group), verb)
    assert command is not None
    return {
        name: option
        for option in command.params
        if isinstance(option, click.Option)
        for name in option.opts
    }


def words_of(options: Sequence[str]) -> st.SearchStrategy[list[str]]:
    """Return lines of options, also cut short or joined with a value, and of other words."""
    option = st.sampled_from(options)
    joined = st.tuples(option, VALUES).map("=".join)
    pair = st.tuples(option, VALUES).map(list)
    single = st.one_of(option, joined, option.map(lambda name: name[:-1]), VALUES).map(
        lambda w: [w]
    )
    return st.lists(st.one_of(single, pair), max_size=5).map(lambda found: [*chain(*found)])


@pytest.mark.parametrize(("program", "verb"), VERBS, ids=IDS)
@given(data=st.data())
def test_a_line_that_is_read_quickly_gives_the_arguments_of_click(program, verb, data):
    words = [verb, *data.draw(words_of([*options_of(program, verb)]))]

    quick = program.quickly(words)

    if quick is not None:
        assert typed(quick) == typed(program.by_click(words) or {})


def typed(given: dict[str, Any]) -> dict[str, tuple[type, Any]]:
    """Return arguments with their types: 1 and 1.0 and True differ."""
    return {name: (type(value), value) for name, value in given.items()}


@pytest.mark.parametrize(
    ("program", "line"),
    [
        (C0RE, "send alice hello"),
        (C0RE, "send alice"),
        (C0RE, "send alice -"),
        (C0RE, "send alice -- --help"),
        (C0RE, "send --json --reply-to 5 alice hello --priority=high --ttl 60 --delay=1.5"),
        (C0RE, "send @team hello --dedupe-key key --supersede-key=other"),
        (C0RE, "list"),
        (C0RE, "list --agents --json"),
        (C0RE, "list --peers"),
        (C0RE, "status"),
        (C0RE, "status alice --json"),
        (C0RE, "inbox"),
        (C0RE, "inbox bob --unread -n 5 --json --after 7"),
        (C0RE, "inbox --ack"),
        (AG3NT, "send bob hello --json --reply-to 7 --ttl 60 --delay 0 --priority low"),
        (AG3NT, "send bob --socket /run/x.sock --dedupe-key=a --supersede-key b"),
        (AG3NT, "recv"),
        (AG3NT, "recv --max 32 --wait 180 --keep --json --socket=/run/x.sock"),
        (AG3NT, "hook"),
        (M1ND, "hook --at-stop continue --socket /run/x.sock"),
    ],
)
def test_usual_lines_are_read_quickly(program, line):
    words = line.split()

    assert typed(program.quickly(words) or {}) == typed(program.by_click(words) or {"no": "line"})


@pytest.mark.parametrize(("program", "verb"), VERBS, ids=IDS)
def test_every_option_is_in_the_table_or_left_to_click(program, verb):
    options = options_of(program, verb)
    table = program.verbs[verb].options

    unknown = options.keys() - table.keys() - LEFT_TO_CLICK.get((program.name, verb), set())
    assert unknown == set(), "add it to the table of quick verbs, or to LEFT_TO_CLICK"
    assert {name: (option.name, option.convert is None) for name, option in table.items()} == {
        name: (option.name, option.is_flag) for name, option in options.items() if name in table
    }


@pytest.mark.parametrize(("program", "verb"), VERBS, ids=IDS)
def test_both_ways_call_the_same_function_with_all_arguments(program, verb, monkeypatch):
    called = []
    module, name = program.verbs[verb].function
    monkeypatch.setattr(import_module(module), name, lambda **given: called.append(given))
    words = [verb, *["alice"] * program.verbs[verb].required]

    quick = find(program.name, program.verbs, words)
    assert quick is not None
    quick()
    program.group.main(words, prog_name=program.name, standalone_mode=False)

    first, second = called
    assert first == second


@pytest.mark.parametrize("program", [C0RE, AG3NT, M1ND], ids=lambda program: program.name)
def test_a_shell_that_asks_for_completion_gets_the_answer_of_click(program, monkeypatch):
    words = ["send", "alice", "hello"]
    assert program.quickly(words) is not None

    monkeypatch.setenv(f"_{program.name.upper().replace('-', '_')}_COMPLETE", "bash_complete")

    assert program.quickly(words) is None


@pytest.mark.parametrize(
    ("program", "line"),
    [
        *((C0RE, line) for line in ("", "--help", "help send", "nope", "tree", "list --agent")),
        *((C0RE, line) for line in ("send", "send --help", "send alice -h", "send '' hello")),
        *((C0RE, f"send alice hello {more}") for more in ("more", "--json --json", "--wait")),
        *((C0RE, f"send alice hello {more}") for more in ("--ttl", "--reply-to x", "--priority x")),
        *((C0RE, f"send alice hello --{name} 315360001") for name in ("ttl", "delay")),
        *((C0RE, f"inbox {more}") for more in ("-f", "-n 0", "-n 1001", "-n5", "--json=yes")),
        *((AG3NT, f"recv {more}") for more in ("--max 0", "--max 33", "--wait 180.1", "x")),
        *((AG3NT, f"send {more}") for more in ("'' hello", "bob --ttl 0", "bob --delay 315360001")),
        *((AG3NT, line) for line in ("status", "hook --at-stop never", "recv --wait nan")),
    ],
)
def test_other_lines_are_left_to_click(program, line):
    assert program.quickly(shlex.split(line)) is None


@pytest.mark.parametrize(
    ("convert", "word", "value"),
    [
        (whole(1, 32), "32", 32),
        (whole(0), "9" * 15, 10**15 - 1),
        (seconds(180.0), "180", 180.0),
        (seconds(180.0), ".5", 0.5),
        (seconds(1.0, positive=True), "0.1", 0.1),
        (choice("low", "high"), "high", "high"),
    ],
)
def test_values_as_they_are_usually_written(convert: Callable[[str], Any], word, value):
    assert (type(convert(word)), convert(word)) == (type(value), value)


@pytest.mark.parametrize(
    ("convert", "word"),
    [
        *((whole(1, 32), word) for word in ("0", "33", "", "+1", "-1", "1_0", " 1", "٣", "1.0")),
        (whole(0), "1" * 16),
        *(
            (seconds(180.0), word)
            for word in ("180.1", "", ".", "-1", "1e2", "nan", "inf", "1.2.3")
        ),
        (seconds(1.0, positive=True), "0.0"),
        (choice("low", "high"), "hi"),
    ],
)
def test_other_values_are_left_to_click(convert: Callable[[str], Any], word):
    with pytest.raises(ValueError, match=" is "):
        convert(word)
