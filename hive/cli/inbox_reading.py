"""Reads an inbox as the operator and prints its messages."""

from __future__ import annotations

import time
from collections.abc import Iterable

from hive.cli import output
from hive.cli.requests import call, follow
from hive.names import OPERATOR
from hive.view.lines import message_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def show_inbox(
    *,
    name: str,
    unread: bool,
    ack: bool,
    follows: bool,
    after: int | None,
    most: int,
    as_json: bool,
) -> None:
    """Print the newest messages of an inbox, newest last.

    Args:
        name: Whose inbox.
        unread: Only unread mail.
        ack: Ack what is shown; of the operator's inbox only.
        follows: Go on with new mail until Ctrl-C.
        after: Only mail after this message.
        most: At most this many messages.
        as_json: Print JSON.

    Raises:
        HiveError: The daemon refuses it or cannot be asked, or these do not go together.
    """
    if ack and name != OPERATOR:
        raise output.misuse("inbox", f"--ack is for your own inbox; only {name} can ack its mail")
    if (follows or after) and (ack or unread):
        raise output.misuse(
            "inbox", "--follow and --after show all mail; leave out --ack and --unread"
        )
    if after and not follows:
        show_found({"messages": _following(name, after, most)}, as_json)
    elif follows:
        with output.following():
            for answer in follow("inbox", name=name, max=most, after=after, follow=True):
                _show_each(answer.get("messages", ()), as_json=as_json)
    else:
        show_found(call("inbox", name=name, max=most, unread=unread, ack=ack), as_json)


def _following(name: str, after: int, most: int) -> list[dict[str, Any]]:
    """Return up to `most` messages of an inbox after one, a page at a time."""
    found: list[dict[str, Any]] = []
    while len(found) < most:
        page = call("inbox", name=name, after=after)
        found += page["messages"]
        if page.get("cursor", after) == after:
            break
        after = page["cursor"]
    return found[:most]


def show_found(answer: dict[str, Any], as_json: bool) -> None:
    """Print the messages of a response."""
    found = answer["messages"]
    if as_json:
        output.document(found, "InboxRow")
        return
    if not found:
        output.hint("No messages.")
    _show_each(found, as_json=False)


def _show_each(rows: Iterable[dict[str, Any]], *, as_json: bool) -> None:
    now = time.time()
    for row in rows:
        if as_json:
            output.item(row, "InboxRow")
        else:
            output.lines(message_lines(row, now))
