"""Verbs for all agents at once: stop them, let them go on, let their turns end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
from click.exceptions import Exit

from hive.cli import options, output
from hive.cli.requests import CHANGE, call
from hive.errors import ExitStatus
from hive.escapes import inline

DRAIN = 600.0
"""Seconds that a drain waits for the turns that run: the time limit of a turn by default."""

Row = Mapping[str, Any]


@click.command()
@options.optional_names
@options.as_json
def estop(names: tuple[str, ...], as_json: bool) -> None:
    """Freeze all agents at once, or those named.

    Nothing that they run goes on, they get no mail, and none is started, until `thaw`. Mail to
    them is kept, a turn under way keeps its messages, and peers go on. A restart of the daemon
    changes none of this.
    """
    rows = call("estop", timeout=CHANGE, names=list(names))["agents"]
    _show(rows, ("frozen", "frozen already", "No agents."), as_json=as_json)


@click.command()
@options.optional_names
@options.as_json
def thaw(names: tuple[str, ...], as_json: bool) -> None:
    """Let frozen agents go on, all of them or those named, one after the other."""
    rows = call("thaw", timeout=CHANGE, names=list(names))["agents"]
    _show(rows, ("no longer frozen", "not frozen", "No agent is frozen."), as_json=as_json)


@click.command()
@options.optional_names
@click.option("--no-wait", is_flag=True, help="Do not wait for the turns that run.")
@options.waiting(DRAIN)
@options.as_json
def drain(names: tuple[str, ...], no_wait: bool, timeout: float, as_json: bool) -> None:
    """Let the running turns of agents end, and begin none.

    All agents are paused, or those named, and stay so, also under the next daemon, until `resume`.
    It returns when none works any more: then a restart of the daemon or of the machine costs no
    turn.
    """
    rows = _drain(names, 0.0)
    if not as_json:
        output.lines(
            _drained(rows) if rows else ["No agents."]
        )  # before the wait, which may be interrupted
    if not no_wait and any(row.get("working") for row in rows):
        changed = {row["name"]: row["changed"] for row in rows}
        rows = [
            {**row, "changed": changed.get(row["name"], row["changed"])}
            for row in _drain(names, timeout)
        ]
    if as_json:
        output.document(rows, "DrainRow")
    working = [row for row in rows if row.get("working")]
    for row in working:
        output.complain(f"{row['name']}: {row['working']}")
    if working and not no_wait:
        raise Exit(ExitStatus.TIMED_OUT)


def _drain(names: Sequence[str], seconds: float) -> list[dict[str, Any]]:
    """Pause agents, and wait so many seconds until they work on nothing; return a row for each."""
    fields: dict[str, Any] = {"names": list(names), "wait_seconds": seconds}
    rows: list[dict[str, Any]] = call("drain", timeout=seconds + CHANGE, **fields)["agents"]
    return rows


def _drained(rows: Sequence[Row]) -> Iterator[str]:
    paused = [inline(row["name"]) for row in rows if row["changed"]]
    already = [inline(row["name"]) for row in rows if not row["changed"]]
    if already:
        yield f"paused before: {', '.join(already)}"
    if paused:
        yield f"paused: {', '.join(paused)}; 'hive-c0re resume {' '.join(paused)}' ends that"


def _show(rows: Sequence[Row], words: tuple[str, str, str], *, as_json: bool) -> None:
    """Print what became of each agent, failures on standard error.

    Args:
        rows: The agents.
        words: For one that has changed, for one that has not, and for none at all.
        as_json: Whether to print JSON.

    Raises:
        Exit: One failed.
    """
    if as_json:
        output.document(rows, "FreezeRow")
    elif not rows:
        output.lines([words[2]])
    else:
        output.lines(_lines(rows, words[0], words[1]))
    for row in rows:
        if row.get("error"):
            output.complain(f"{row['name']}: {row['error']}")
    if any(row.get("error") for row in rows):
        raise Exit(ExitStatus.FAILED)


def _lines(rows: Sequence[Row], done: str, unchanged: str) -> Iterator[str]:
    for row in rows:
        if not row.get("error"):
            state = f", but {inline(row['state'])}" if row.get("state") else ""
            yield f"{inline(row['name'])}: {done if row['changed'] else unchanged}{state}"
