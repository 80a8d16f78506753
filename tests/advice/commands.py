"""Finds the command lines in messages of the source, and gives them to the real parsers."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from hive.cli.program import cli
from hive.harness.cli.verb_groups import agent, manager

ROOT = Path(__file__).parents[2]

PROGRAMS: dict[str, click.Group] = {"hive-c0re": cli, "hive-ag3nt": agent, "hive-m1nd": manager}

MENTION = "\1"
"""Ends a command line between backquotes, which may leave out arguments: it names a verb."""

HOLE = "\0"
"""Stands for a value in a message that is known only when the message is made."""

_QUOTED = re.compile(
    r"'(?:HYPERHIVE_\w+=\S+ )?((?:hive-c0re|hive-ag3nt|hive-m1nd)(?: [^']*)?)'"
    r"|`((?:hive-c0re|hive-ag3nt|hive-m1nd)(?: [^`]*)?)`"
    r"|: ((?:hive-c0re|hive-ag3nt|hive-m1nd) [^'`.]*)$"
)
_NUMBERS = re.compile(r"\b(?:ID|SEQ)\b")
_SHELL = re.compile(r"\$\([^)]*\)")


def texts_of(source: str) -> Iterator[tuple[int, str]]:
    """Yield the strings of a module with their lines; docstrings too, since some are help."""
    tree = ast.parse(source)
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else HOLE for part in node.values]
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and id(node) not in inside:
            yield node.lineno, str(node.value)


def commands_in(text: str) -> Iterator[str]:
    """Yield the command lines that a text names."""
    for found in _QUOTED.finditer(text):
        quoted, mentioned, after = found.groups()
        for command in (quoted or mentioned or after).split("&&"):
            yield " ".join(command.split()) + (MENTION if mentioned else "")


def why_not(command: str) -> str | None:
    """Return why the real parser refuses a command line; None if it takes it.

    A value of a message stands for a name, a number, two names, or for a verb.
    """
    problem = None
    command = command.replace(f"hive-c0re {HOLE}", "hive-c0re destroy")
    is_mention = command.endswith(MENTION)
    command = _SHELL.sub("alice", _NUMBERS.sub("7", command.removesuffix(MENTION)))
    for value in ("alice", "7", "alice bob"):
        words = shlex.split(command.replace(HOLE, value))
        problem = _refusal(words, is_mention=is_mention)
        if problem is None:
            return None
    return problem


def _refusal(words: list[str], *, is_mention: bool) -> str | None:
    name, *arguments = words
    program = PROGRAMS[name]
    if not arguments or set(arguments) <= {"--help", "--version", "VERB", "…", "..."}:
        return None
    try:
        # With the program's own settings: a command keeps the help option of its first context.
        with click.Context(program, info_name=name, **program.context_settings) as context:
            _, command, rest = program.resolve_command(context, arguments)
            assert command is not None
            with command.make_context(arguments[0], rest, parent=context):
                return None
    except click.exceptions.Exit:  # --help
        return None
    except click.MissingParameter as error:
        return None if is_mention else error.format_message()
    except click.ClickException as error:
        is_without_names = "name at least one agent" in error.message
        return None if is_mention and is_without_names else error.format_message()
