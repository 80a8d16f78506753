"""The command line: `python -m benchmarks.trace`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click
import uvloop

from benchmarks.delivery.report import table
from benchmarks.trace.tracing import Count, Plan, trace

HEADS = ["calls on the loop's thread", "own", "other", "C", "all", "own functions", "own files"]


@click.command()
@click.option("--times", type=click.IntRange(1), default=15, help="Single messages of each kind.")
@click.option("--messages", type=click.IntRange(1), default=3_000, help="Messages of all pairs.")
@click.option("--functions", is_flag=True, help="List our functions with their calls, too.")
def main(*, times: int, messages: int, functions: bool) -> None:
    """Count the calls on the daemon's loop thread that one message costs."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        counts = runner.run(trace(Plan(times, messages)))
    click.echo(as_text(counts))
    if functions:
        click.echo("".join(_functions(count) for count in counts), nl=False)


def as_text(counts: Sequence[Count]) -> str:
    """Return the table."""
    rows = []
    for count in counts:
        cost = count.cost
        numbers = [cost.own, cost.others, cost.c, cost.own + cost.others + cost.c]
        rows.append([count.title, *(f"{each:.1f}" for each in numbers)])
        rows[-1] += [f"{cost.functions:.0f}", f"{cost.files:.0f}"]
    return table(HEADS, rows)


def _functions(count: Count) -> str:
    lines = [f"{calls:>8,}  {function}" for function, calls in count.called]
    return "\n".join(["", count.title, *lines, ""])


if __name__ == "__main__":
    main()
