"""Options and arguments that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from hive.cli.completing import complete_names
from hive.click_types import Name, Seconds, Whole

F = TypeVar("F", bound=Callable[..., Any])

NO_NAME = "name at least one agent; no name never means all of them"


def as_json(command: F) -> F:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def timeout(command: F) -> F:
    """Add `--timeout`, for verbs that wait until the daemon has acted."""
    from hive.cli.requests import CHANGE

    return waiting(CHANGE)(command)


def waiting(seconds: float) -> Callable[[F], F]:
    """Return a decorator that adds `--timeout` with this default in seconds."""
    return click.option(
        "--timeout",
        type=Seconds(min=0, min_open=True),
        default=seconds,
        show_default=True,
        metavar="SECONDS",
        help="Wait at most this long; the daemon may still act later.",
    )


def before(command: F) -> F:
    """Add `--before`, for lists whose rows have numbers."""
    return click.option(
        "--before",
        type=Whole(min=1),
        metavar="NUMBER",
        help="Only those with a smaller number: that of the first line shows the page before.",
    )(command)


def name(command: F) -> F:
    """Add NAME."""
    return click.argument("name", type=Name(), shell_complete=complete_names)(command)


def names(command: F) -> F:
    """Add one or more NAMEs. None given is an error, never "all"."""
    return click.argument(
        "names",
        metavar="NAME...",
        nargs=-1,
        type=Name(),
        callback=_at_least_one,
        shell_complete=complete_names,
    )(command)


def names_or_all(command: F) -> F:
    """Add NAMEs and --all, as `names` and `every`."""
    every = click.option("--all", "every", is_flag=True, help="All agents.")
    argument = click.argument(
        "names", metavar="[NAME...]", nargs=-1, type=Name(), shell_complete=complete_names
    )
    return every(argument(command))


def optional_names(command: F) -> F:
    """Add any number of NAMEs, and --all. Neither is all agents: only for verbs that say so."""
    every = click.option(
        "--all",
        is_flag=True,
        expose_value=False,
        callback=_no_names,
        help="All, as without names.",
    )
    argument = click.argument(
        "names",
        metavar="[NAME...]",
        nargs=-1,
        type=Name(),
        is_eager=True,
        callback=lambda context, parameter, value: tuple(dict.fromkeys(value)),
        shell_complete=complete_names,
    )
    return every(argument(command))


def _no_names(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and context.params.get("names"):
        raise click.UsageError("give names or --all, not both", context)


def _at_least_one(
    context: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    if not value and not context.resilient_parsing:
        raise click.UsageError(NO_NAME, context)
    return tuple(dict.fromkeys(value))
