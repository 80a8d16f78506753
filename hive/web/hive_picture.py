"""What all open pages show of the hive, read once for all of them.

While a page is open, the daemon is asked every `EVERY` seconds, however many pages there are. When
it does not answer, the last picture stays, with the time since when.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from attrs import evolve, field, frozen

from hive.clock import Clock
from hive.errors import BadRequestError, HiveError
from hive.view.places import Places, arrange
from hive.view.row_fields import UNREADABLE, known_by
from hive.web.hive_client import HiveClient
from hive.web.latest import Latest

EVERY = 2.0
"""Seconds between two readings."""

NEWEST = 12
"""Messages and events that the overview shows."""

Row = Mapping[str, Any]


@frozen
class HivePicture:
    """The hive at one moment.

    Attributes:
        read_at: Wall time of the reading; None before the first one.
        agents: Status rows.
        items: What needs the operator.
        overview: Host, version, rates and limits.
        messages: The newest messages, the newest last.
        events: The newest events, the newest last.
        places: The place of each participant in the order in which they are shown.
        notices: What the daemon says about itself: trouble of its store, that it stops.
        trouble: Why the newest reading failed; None if it did not.
    """

    read_at: float | None = None
    agents: Sequence[Row] = ()
    items: Sequence[Row] = ()
    overview: Row = field(factory=dict)
    messages: Sequence[Row] = ()
    events: Sequence[Row] = ()
    places: Places = field(factory=dict)
    notices: Sequence[str] = ()
    trouble: str | None = None

    def row_of(self, name: str) -> Row | None:
        """Return the status row of a participant; None if there is none of that name."""
        return next((row for row in self.agents if row["name"] == name), None)


class PictureSource:
    """Reads pictures while a page is open.

    Args:
        client: Asks the daemon.
        clock: Wall time.
        every: Seconds between two readings.
    """

    def __init__(self, client: HiveClient, clock: Clock, every: float = EVERY) -> None:
        self._client = client
        self._clock = clock
        self._every = every
        self._reading = asyncio.Lock()
        self._is_outdated = False
        self.latest: Latest[HivePicture] = Latest(self._run)

    async def now(self) -> HivePicture:
        """Return a picture that was read now, or moments ago for another page."""
        async with self._reading:
            found = self.latest.value or HivePicture()
            age = self._clock.now() - (found.read_at or 0.0)
            is_old = self._is_outdated or not 0 <= age < self._every
            if is_old or found.trouble is not None:
                found = await self._read()
        return found

    def outdate(self) -> None:
        """Let the next page read a picture of its own, since something was done meanwhile."""
        self._is_outdated = True

    async def pictures(self) -> AsyncIterator[HivePicture]:
        """Yield each new picture until the iterator is closed."""
        with self.latest.watching() as watch:
            while True:
                found = await watch.next()
                assert found is not None
                yield found

    async def _run(self) -> None:
        while True:
            async with self._reading:
                await self._read()
            await asyncio.sleep(self._every)

    async def _read(self) -> HivePicture:
        self._is_outdated = False
        before = self.latest.value or HivePicture()
        try:
            found = await self._ask(before)
        except HiveError as error:
            found = evolve(before, trouble=str(error))
        except UNREADABLE as error:  # of a newer daemon, or of a fault of it
            found = evolve(before, trouble=f"its answer cannot be read: {error!r}")
        self.latest.set(found)
        return found

    async def _ask(self, before: HivePicture) -> HivePicture:
        status = await self._client.ask("agent_status")
        items = known_by((await self._client.ask("attention"))["items"], "id")
        overview = await self._overview()
        messages = await self._client.ask("search", max=NEWEST)
        events = await self._client.ask("events", max=NEWEST)
        now, agents = self._clock.now(), known_by(status["agent_statuses"], "name")
        asking = {str(item.get("name")) for item in items if item.get("kind") == "question"}
        said = (overview.get("store_problem") or status.get("trouble"), status.get("stopping"))
        return HivePicture(
            now,
            agents,
            items,
            overview,
            known_by(messages["messages"], "id"),
            known_by(events["events"], "seq"),
            arrange(agents, before.places, now, asking),
            tuple(str(each) for each in said if each),
        )

    async def _overview(self) -> Row:
        try:
            found: Row = (await self._client.ask("overview"))["overview"]
        except BadRequestError:  # of an older daemon
            return {}
        return found
