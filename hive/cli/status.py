"""Verbs that show the state of the hive: names, status, supervision tree."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click

from hive.cli import options, output
from hive.cli.requests import call
from hive.click_types import Seconds
from hive.errors import HiveError, UnknownNameError
from hive.escapes import inline
from hive.names import MANAGER, MANAGER_ALIAS, suggest
from hive.view.status_lines import details, status_lines
from hive.view.text import Glyphs, for_encoding
from hive.view.urgency import in_order

_LAST_LINES = 10
"""Lines of output that `status NAME` shows."""

Row = dict[str, Any]


@click.command("list")
@click.option("--peers", is_flag=True, help="Print the peers' names in place of the agents'.")
@options.as_json
def list_(peers: bool, as_json: bool) -> None:
    """Print the names of the agents, one a line: `hive-c0re stop $(hive-c0re list)`."""
    found = call("list")
    groups = {"agents": found["agents"], "peers": found.get("peers", [])}
    if as_json:
        output.document(groups)
    else:
        output.lines(inline(name) for name in groups["peers" if peers else "agents"])


@click.command()
@click.argument("name", required=False, shell_complete=options.complete_names)
@click.option(
    "--watch",
    type=Seconds(min=0.1),
    metavar="SECONDS",
    help="Refresh at this interval, until Ctrl-C.",
)
@options.as_json
def status(name: str | None, watch: float | None, as_json: bool) -> None:
    """Show the state of all participants, or one in detail.

    Those that need attention come first: failed, waiting, running, stopped, peers.
    """
    if watch is not None:
        _watch(name, watch, as_json=as_json)
    elif name is not None:
        _show_one(_with_last_lines(_rows(name)[0]), as_json=as_json)
    else:
        _show_all(_rows(None), as_json=as_json)


@click.command()
@options.as_json
def tree(as_json: bool) -> None:
    """Draw the supervision tree."""
    from hive.view.lines import tree_lines

    root = call("tree")["tree"]
    if as_json:
        output.document(root)
    else:
        output.lines(tree_lines(root, _glyphs()))


class _StoreTrouble:
    """Reports the trouble of the store once for each change."""

    def __init__(self) -> None:
        self.report: Callable[[str], None] = output.complain
        self._last: str | None = None

    def update(self, sentence: str | None) -> None:
        """Report a change; None is a store without trouble."""
        if sentence == self._last:
            return
        self._last = sentence
        self.report(sentence or "the store accepts writes again")


def _rows(name: str | None, trouble: _StoreTrouble | None = None) -> list[Row]:
    """Return all status rows, or the one of a name.

    Raises:
        UnknownNameError: No participant has the name; the sentence has the nearest one.
    """
    answer = call("agent_status")
    (trouble or _StoreTrouble()).update(answer.get("trouble"))
    rows: list[Row] = answer["agent_statuses"]
    if name is None:
        return rows
    wanted = MANAGER if name == MANAGER_ALIAS else name
    found = [row for row in rows if row["name"] == wanted]
    if not found:
        known = [row["name"] for row in rows]
        raise UnknownNameError(f"no participant is called {name!r}{suggest(name, known)}")
    return found


def _with_last_lines(row: Row) -> Row:
    """Add an agent's newest output to its row, unless the row has it; a peer has none."""
    if row.get("last_lines") or row.get("kind") == "peer":
        return row
    try:
        return {**row, "last_lines": call("logs", name=row["name"], lines=_LAST_LINES)["lines"]}
    except HiveError as error:
        output.complain(f"its last lines cannot be shown: {error}")
        return row


def _show_one(row: Row, *, as_json: bool) -> None:
    if as_json:
        output.document(row)
    else:
        output.lines(details(row, time.time(), _glyphs()))


def _show_all(rows: list[Row], *, as_json: bool) -> None:
    if as_json:
        output.document(in_order(rows))
    elif not rows:
        output.hint("No agents yet. Create one: hive-c0re spawn NAME -- PROGRAM")
    elif output.is_terminal():
        _draw(rows)
    else:
        output.lines(status_lines(rows, time.time()))


def _draw(rows: list[Row]) -> None:
    from rich.console import Console

    from hive.view.table import snapshot

    console = Console(highlight=False)
    console.print(snapshot(rows, time.time(), width=console.width, glyphs=_glyphs()))


def _watch(name: str | None, every: float, *, as_json: bool) -> None:
    """Show rows at an interval of `every` seconds, until Ctrl-C."""
    if output.is_terminal() and not as_json:
        from hive.view.live import LiveView

        # A wrong name or a missing daemon ends the verb now; later, the view keeps trying.
        trouble = _StoreTrouble()
        _rows(name, trouble)
        view = LiveView(lambda: _rows(name, trouble))
        trouble.report = view.print
        view.run(every)
        return
    trouble = _StoreTrouble()
    while True:
        rows = _rows(name, trouble)
        if as_json:
            output.item(in_order(rows))
        else:
            output.lines([*status_lines(rows, time.time()), ""])
        time.sleep(every)


def _glyphs() -> Glyphs:
    return for_encoding(output.encoding())
