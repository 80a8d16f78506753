"""What an idle actor costs: no task, no mailbox, few bytes."""

import asyncio
import gc
import tracemalloc
from typing import Any

from actors import Actor, ActorSystem
from actors._cell import cell_of
from actors.testing import Echo, FlakyActor

IDLE_BYTES = 700


class Quiet(Actor[Any]):
    def receive(self, message: Any) -> None:
        pass


async def test_an_idle_actor_has_no_task_and_no_mailbox(system: ActorSystem) -> None:
    before = asyncio.all_tasks()
    refs = [system.spawn(FlakyActor) for _ in range(100)]
    assert [await ref.ask(Echo(1)) for ref in refs] == [1] * 100
    assert asyncio.all_tasks() == before
    for ref in refs:
        cell = cell_of(ref)
        assert (cell.queue, cell.control, cell.resources, cell.handler) == (None, None, None, None)


async def test_a_plain_handler_makes_no_task(system: ActorSystem) -> None:
    seen: list[int] = []

    class Counter(Actor[Any]):
        def receive(self, message: Any) -> None:
            seen.append(len(asyncio.all_tasks()))

    ref = system.spawn(Counter)
    await system.wait_started(ref)
    expected = len(asyncio.all_tasks())
    for _ in range(10):
        ref.tell("work")
    await ref.ask(Echo())
    assert set(seen) == {expected}


async def test_an_idle_actor_is_small(system: ActorSystem) -> None:
    system.spawn(Quiet)
    await asyncio.sleep(0)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        refs = [system.spawn(Quiet) for _ in range(1000)]
        await system.wait_started(refs[-1])
        await asyncio.sleep(0)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / len(refs) < IDLE_BYTES
