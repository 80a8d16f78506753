"""Verbs that explain: why a participant is as it is, and what happened to it."""

from __future__ import annotations

import time

import click

from hive.cli import options, output, state_reading
from hive.cli.completing import complete_names
from hive.cli.points_in_time import PointInTime
from hive.cli.requests import call
from hive.click_types import Whole
from hive.escapes import inline
from hive.names import MANAGER, MANAGER_ALIAS
from hive.view.timeline_lines import timeline_line
from hive.view.why import WhyFacts, headline, reason_lines, reasons

_MOST = 1000
"""Most unread messages and open questions that are looked at."""


@click.command()
@options.name
@options.as_json
def why(name: str, as_json: bool) -> None:
    """Explain why a participant is idle, waiting, stopped or failed, or works.

    The first sentence decides; those below it have no effect before that is gone. Each has since
    when it holds, who says so, and the command that changes it.
    """
    facts = _facts(name)
    found = reasons(facts)
    said = headline(facts.row, facts.now)
    if as_json:
        rows = [each._asdict() for each in found]
        output.document({"name": facts.name, "state": said, "reasons": rows}, "Explanation")
        return
    output.lines([f"{inline(facts.name)} is {said}:"])
    output.lines(map(inline, reason_lines(found, facts.now)))


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--since", type=PointInTime(), metavar="WHEN", help="Only from this time on.")
@click.option("--until", type=PointInTime(), metavar="WHEN", help="Only before this time.")
@click.option(
    *("-n", "--limit", "most"),
    type=Whole(1, 1000),
    default=50,
    show_default=True,
    help="At most this many, the newest.",
)
@click.option("--no-output", is_flag=True, help="Leave out the lines that it printed.")
@options.as_json
def timeline(
    name: str,
    since: float | None,
    until: float | None,
    most: int,
    *,
    no_output: bool,
    as_json: bool,
) -> None:
    """Show what happened to a participant, newest last.

    Mail that it sent and received, its turns, the ends and starts of its container, approvals and
    deploys, what an operator did or was refused, and the lines that it printed in a container. Also
    of one that has left the hive, without its lines.
    """
    lines = False if no_output else None
    answer = call("timeline", name=name, since=since, until=until, max=most, output=lines)
    found = answer["entries"]
    if answer.get("missing"):
        output.advise(answer["missing"])
    if as_json:
        output.document(found, "TimelineRow")
        return
    if not found:
        output.hint(f"Nothing happened to {name}.")
    output.lines(map(timeline_line, found))


def _facts(name: str) -> WhyFacts:
    """Ask for all that `why` is about."""
    answer = call("agent_status")
    row = state_reading.row_of(name, answer["agent_statuses"])
    actual = MANAGER if name == MANAGER_ALIAS else name
    return WhyFacts(
        row=row,
        now=time.time(),
        trouble=answer.get("trouble"),
        stopping=answer.get("stopping"),
        turns=call("queues").get("turns") or {},
        limits=call("limits")["limits"],
        loops=call("loops")["loops"],
        questions=call("questions", max=_MOST)["questions"],
        unread=call("inbox", name=actual, unread=True, max=_MOST)["messages"],
    )
