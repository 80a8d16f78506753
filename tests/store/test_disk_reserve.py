"""The free space of the disk is looked at after commits, and again while it is short."""

from __future__ import annotations

import pytest

from actors.testing import advance
from hive.store import InlineEngine, Store
from hive.store.disk_reserve import LOOK_SECONDS, DiskReserve, Shortage

RESERVE = 1 << 20


@pytest.mark.sim
async def test_the_disk_is_looked_at_once_a_second_at_most(store: Store) -> None:
    engine = store._engine
    assert isinstance(engine, InlineEngine)
    reserve, told = DiskReserve(store, RESERVE), list[Shortage | None]()
    reserve.subscribe(told.append)
    engine.free = 0
    await store.append_event("started")
    await advance(0.1)
    assert told == [Shortage(0, RESERVE)]
    engine.free = RESERVE
    await store.append_event("started")
    await advance(0.1)
    assert len(told) == 1
    await advance(LOOK_SECONDS)
    assert told == [Shortage(0, RESERVE), None]
    reserve.close()


async def test_the_free_space_of_a_real_disk_is_known(store: Store) -> None:
    assert 0 < await store.free_bytes() < 1 << 60
