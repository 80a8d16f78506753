"""Shell completion of `hive-ag3nt` and `hive-m1nd`: the words that a verb can act on.

The daemon is asked on the participant's own socket, so nothing is offered that it may not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem

from hive.harness import environment
from hive.names import OPERATOR
from hive.shell_completion import SECONDS, matching

_AGENT_KINDS = frozenset({"agent", "manager"})

_OPEN = {
    "reminder": "reminders",
    "question": "questions_asked",
    "approval": "approvals",
    "schedule": "schedules",
}
"""The list in the answer to `loose_ends` with what can be taken back, by its kind."""


def complete_participants(
    context: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Return the participants that begin as typed, and the operator."""
    return matching(context, lambda ctx: [*_names(ctx, lambda kind: True), OPERATOR], typed)


def complete_agents(
    context: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Return the agents that begin as typed."""
    return matching(context, lambda ctx: _names(ctx, _AGENT_KINDS.__contains__), typed)


def complete_peers(
    context: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Return the peers that begin as typed."""
    return matching(context, lambda ctx: _names(ctx, lambda kind: kind == "peer"), typed)


def complete_questions(
    context: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Return the numbers of the questions that the participant has to answer."""
    return matching(context, lambda ctx: _numbers(ctx, "questions_to_answer"), typed)


def complete_open(
    context: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Return the numbers of what can be taken back, of the kind that is on the line."""
    field = _OPEN.get(str(context.params.get("kind")), "")
    return matching(context, lambda ctx: _numbers(ctx, field), typed)


def _names(context: click.Context, fits: Callable[[str], bool]) -> Iterable[str]:
    rows = _ask(context, "who")["participants"]
    return [row["name"] for row in rows if fits(row["kind"])]


def _numbers(context: click.Context, field: str) -> Iterable[str]:
    return [str(row["id"]) for row in _ask(context, "loose_ends").get(field, ())]


def _ask(context: click.Context, cmd: str) -> dict[str, Any]:
    from hive.harness.cli.call import request

    return request(context.params.get("socket") or environment.socket_path(), {"cmd": cmd}, SECONDS)
