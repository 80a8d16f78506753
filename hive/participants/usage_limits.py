"""Usage limits: which accounts are used up, and until when.

A usage limit belongs to a credential, not to an agent: the first harness that meets it stops all
that share the account. After the limit ends, they resume, spread
over `SPREAD` seconds.
"""

from __future__ import annotations

import zlib

from hive.clock import Clock
from hive.errors import NotFoundError
from hive.names import suggest
from hive.store import Store, usage
from hive.store.usage import Limit

SPREAD = 60.0
"""Seconds over which the participants that share an account begin again."""

ACCOUNTS_MAX = 16
"""Most accounts whose limits one participant can have reported."""


def spread(name: str, reset: float) -> float:
    """Return the seconds after a reset at which a participant may begin its next turn.

    The same participant and reset always give the same number, in any process.
    """
    return zlib.crc32(f"{name} {reset:.3f}".encode()) / 2**32 * SPREAD


class UsageLimits:
    """The current limits; each is on disk before it takes effect.

    Args:
        store: Stores them.
        clock: Wall time.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._limits: dict[str, Limit] = {}

    async def load(self) -> None:
        """Read the limits from the store."""
        self._limits = {each.account: each for each in await self._store.read(usage.all_limits)}

    def limit_of(self, account: str | None) -> Limit | None:
        """Return the limit of an account; None after its end and `SPREAD`."""
        found = self._limits.get(account) if account is not None else None
        if found is None or found.until + SPREAD <= self._clock.now():
            return None
        return found

    def current(self) -> list[Limit]:
        """Return the limits that have not ended, by account."""
        now = self._clock.now()
        return [each for _, each in sorted(self._limits.items()) if each.until + SPREAD > now]

    async def add(self, limit: Limit) -> None:
        """Store a limit in place of an earlier one of the same account.

        Of the limits that one participant has reported, the newest `ACCOUNTS_MAX` stay.
        """
        ended = self._clock.now() - SPREAD
        await self._store.write(usage.save_limit(limit, ended=ended, most=ACCOUNTS_MAX))
        self._limits[limit.account] = limit
        own = [each for each in self._limits.values() if each.reported_by == limit.reported_by]
        own.sort(key=lambda each: (-each.since, each.account))
        for surplus in own[ACCOUNTS_MAX:]:
            del self._limits[surplus.account]

    async def lift(self, account: str) -> Limit:
        """Remove the limit of an account.

        Raises:
            NotFoundError: It has none.
        """
        found = self.limit_of(account)
        if found is None:
            known = [each.account for each in self.current()]
            raise NotFoundError(
                f"no limit of an account {account!r} is known{suggest(account, known)}"
            )
        await self._store.write(usage.delete_limit(account))
        self._limits.pop(account, None)
        return found
