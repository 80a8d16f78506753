"""The command line: `python -m benchmarks.delivery`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click
import uvloop
from attrs import evolve

from benchmarks.delivery.measuring import WORKLOADS
from benchmarks.delivery.report import as_json, as_text
from benchmarks.delivery.session import QUICK, Plan, measure
from benchmarks.delivery.systems import NAMES

_BY_NAME = {workload.name: workload for workload in WORKLOADS}


@click.command()
@click.option("--rounds", type=click.IntRange(1), help="How often everything is repeated.")
@click.option("--rows", type=click.IntRange(1), help="Delivered messages in the large database.")
@click.option("--system", "systems", type=click.Choice(NAMES), multiple=True, help="Only these.")
@click.option(
    "--workload", "workloads", type=click.Choice(list(_BY_NAME)), multiple=True, help="Only these."
)
@click.option("--quick", is_flag=True, help="Only show that it works.")
@click.option("--long", "endures", is_flag=True, help="Send two million messages, too.")
@click.option("--directory", type=click.Path(path_type=Path), help="On the disk to be measured.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write results here.")
def main(
    *,
    rounds: int | None,
    rows: int | None,
    systems: tuple[str, ...],
    workloads: tuple[str, ...],
    quick: bool,
    endures: bool,
    directory: Path | None,
    json_file: Path | None,
) -> None:
    """Measure the delivery of messages and compare it with other durable queues."""
    plan = evolve(QUICK if quick else Plan(), systems=frozenset(systems), endures=endures)
    if rounds is not None:
        plan = evolve(plan, rounds=rounds)
    if rows is not None:
        plan = evolve(plan, rows=(plan.rows[0], rows))
    if workloads:
        chosen = tuple(_BY_NAME[name] for name in workloads)
        plan = evolve(plan, workloads=chosen, extras=False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        book = runner.run(measure(plan, directory, lambda line: click.echo(line, err=True)))
    if json_file is not None:
        json_file.write_text(json.dumps(as_json(book), indent=2) + "\n")
    click.echo(as_text(book))


if __name__ == "__main__":
    main()
