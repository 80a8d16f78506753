"""Accounts that agents share, and which of them are used up.

A usage limit belongs to a credential, not to an agent: whoever meets it first tells all who use the
same one. When it ends they do not begin at the same moment.
"""

from __future__ import annotations

import zlib

from hive.clock import Clock
from hive.errors import NotFoundError
from hive.names import suggest
from hive.store import Store, usage
from hive.store.usage import Limit

SPREAD = 60.0
"""Seconds over which those who share an account begin again."""


def spread(name: str, reset: float) -> float:
    """Return the seconds after a reset at which a participant may begin its next turn.

    The same participant and reset always give the same number, in any process.
    """
    return zlib.crc32(f"{name} {reset:.3f}".encode()) / 2**32 * SPREAD


class UsageLimits:
    """The limits that are known; each is on disk before it counts.

    Args:
        store: Keeps them.
        clock: Wall time.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._limits: dict[str, Limit] = {}

    async def load(self) -> None:
        """Read what is on disk."""
        self._limits = {each.account: each for each in await self._store.read(usage.all_limits)}

    def limit_of(self, account: str | None) -> Limit | None:
        """Return the limit of an account, None while it can be used by all who share it."""
        found = self._limits.get(account) if account is not None else None
        if found is None or found.until + SPREAD <= self._clock.now():
            return None
        return found

    def current(self) -> list[Limit]:
        """Return the limits that are not over, by account."""
        now = self._clock.now()
        return [each for _, each in sorted(self._limits.items()) if each.until + SPREAD > now]

    async def limit(self, limit: Limit) -> None:
        """Keep that an account is used up, in place of what was known of it."""
        await self._store.write(usage.save_limit(limit, ended=self._clock.now() - SPREAD))
        self._limits[limit.account] = limit

    async def lift(self, account: str) -> Limit:
        """Forget that an account is used up.

        Raises:
            NotFoundError: It is not.
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
