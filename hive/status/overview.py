"""The overview: the whole hive in one row, for the head of a view."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from attrs import define, field, frozen

from hive.broker.queries import MailQueries
from hive.clock import MINUTE, Clock, rfc3339
from hive.names import OPERATOR
from hive.participants.harnesses import Harnesses
from hive.participants.participant import Agent, Peer
from hive.status.snapshot import Snapshot
from hive.store import Store
from hive.store.database import wal_path
from hive.store.disk_reserve import DiskReserve
from hive.store.usage import Limit
from hive.version import VERSION
from hive.wire.overview_rows import OverviewRow
from hive.wire.turn_rows import LimitRow


@define(eq=False)
class RateMeter:
    """The rate of a number that only grows, over the looks of the last minute."""

    _looks: deque[tuple[float, int]] = field(factory=deque, init=False)

    def rate(self, now: float, number: int) -> float | None:
        """Return how much it grows per second; None on the first look.

        Args:
            now: The loop's time in seconds, which never goes backwards.
            number: The number now.
        """
        looks = self._looks
        if looks and now - looks[-1][0] > MINUTE:
            looks.clear()  # nobody has looked for long, so that would be no rate of this minute
        while len(looks) > 1 and looks[1][0] <= now - MINUTE:
            looks.popleft()  # one that is a minute old stays
        if not looks or now - looks[-1][0] >= 1.0:
            looks.append((now, number))
        began, before = looks[0]
        return round(max(0, number - before) / (now - began), 2) if now > began else None


@frozen
class OverviewParts:
    """The objects that the overview is read from.

    Attributes:
        stopping: Returns how far the stop of the agents is; None before it begins.
        host: Name of this host.
        config: The hive.toml; None for a hive without one.
        name: Returns what the hive is called; None for no name of its own.
    """

    snapshot: Snapshot
    mail: MailQueries
    harnesses: Harnesses
    store: Store
    disk_reserve: DiskReserve
    clock: Clock
    stopping: Callable[[], str | None]
    host: str
    config: Path | None
    name: Callable[[], str | None]


class Overview:
    """Assembles the row of the whole hive.

    Args:
        parts: The objects that it is read from.
    """

    def __init__(self, parts: OverviewParts) -> None:
        self._parts = parts
        self._started = parts.clock.now()
        self._rate = RateMeter()

    async def row(self) -> OverviewRow:
        """Return the row of this moment."""
        parts, turns = self._parts, self._parts.mail.turns()
        states = await parts.snapshot.states()
        agents = [(each, state) for each, state in states if isinstance(each, Agent)]
        problem = store_problem(parts.store, parts.disk_reserve)
        loop_time = asyncio.get_running_loop().time()
        return OverviewRow(
            host=parts.host,
            name=parts.name(),
            version=VERSION,
            started_at=rfc3339(self._started),
            now=rfc3339(parts.clock.now()),
            config=None if parts.config is None else str(parts.config),
            agents=dict(Counter(state for _, state in agents)),
            peers=dict(Counter(state for each, state in states if isinstance(each, Peer))),
            sent_per_second=self._rate.rate(loop_time, parts.mail.stored()),
            store_bytes=await asyncio.to_thread(_size_of, parts.store.path),
            store_free_bytes=await self._free_bytes(),
            store_ok=problem is None,
            store_problem=problem,
            limits=[
                limit_row(each, parts.harnesses) for each in parts.harnesses.usage_limits.current()
            ],
            turns_running=turns.running,
            turns_limit=turns.limit,
            turns_waiting=len(turns.waiting),
            frozen=sum(each.is_frozen for each, _ in agents),
            operator_unread=parts.mail.unread(OPERATOR),
            stopping=parts.stopping(),
        )

    async def _free_bytes(self) -> int | None:
        with suppress(OSError):
            return await self._parts.store.free_bytes()
        return None


def store_problem(store: Store, reserve: DiskReserve) -> str | None:
    """Return why participants can store nothing; None if they can."""
    if store.health.trouble is not None:
        return str(store.health.trouble.refusal())
    if reserve.shortage is not None:
        return f"participants can store nothing: {reserve.shortage}"
    return None


def limit_row(limit: Limit, harnesses: Harnesses) -> LimitRow:
    """Return the row of a used-up account."""
    return LimitRow(
        account=limit.account,
        until=rfc3339(limit.until),
        since=rfc3339(limit.since),
        reason=limit.reason,
        reported_by=limit.reported_by,
        names=[participant.name for participant, _ in harnesses.connections_of(limit.account)],
    )


def _size_of(path: Path) -> int | None:
    """Return the bytes of the files of a store; on a thread."""
    with suppress(OSError):
        size = path.stat().st_size
        with suppress(FileNotFoundError):
            size += wal_path(path).stat().st_size
        return size
    return None
