"""The list of what needs the operator, assembled on request from the broker, the store and others.

Nothing is cached. What costs something, a status row, is made only for participants that may need
the operator, and the disk is read once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from attrs import frozen

from hive.approvals.approval_queue import ApprovalQueue
from hive.attention.items import OF_A_KIND_MAX, AttentionFacts, attention_items, hidden_ids
from hive.attention.marks import Marks
from hive.broker.queries import MailQueries
from hive.clock import Clock, rfc3339
from hive.errors import NotFoundError
from hive.event_log import EventKind
from hive.names import OPERATOR, suggest
from hive.participants.participant import Agent, Participant
from hive.participants.registry import Registry
from hive.status.snapshot import Snapshot
from hive.store import Store
from hive.store.dead_letters import newest_heads, numbers
from hive.store.listing import Cut, deliverable
from hive.wire.attention import AttentionRow, SetMark
from hive.wire.enums import ActivityState
from hive.wire.rows import EventRow

BODY_MAX = 1000
"""Characters of a mail that are read for its item."""

_TURNS = frozenset({ActivityState.WORKING, ActivityState.COMPACTING})

_REMOVALS = frozenset({EventKind.DESTROYED, EventKind.PEER_UNREGISTERED})


@frozen
class AttentionListing:
    """What needs the operator at one moment.

    Attributes:
        rows: The items in the order in which they are shown, at most so many of a kind.
        hidden: The ids of those of a kind that are more; their marks stay.
    """

    rows: list[AttentionRow]
    hidden: frozenset[str] = frozenset()


@frozen
class AttentionSources:
    """What the list is assembled from."""

    mail: MailQueries
    approvals: ApprovalQueue
    registry: Registry
    snapshot: Snapshot
    store: Store
    marks: Marks
    clock: Clock


class AttentionList:
    """The items that need the operator, and their marks.

    Args:
        sources: What it is assembled from.
    """

    def __init__(self, sources: AttentionSources) -> None:
        self._sources = sources
        self._failed_at: dict[str, str] = {}

    async def load(self) -> None:
        """Read the marks, and when agents were parked, from the disk."""
        await self._sources.marks.load()
        found = await self._sources.store.newest_by_name((EventKind.FAILED,))
        self._failed_at = {each.name: rfc3339(each.at) for each in found if each.name is not None}

    def note_event(self, event: EventRow) -> None:
        """Take note of an event: the parking, the removal or the new name of a participant."""
        name = event.name or ""
        if event.event == EventKind.FAILED:
            self._failed_at[name] = event.at
        elif event.event in _REMOVALS:
            self._failed_at.pop(name, None)
            self._sources.marks.forget(name)
        elif event.event == EventKind.RENAMED:
            before = str(event.detail.get("before", ""))
            if before in self._failed_at:
                self._failed_at[name] = self._failed_at.pop(before)

    async def listed(self) -> AttentionListing:
        """Return what needs the operator now.

        Raises:
            StoreError: SQLite cannot read.
        """
        facts = await self._facts()
        rows = attention_items(facts, self._sources.marks.of, self._sources.clock.now())
        return AttentionListing(rows, hidden_ids(facts))

    def turns_running(self) -> int:
        """Return how many participants are in a turn, as their harnesses report it."""
        return sum(
            (reporter := each.reporter) is not None
            and reporter.activity is not None
            and reporter.activity.state in _TURNS
            for each in self._sources.registry
        )

    async def mark(self, request: SetMark) -> None:
        """Mark an item or a participant; returns when that is on disk.

        Raises:
            NotFoundError: There is no such item and no such participant.
            ConflictError: There are too many marks.
        """
        listing = await self.listed()
        items = {each.id: each for each in listing.rows}
        item = items.get(request.key)
        participant = None if item is not None else self._participant(request.key, items)
        await self._sources.marks.change(
            request.key if participant is None else participant.name,
            None if item is None else item.since or "",
            pinned=request.pinned,
            archived=request.archived,
            snooze=request.snooze,
            present=items.keys() | listing.hidden,
        )
        if participant is not None:
            self._sources.registry.changed(participant)

    def occurrence(self, row: AttentionRow) -> str:
        """Return what distinguishes this appearance of an item from earlier ones."""
        return self._sources.marks.occurrence(row.id, row.since, row.name)

    def next_wake(self) -> float | None:
        """Return the wall time at which the next snooze ends; None without one."""
        return self._sources.marks.next_wake()

    def _participant(self, key: str, items: dict[str, AttentionRow]) -> Participant:
        registry = self._sources.registry
        if key in registry:
            return registry.get(key)
        known = [*items, *(each.name for each in registry)]
        raise NotFoundError(
            f"there is no item and no participant {key!r}{suggest(key, known)}; "
            "'hive-c0re attention --all' shows the items"
        )

    async def _facts(self) -> AttentionFacts:
        sources = self._sources
        letters, mail, dead = await self._read()
        is_cut = len(mail) == OF_A_KIND_MAX
        concerned = [each for each in sources.registry if _may_need(each)]
        rows = await sources.snapshot.rows_of(concerned) if concerned else ()
        return AttentionFacts(
            questions=sources.mail.open_questions(),
            approvals=sources.approvals.pending,
            participants=rows,
            failed_at=self._failed_at,
            dead_letters=[message for message, _ in letters],
            mail=[message for message, _ in mail],
            other_letters=dead,
            other_mail=sources.mail.unread_ids(OPERATOR) if is_cut else (),
            projects={
                agent.name: agent.settings.project
                for agent in sources.registry.agents
                if agent.settings.project
            },
        )

    async def _read(self) -> tuple[tuple[Cut, ...], tuple[Cut, ...], Sequence[int]]:
        """Return dead letters, the operator's unread mail that is due, and ids of more letters."""
        now = self._sources.clock.now()
        letters = newest_heads(OF_A_KIND_MAX)
        mail = deliverable(OPERATOR, OF_A_KIND_MAX, now, BODY_MAX)

        def query(connection: sqlite3.Connection) -> tuple[Any, ...]:
            found = tuple(letters(connection))
            is_cut = len(found) == OF_A_KIND_MAX
            return found, mail(connection), numbers(connection) if is_cut else ()

        return await self._sources.store.read(query)


def _may_need(participant: Participant) -> bool:
    """Return whether a participant may need the operator; its status row decides."""
    if isinstance(participant, Agent) and participant.record.failed is not None:
        return True
    if participant.verdict is not None:
        return True
    reporter = participant.reporter
    activity = None if reporter is None else reporter.activity
    return activity is not None and activity.state is ActivityState.NEEDS_LOGIN
