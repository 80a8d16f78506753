"""The documentation and the help of the program agree with its verbs and options."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from hive.cli.main import VERBS
from hive.cli.program import cli
from hive.errors import BROKEN_PIPE, INTERRUPTED, ExitStatus
from hive.view.columns import COLUMNS, DROPPED

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()


def command(verb: str) -> click.Command:
    found = cli.get_command(click.Context(cli), verb)
    assert found is not None
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_the_line_of_a_verb_in_help_begins_its_own_help(verb):
    help_text = command(verb).help or ""

    assert help_text.startswith(VERBS[verb].summary.rstrip("."))


def test_the_page_has_every_verb_and_no_other():
    assert re.findall(r"^### `([a-z-]+)", PAGE, re.MULTILINE) == list(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_the_page_has_every_option_of_a_verb_and_no_other(verb):
    section = PAGE.split(f"### `{verb}", 1)[1].split("\n#", 1)[0]
    options = {
        name
        for parameter in command(verb).params
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts)
    }

    assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", section)) == options


def test_the_page_has_every_exit_status_and_no_other():
    rows = dict(re.findall(r"^\| (\d+) \| `([A-Z_]+)` \|", PAGE, re.MULTILINE))

    signals = {INTERRUPTED: "INTERRUPTED", BROKEN_PIPE: "BROKEN_PIPE"}
    assert rows == {
        **{str(status.value): status.name for status in ExitStatus},
        **{str(number): name for number, name in signals.items()},
    }


def test_the_page_has_the_order_in_which_columns_are_lost():
    assert ", ".join(f"`{column.title}`" for column in DROPPED) in " ".join(PAGE.split())
    assert all(f"`{column.title}`" in PAGE for column in COLUMNS)
