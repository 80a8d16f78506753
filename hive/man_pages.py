"""The manual pages of the programs, made from their commands: `python -m hive.man_pages DIR`.

See man(7) for the macros. A wheel has the pages in `share/man/man1`, see `hatch_build.py`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

import click

import hive
from hive.command_lines import CONTEXT, ProgramGroup
from hive.errors import BROKEN_PIPE, INTERRUPTED, ExitStatus

PROGRAMS = {
    "hive-c0re": ("hive.cli.program", "cli"),
    "hive-ag3nt": ("hive.harness.cli.verb_groups", "agent"),
    "hive-m1nd": ("hive.harness.cli.verb_groups", "manager"),
}
"""Module and name of the command of each program, as click reads it."""

EXIT_STATUSES: dict[int, str] = {
    ExitStatus.OK: "Done.",
    ExitStatus.FAILED: "The operation failed.",
    ExitStatus.USAGE: "The command line or the request is wrong.",
    ExitStatus.NO_DAEMON: "No daemon runs, or it cannot serve this now.",
    ExitStatus.UNKNOWN_NAME: "There is nothing of that name or number.",
    ExitStatus.REFUSED: "Refused: not in this state, not allowed, an inbox is full.",
    ExitStatus.TIMED_OUT: "No outcome in time; look before you repeat it.",
    ExitStatus.CONFIG: "The configuration cannot be used as written.",
    ExitStatus.UNANSWERED: "The message has ended without the answer that was waited for.",
    ExitStatus.WAITING: "Something waits for the operator (attention).",
    INTERRUPTED: "Ctrl-C.",
    BROKEN_PIPE: "The reader has closed the output.",
}

_ENVIRONMENT = {
    "hive-c0re": {
        "HYPERHIVE_RUN_DIR": "Directory of the sockets.",
        "HYPERHIVE_STATE_DIR": "Directory of all durable files.",
    },
    "hive-ag3nt": {
        "HIVE_SOCKET": "The participant's socket; by default /run/hive/mcp.sock.",
        "HIVE_STATE": "The participant's state directory.",
    },
}


def write_pages(directory: Path, now: float) -> list[Path]:
    """Write the manual page of each program, and return the paths.

    Args:
        directory: Where they are written; it is made if it does not exist.
        now: Unix time of the date on the pages.
    """
    directory.mkdir(parents=True, exist_ok=True)
    made = []
    for program, (module, name) in PROGRAMS.items():
        path = directory / f"{program}.1"
        path.write_text(page(getattr(import_module(module), name), program, now), encoding="ascii")
        made.append(path)
    return made


def page(group: ProgramGroup, program: str, now: float) -> str:
    """Return the manual page of a program."""
    context = click.Context(group, info_name=program, **CONTEXT)
    date = time.strftime("%Y-%m-%d", time.gmtime(now))
    first, *more = _paragraphs(group.help)
    others = [f".BR {_text(each)} (1)" for each in PROGRAMS if each != program]
    lines = [
        f'.TH {program.upper()} 1 "{date}" "hyperhive {hive.__version__}" "hyperhive"',
        *(".SH NAME", f"{_text(program)} \\- {_text(first.rstrip('.'))}"),
        *(".SH SYNOPSIS", f".B {_text(program)}", "[OPTIONS] VERB ..."),
        *(".SH DESCRIPTION", *_joined(more or [first])),
        *(".SH OPTIONS", *_options(group, context)),
        ".SH VERBS",
        *(line for title, verbs in group.groups(context) for line in _verbs(context, title, verbs)),
        *(".SH EXIT STATUS", *_entries({str(n): text for n, text in EXIT_STATUSES.items()})),
        *(".SH ENVIRONMENT", *_entries(_ENVIRONMENT.get(program, _ENVIRONMENT["hive-ag3nt"]))),
        *(".SH SEE ALSO", ",\n".join(others)),
    ]
    return "\n".join([*lines, ""])


def _verbs(context: click.Context, title: str, verbs: Iterable[str]) -> Iterator[str]:
    """Yield a group of verbs, each with its usage, options and examples."""
    yield f'.SS "{_text(title)}"'
    group = context.command
    assert isinstance(group, click.Group), "verbs belong to a group"
    for name in verbs:
        command = group.get_command(context, name)
        assert command is not None, "the group lists it"
        verb = click.Context(command, info_name=name, parent=context)
        yield from (".TP", f".B {_text(' '.join([name, *command.collect_usage_pieces(verb)]))}")
        yield from _joined(_paragraphs(command.help))
        yield from (".RS", *_options(command, verb))
        if command.epilog:
            lines = [line.strip() for line in command.epilog.splitlines()[2:]]
            yield from (".PP", "Examples:", ".PP", ".nf", *map(_text, lines), ".fi")
        yield ".RE"


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    options = (each for each in command.get_params(context) if isinstance(each, click.Option))
    records = (each.get_help_record(context) for each in options)
    return _entries(dict(record for record in records if record is not None))


def _entries(found: dict[str, str]) -> Iterator[str]:
    for term, meaning in found.items():
        yield from (".TP", f".B {_text(term)}", _text(meaning))


def _paragraphs(text: str | None) -> list[str]:
    return [" ".join(each.split()) for each in (text or "").split("\n\n")]


def _joined(paragraphs: Iterable[str]) -> Iterator[str]:
    for place, each in enumerate(paragraphs):
        yield from [_text(each)] if place == 0 else [".IP", _text(each)]


def _text(text: str) -> str:
    """Return a text in which no character has a meaning for troff, as ASCII."""
    plain = text.replace("\\", "\\e").replace("-", "\\-")
    ascii_ = "".join(each if each.isascii() else f"\\[u{ord(each):04X}]" for each in plain)
    return f"\\&{ascii_}" if ascii_.startswith((".", "'")) else ascii_


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 - the module and its argument
        sys.exit("usage: python -m hive.man_pages DIRECTORY")
    for written in write_pages(
        Path(sys.argv[1]), float(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    ):
        sys.stdout.write(f"{written}\n")
