"""What the open pages of one participant show, read once for all of them.

Its turn comes over one stream. Its mail, questions and finished turns are asked for only when
something in the picture of the hive says that they may have changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any

from attrs import evolve, field, frozen

from hive.errors import HiveError
from hive.view.row_fields import UNREADABLE, known_by, objects
from hive.web.hive_client import HiveClient
from hive.web.hive_picture import HivePicture, PictureSource
from hive.web.latest import Latest

Row = Mapping[str, Any]

LIVE_MAX = 200
"""Live events that a page shows; the daemon has as many."""

LIVE_CHARACTERS = 131_072
"""Characters of their texts, all together: an agent may print as much as it can all the time."""

INBOX, TURNS, WAITING = 20, 20, 200
"""Messages, turns, and messages that are not delivered yet, of a page."""

RETRY = 2.0
"""Seconds after which a stream that has ended is asked for again."""

SIGNS = (
    *("state", "unread", "unread_since", "pending_reminders", "activity", "activity_since"),
    *("turn_since", "tokens_today", "session", "paused"),
)
"""The fields of a status row that change with mail, questions and turns."""


@frozen
class AgentPicture:
    """A participant at one moment.

    Attributes:
        name: Its name.
        hive: The picture of the hive.
        inbox: Its newest mail, the newest last.
        reminders: What it gets later.
        schedules: What it gets again and again.
        turns: Its newest finished turns, the newest last.
        questions: The open questions of it and to it.
        live: The newest events of its turns: their number and the event.
        trouble: Why its details could not be read; None if they could.
    """

    name: str
    hive: HivePicture = field(factory=HivePicture)
    inbox: Sequence[Row] = ()
    reminders: Sequence[Row] = ()
    schedules: Sequence[Row] = ()
    turns: Sequence[Row] = ()
    questions: Sequence[Row] = ()
    live: tuple[tuple[int, Row], ...] = ()
    trouble: str | None = None

    @property
    def row(self) -> Row | None:
        """Its status row; None if it is no participant any more."""
        return self.hive.row_of(self.name)


class AgentSource:
    """Reads the pictures of one participant while a page is open.

    Args:
        name: Its name.
        client: Asks the daemon.
        source: The pictures of the hive.
    """

    def __init__(self, name: str, client: HiveClient, source: PictureSource) -> None:
        self._client = client
        self._source = source
        self._picture = AgentPicture(name)
        self._signs: object = None
        self._count = 0
        self.latest: Latest[AgentPicture] = Latest(self._run)

    async def now(self) -> AgentPicture:
        """Return a picture that is read now."""
        await self._read(await self._source.now())
        return self._picture

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_turns(), name=f"turns of {self._picture.name}")
            with self._source.latest.watching() as watch:
                while (found := await watch.next()) is not None:
                    await self._read(found)
                    self.latest.set(self._picture)

    async def _read(self, hive: HivePicture) -> None:
        self._picture = evolve(self._picture, hive=hive)
        if self._picture.row is None or hive.trouble is not None:
            return
        signs = signs_of(self._picture)
        if signs == self._signs:
            return
        try:
            self._picture = evolve(await self._asked(self._picture), trouble=None)
            self._signs = signs
        except HiveError as error:
            self._picture = evolve(self._picture, trouble=str(error))
        except UNREADABLE as error:
            self._picture = evolve(self._picture, trouble=f"an answer cannot be read: {error!r}")

    async def _asked(self, before: AgentPicture) -> AgentPicture:
        ask, name, row = self._client.ask, before.name, before.row or {}
        inbox = known_by((await ask("inbox", name=name, max=INBOX))["messages"], "id")
        later = known_by(
            (await ask("inbox", name=name, max=WAITING, unread=True))["messages"]
            if row.get("pending_reminders")
            else (),
            "id",
        )
        turns = known_by((await ask("turns", name=name, max=TURNS))["turns"], "id")
        questions = known_by((await ask("questions"))["questions"], "id")
        schedules = known_by((await ask("schedules"))["schedules"], "id")
        return evolve(
            self._picture,
            inbox=inbox,
            reminders=[each for each in later if each.get("type") == "reminder"],
            schedules=[each for each in schedules if each["to"] == name],
            turns=turns,
            questions=[each for each in questions if name in (each["asker"], each["to"])],
        )

    async def _follow_turns(self) -> None:
        while True:
            self._picture = evolve(self._picture, live=())
            try:
                stream = self._client.follow("watch", name=self._picture.name, max=LIVE_MAX)
                async with aclosing(stream) as answers:
                    async for answer in answers:
                        self._add(readable_events(answer.get("live")))
            except (HiveError, ValueError):
                pass  # the picture of the hive says why; an answer may be too long
            await asyncio.sleep(RETRY)

    def _add(self, events: Sequence[Row]) -> None:
        if not events:
            return
        first = self._count + 1
        self._count += len(events)
        live = newest((*self._picture.live, *enumerate(events, first)))
        self._picture = evolve(self._picture, live=live)
        if self._picture.hive.read_at is not None:
            self.latest.set(self._picture)


def readable_events(value: object) -> list[Row]:
    """Return the events of an answer, without those of another form than this version knows."""
    keys = ("at", "kind", "text")
    return [row for row in objects(value) if all(isinstance(row.get(key), str) for key in keys)]


def newest(events: tuple[tuple[int, Row], ...]) -> tuple[tuple[int, Row], ...]:
    """Return the newest events, as many as a page shows."""
    room, first = LIVE_CHARACTERS, len(events)
    while first > max(len(events) - LIVE_MAX, 0):
        room -= len(events[first - 1][1]["text"])
        if room < 0:
            break
        first -= 1
    return events[first:]


def signs_of(picture: AgentPicture) -> object:
    """Return what stays the same as long as mail, questions and turns of a participant do."""
    name, row = picture.name, picture.row or {}
    return (
        [row.get(key) for key in SIGNS],
        [item.get("id") for item in picture.hive.items if item.get("name") == name],
        [
            (each.get("id"), each.get("state"))
            for each in picture.hive.messages
            if name in (each.get("from"), each.get("to"))
        ],
    )
