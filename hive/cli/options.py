"""Options and arguments that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from hive.click_types import Seconds
from hive.errors import HiveError

F = TypeVar("F", bound=Callable[..., Any])

_COMPLETION_TIMEOUT = 1.0
"""Timeout in seconds; short, since a person waits at the shell."""


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


def name(command: F) -> F:
    """Add NAME."""
    return click.argument("name", shell_complete=complete_names)(command)


def names(command: F) -> F:
    """Add one or more NAMEs. None given is an error, never "all"."""
    return click.argument(
        "names",
        metavar="NAME...",
        nargs=-1,
        callback=_at_least_one,
        shell_complete=complete_names,
    )(command)


def complete_names(context: click.Context, parameter: click.Parameter, typed: str) -> list[str]:
    """Return the participants whose names begin as typed; none if the daemon cannot be asked."""
    from hive.cli.requests import call

    try:
        found = call("list", timeout=_COMPLETION_TIMEOUT)
    except HiveError:
        return []
    known = [*found.get("agents", ()), *found.get("peers", ())]
    return [each for each in known if each.startswith(typed)]


def _at_least_one(
    context: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    if not value and not context.resilient_parsing:
        raise click.UsageError("name at least one agent; no name never means all of them", context)
    return tuple(dict.fromkeys(value))
