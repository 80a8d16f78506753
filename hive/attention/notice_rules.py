"""Which notice is due, and what its program gets. Pure: no I/O, no clock.

An item is notified once for each of its occurrences. What cannot be sent now, for quiet hours, a
program that runs, or one that has just failed, waits, and is sent together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from html import escape
from typing import Any

import msgspec
from attrs import define, frozen

from hive.escapes import inline
from hive.store.attention_marks import COMING_PREFIXES
from hive.wire.attention import AttentionKind, AttentionRow

REST_SECONDS = 5.0
"""Least seconds between the end of a program and its next start."""

RETRY_SECONDS = 60.0
"""Seconds after a failure, doubled with each further one."""

RETRY_MAX = 3600.0
"""Most seconds after a failure."""

LINES_MAX = 20
"""Items that the text of a notice has; it counts the others."""

ITEMS_MAX = 100
"""Items that the standard input of a program has."""

Fact = Mapping[str, Any]
"""An item as its program gets it: the keys of an `AttentionRow`."""


class NoticeClass(StrEnum):
    """What a notice is about: the keys of `[notices]` that are programs."""

    NEEDS_YOU = "needs_you"
    DONE = "done"
    FAILED = "failed"


_TITLES = {
    NoticeClass.NEEDS_YOU: ("1 thing needs you", "{count} things need you"),
    NoticeClass.DONE: ("1 agent is done", "{count} agents are done"),
    NoticeClass.FAILED: ("1 agent has failed", "{count} agents have failed"),
}


def class_of(row: AttentionRow, programs: Collection[NoticeClass]) -> NoticeClass:
    """Return the class of the notice about an item, by the classes that have a program.

    Without a program for failures, that for everything else gets them.
    """
    is_failure = row.kind is AttentionKind.FAILURE and NoticeClass.FAILED in programs
    return NoticeClass.FAILED if is_failure else NoticeClass.NEEDS_YOU


@frozen
class NoticeBatch:
    """What one run of a program is about.

    Attributes:
        notice_class: Which program.
        facts: The items.
        occurrences: What is remembered once it ran, by the id of each item.
    """

    notice_class: NoticeClass
    facts: Sequence[Fact]
    occurrences: Mapping[str, str]

    @property
    def title(self) -> str:
        """A line without text of others."""
        one, several = _TITLES[self.notice_class]
        count = len(self.facts)
        return one if count == 1 else several.format(count=count)

    @property
    def text(self) -> str:
        """A line for each item, in which nothing but printable text is."""
        lines = [inline(each["text"]) for each in self.facts[:LINES_MAX]]
        more = len(self.facts) - len(lines)
        return "\n".join([*lines, f"and {more} more"] if more else lines)

    def variables(self, host: str) -> dict[str, str]:
        """Return the environment variables of the program."""
        return {
            "HIVE_NOTICE_CLASS": self.notice_class.value,
            "HIVE_NOTICE_COUNT": str(len(self.facts)),
            "HIVE_NOTICE_HOST": host,
            "HIVE_NOTICE_TITLE": self.title,
            "HIVE_NOTICE_TEXT": self.text,
            "HIVE_NOTICE_HTML": escape(self.text),
            "HIVE_NOTICE_IDS": " ".join(each["id"] for each in self.facts[:LINES_MAX]),
        }

    def document(self, host: str) -> bytes:
        """Return the standard input of the program: one JSON object in one line of ASCII."""
        found = {
            "class": self.notice_class.value,
            "count": len(self.facts),
            "host": host,
            "title": self.title,
            "items": list(self.facts[:ITEMS_MAX]),
        }
        return json.dumps(found).encode() + b"\n"


@frozen
class NoticePlan:
    """What is due.

    Attributes:
        batches: The items that were not notified, by class.
        gone: The ids of notified items that are none any more.
    """

    batches: Mapping[NoticeClass, NoticeBatch]
    gone: tuple[str, ...]


def plan_notices(
    rows: Iterable[AttentionRow],
    occurrence_of: Callable[[AttentionRow], str],
    notified: Mapping[str, str],
    programs: Collection[NoticeClass],
    hidden: Collection[str] = (),
) -> NoticePlan:
    """Return what was not notified. What is snoozed or archived is left out.

    Args:
        rows: All items.
        occurrence_of: Returns what distinguishes the appearance of an item from earlier ones.
        notified: The occurrence that was notified, by the id of its item.
        programs: The classes that have a program.
        hidden: The ids of items that are not among the rows, because there are too many.
    """
    rows = list(rows)
    found: dict[NoticeClass, list[AttentionRow]] = {}
    for row in rows:
        if row.is_waiting and notified.get(row.id) != occurrence_of(row):
            found.setdefault(class_of(row, programs), []).append(row)
    batches = {
        each: NoticeBatch(
            each,
            [msgspec.to_builtins(row) for row in items],
            {row.id: occurrence_of(row) for row in items},
        )
        for each, items in found.items()
        if each in programs
    }
    present = {*hidden, *(row.id for row in rows)}
    gone = (key for key in notified if key not in present and not key.startswith(COMING_PREFIXES))
    return NoticePlan(batches, tuple(gone))


def done_batch(names: Iterable[str], since: str) -> NoticeBatch:
    """Return the notice about agents that have finished their work, which is not remembered."""
    facts = [
        {
            "id": f"done-{name}",
            "kind": NoticeClass.DONE.value,
            "name": name,
            "text": f"{name} has finished its work",
            "since": since,
        }
        for name in names
    ]
    return NoticeBatch(NoticeClass.DONE, facts, {})


@define
class NoticePace:
    """When the program of one class may run. Times are seconds of the loop.

    Attributes:
        is_running: Whether it runs.
        not_before: It is not started before.
        failures: How often it has failed in a row.
    """

    is_running: bool = False
    not_before: float = 0.0
    failures: int = 0

    def end(self, now: float, *, ok: bool) -> None:
        """Take note of its end."""
        self.is_running = False
        self.failures = 0 if ok else self.failures + 1
        retry = min(RETRY_SECONDS * 2 ** min(self.failures - 1, 10), RETRY_MAX)
        self.not_before = now + (REST_SECONDS if ok else retry)
