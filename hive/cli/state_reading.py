"""Reads the states of participants and prints them."""

from __future__ import annotations

import time
from collections.abc import Callable

from hive.cli import output
from hive.cli.requests import call
from hive.errors import HiveError, NotAllowedError
from hive.names import MANAGER, MANAGER_ALIAS, OPERATOR, unknown_participant
from hive.view.status_lines import status_lines
from hive.view.text import Glyphs, for_encoding
from hive.view.urgency import in_order
from hive.view.version_notices import version_notices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hive.cli.status_choice import ChosenTable as Draw

    Row = dict[str, Any]

_LAST_LINES = 10
"""Lines of output that `status NAME` shows."""


def show_status(
    name: str | None,
    watch: float | None,
    as_json: bool,
    columns: str | None = None,
    order: str | None = None,
) -> None:
    """Print the state of all participants, or one in detail.

    Args:
        name: The participant; None for all.
        watch: Seconds between two pictures; None for one.
        as_json: Print JSON.
        columns: The columns of the table, see `hive.view.chosen_columns`; None for the usual ones.
        order: What the table is sorted by, likewise.

    Raises:
        HiveError: The daemon cannot be asked, or knows no such name.
    """
    draw = None
    if columns is not None or order is not None:
        from hive.cli.status_choice import chosen_table

        draw = chosen_table(columns, order, as_json=as_json)
        if draw is None:
            return
    if watch is not None:
        _watch(name, watch, as_json=as_json, draw=draw)
    elif name is not None and draw is None:
        _show_one(_with_last_lines(_rows(name)[0]), as_json=as_json)
    else:
        _show_all(_rows(name), as_json=as_json, draw=draw)


class _StoreTrouble:
    """Reports the trouble of the store once for each change.

    Attributes:
        report: Prints a sentence.
        stopping: How far the stop of the daemon is; None while it serves.
    """

    def __init__(self) -> None:
        self.stopping: str | None = None
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
    stopping: str | None = answer.get("stopping")
    if trouble is None:
        trouble = _StoreTrouble()
        if stopping:
            output.complain(stopping)
        for notice in version_notices(answer["agent_statuses"], answer.get("daemon_version")):
            output.complain(notice)
    trouble.update(answer.get("trouble"))
    trouble.stopping = stopping
    rows: list[Row] = answer["agent_statuses"]
    if name is None:
        return rows
    return [row_of(name, rows)]


def row_of(name: str, rows: list[Row]) -> Row:
    """Return the status row of a name.

    Raises:
        UnknownNameError: No participant has the name; the sentence has the nearest one.
        NotAllowedError: It is the operator.
    """
    wanted = MANAGER if name == MANAGER_ALIAS else name
    for row in rows:
        if row["name"] == wanted:
            return row
    if name == OPERATOR:
        raise NotAllowedError("the operator has no state; 'hive-c0re inbox' shows your mail")
    raise unknown_participant(name, [row["name"] for row in rows])


def _with_last_lines(row: Row) -> Row:
    """Add an agent's newest output to its row, unless the row has it; a peer has none."""
    if row.get("last_lines") or row.get("kind") == "peer":
        return row
    lines = _asked("its last lines", "logs", name=row["name"], lines=_LAST_LINES).get("lines")
    return row if lines is None else {**row, "last_lines": lines}


def _show_one(row: Row, *, as_json: bool) -> None:
    name = row["name"]
    found = _asked("its settings", "settings", name=name)
    turns = _asked("its last turn", "turns", name=name, max=1).get("turns")
    last_turn = turns[-1] if turns else None
    settings, log = found.get("settings", []), found.get("log")
    if as_json:
        more = {"settings": settings, "log": log, "last_turn": last_turn}
        output.document({**row, **more}, "StatusDetail")
    else:
        from hive.view.detail_lines import full_details

        shown = full_details(row, settings, log, last_turn, now=time.time(), glyphs=glyphs())
        output.lines(shown)


def _asked(what: str, cmd: str, **fields: Any) -> dict[str, Any]:
    """Return an answer; an empty one, said in words, if that part cannot be shown."""
    try:
        return call(cmd, **fields)
    except HiveError as error:
        output.complain(f"{what} cannot be shown: {error}")
        return {}


def _show_all(rows: list[Row], *, as_json: bool, draw: Draw | None = None) -> None:
    if as_json:
        output.document(
            in_order(rows, time.time()) if draw is None else draw.sort(rows), "StatusRow"
        )
    elif not rows:
        output.hint("No agents yet. Create one: hive-c0re spawn NAME -- PROGRAM")
    elif draw is not None:
        output.lines(draw.lines(rows))
    elif output.is_terminal():
        _draw(rows)
    else:
        output.lines(status_lines(rows, time.time()))


def _draw(rows: list[Row]) -> None:
    from rich.console import Console

    from hive.view.table import snapshot

    console = Console(highlight=False)
    console.print(snapshot(rows, time.time(), width=console.width, glyphs=glyphs()))


@output.following()
def _watch(name: str | None, every: float, *, as_json: bool, draw: Draw | None) -> None:
    """Show rows at an interval of `every` seconds, until Ctrl-C or the end of what is shown."""
    if output.is_terminal() and not as_json:
        from hive.view.live import LiveView

        # A wrong name or a missing daemon ends the verb now; later, the view keeps trying.
        trouble = _StoreTrouble()
        _rows(name, trouble)

        def newest() -> list[Row]:
            output.require_reader()
            return _rows(name, trouble)

        view = LiveView(
            newest, notice=lambda: trouble.stopping, draw=None if draw is None else draw.picture
        )
        trouble.report = view.print
        try:
            view.run(every)
        except OSError as error:
            output.end_without_output(error)
        return
    trouble = _StoreTrouble()
    while True:
        rows = _rows(name, trouble)
        if as_json:
            shown = in_order(rows, time.time()) if draw is None else draw.sort(rows)
            output.item(shown, "StatusRow")
        elif draw is not None:
            output.lines([*draw.lines(rows), ""])
        else:
            output.lines([*status_lines(rows, time.time()), ""])
        time.sleep(every)


def glyphs() -> Glyphs:
    """Return the glyphs that standard output can show."""
    return for_encoding(output.encoding())
