"""Checks that a test leaves no descriptors, threads or tasks.

Each function compares the process with what it was before the test. All of them are cheap while
nothing leaks; only a suspected leak costs a garbage collection or a wait for an ending thread.
"""

import asyncio
import gc
import os
import threading
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

_THREAD_GRACE = 1.0
"""Seconds in which an ending thread may end."""

_TURNS_TO_END = 5
"""Turns of the loop in which a cancelled task may end."""

Fds = Mapping[int, str]


def open_fds() -> Fds:
    """Return the open file descriptors of this process and what each refers to."""
    found: dict[int, str] = {}
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208 - ten times faster than pathlib
        try:
            found[int(entry)] = os.readlink(f"/proc/self/fd/{entry}")  # noqa: PTH115 - likewise
        except FileNotFoundError:  # the descriptor of the listing itself
            continue
    return found


def leaked_fds(before: Fds) -> tuple[str, ...]:
    """Return the descriptors that are open now and were not before."""
    if _opened_since(before):
        gc.collect()  # closes what is no longer referenced, with a ResourceWarning
    return _opened_since(before)


def leaked_threads(before: AbstractSet[threading.Thread]) -> tuple[str, ...]:
    """Return the threads that would keep the interpreter from exiting and were not there before."""
    started = [t for t in threading.enumerate() if t not in before and not t.daemon]
    for thread in started:
        thread.join(_THREAD_GRACE)
    return tuple(thread.name for thread in started if thread.is_alive())


async def leaked_tasks() -> tuple[str, ...]:
    """Return the tasks of the running loop that are not done, apart from the caller's."""
    for _ in range(_TURNS_TO_END):
        if not _others():
            break
        await asyncio.sleep(0)
    return tuple(sorted(repr(task) for task in _others()))


def _others() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


def _opened_since(before: Fds) -> tuple[str, ...]:
    return tuple(
        f"fd {fd}: {target}"
        for fd, target in sorted(open_fds().items())
        if before.get(fd) != target
    )
