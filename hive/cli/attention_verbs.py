"""Verbs about what needs the operator: the list, what settles an item, and the line for a bar."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from hive.cli import operator_sending, options, output, statusline
from hive.cli.completing import complete_names
from hive.cli.requests import CHANGE, call
from hive.click_types import TextCommand
from hive.errors import BadRequestError, ExitStatus, NotFoundError
from hive.names import suggest
from hive.view.attention_lines import KIND_OF_ACTION, attention_lines, command_of, is_waiting
from hive.view.change_lines import approval_line
from hive.wire import SECONDS_MAX

Row = Mapping[str, Any]

_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

_MARKS: dict[str, dict[str, Any]] = {
    "wake": {"snooze": 0},
    "pin": {"pinned": True},
    "unpin": {"pinned": False},
    "archive": {"archived": True},
    "unarchive": {"archived": False},
}
"""The fields of the mark that each action sets."""


def seconds_of(words: str) -> float:
    """Return the seconds of a time span such as `90s`, `30m`, `2h` or `1d`.

    Raises:
        BadRequestError: It is none, or is nothing, or is too long.
    """
    found = _SPAN.fullmatch(words)
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not 0 < seconds <= SECONDS_MAX:
        raise BadRequestError(f"{words!r} is no time span; write 90s, 30m, 2h or 1d")
    return seconds


def _answer(row: Row, text: str | None) -> None:
    body = operator_sending.read_body(text, "TEXT", "attention")
    call("answer", id=row["number"], answer=body)


def _decide(verb: str) -> Callable[[Row, str | None], None]:
    def decide(row: Row, text: str | None) -> None:
        found = call(verb, id=row["number"], note=text)["approval"]
        output.lines([approval_line(found, time.time())])

    return decide


def _start(row: Row, text: str | None) -> None:
    call("start", timeout=CHANGE, scope={"agent_names": [row["name"]]})


def _replay(row: Row, text: str | None) -> None:
    call("replay", ids=[row["number"]])


def _discard(row: Row, text: str | None) -> None:
    call("discard", ids=[row["number"]], reason=text)


def _read(row: Row, text: str | None) -> None:
    call("read_mail", ids=[row["number"]])


_SETTLES: dict[str, Callable[[Row, str | None], None]] = {
    "answer": _answer,
    "approve": _decide("approve"),
    "deny": _decide("deny"),
    "start": _start,
    "replay": _replay,
    "discard": _discard,
    "read": _read,
}
"""What each action does with an item of its kind."""

_WITH_TEXT = frozenset({"answer", "approve", "deny", "discard"})
"""Actions whose last word is a text."""

ACTIONS = (*_SETTLES, "snooze", *_MARKS)


@click.command(cls=TextCommand)
@click.argument(
    "action", metavar="[ACTION]", required=False, type=click.Choice(ACTIONS), default=None
)
@click.argument("key", metavar="[ID]", required=False, shell_complete=complete_names)
@click.argument("text", metavar="[TEXT]", required=False)
@click.option("--all", "everything", is_flag=True, help="Also what is snoozed or archived.")
@options.as_json
def attention(
    action: str | None, key: str | None, text: str | None, everything: bool, as_json: bool
) -> None:
    """Show what needs you, and the command that settles each item.

    The exit status is 9 if something waits, else 0. With ACTION, settle or mark the item ID:

    answer ID TEXT, approve ID [NOTE], deny ID [REASON], start ID, replay ID, discard ID [REASON],
    read ID; snooze ID SPAN (such as 2h), wake ID, pin ID, unpin ID, archive ID, unarchive ID.

    To mark all items of a participant, give its name in place of ID.
    """
    if action is None:
        _show(everything=everything, as_json=as_json)
        return
    if everything or as_json:
        raise click.UsageError(f"--all and --json show the list; leave them out with {action!r}")
    if not key:
        raise click.UsageError(f"'attention {action}' needs an ID; 'attention' shows them")
    _act(action, key, text)


@click.command("statusline")
@options.as_json
def statusline_(as_json: bool) -> None:
    """Print one line for a status bar: what needs you, what works, what has failed.

    Without a daemon the line says so, and the exit status is 0 all the same.
    """
    statusline.show_statusline(as_json=as_json)


def _show(*, everything: bool, as_json: bool) -> None:
    """Print the items.

    Raises:
        SystemExit: Something waits.
    """
    rows = call("attention")["items"]
    shown = rows if everything else [row for row in rows if is_waiting(row)]
    if as_json:
        output.document(shown, "AttentionRow")
    elif shown:
        output.lines(attention_lines(shown, time.time()))
    else:
        output.hint("Nothing needs you.")
    if any(map(is_waiting, rows)):
        raise SystemExit(ExitStatus.WAITING)


def _act(action: str, key: str, text: str | None) -> None:
    if action == "snooze":
        if text is None:
            raise click.UsageError("say for how long: hive-c0re attention snooze ID 2h")
        call("mark", key=key, snooze=seconds_of(text))
        return
    if text is not None and action not in _WITH_TEXT:
        raise click.UsageError(f"'attention {action}' takes an ID and nothing else")
    if action in _MARKS:
        call("mark", key=key, **_MARKS[action])
        return
    row = _item(key, call("attention")["items"])
    if row["kind"] != KIND_OF_ACTION[action]:
        raise BadRequestError(
            f"'{action}' settles no {row['kind']}; '{command_of(row)}' settles {row['id']}"
        )
    _SETTLES[action](row, text)


def _item(key: str, rows: Sequence[Row]) -> Row:
    """Return the item of an id.

    Raises:
        NotFoundError: There is none; the sentence has the nearest.
    """
    found = {row["id"]: row for row in rows}
    if key not in found:
        raise NotFoundError(
            f"there is no item {key!r}{suggest(key, found)}; 'hive-c0re attention --all' shows "
            "the items"
        )
    return found[key]
