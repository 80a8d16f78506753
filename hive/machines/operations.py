"""Operations of a runtime that run to their end even if their caller is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from attrs import define

from hive.errors import UnavailableError
from hive.machines.runtime import MachineSpec, Watcher

_T = TypeVar("_T")


@define(eq=False)
class StartRequest:
    """One call of `ensure_running`.

    Attributes:
        spec: The machine.
        watcher: Called with its end.
        withdrawn: Set when the caller is cancelled.
    """

    spec: MachineSpec
    watcher: Watcher
    withdrawn: bool = False

    def check(self) -> None:
        """Raise `CancelledError` if the request was withdrawn; call it just before starting.

        A preparation may take an hour; a caller that cancels it expects that nothing is started.
        """
        if self.withdrawn:
            raise asyncio.CancelledError


class Operations:
    """Runs a runtime's operations as tasks of their own, with one lock for each agent.

    A half-made container or a process without a watcher would be worse than a result that is no
    longer needed. So a cancellation ends only the wait of the caller.

    Args:
        runtime: Name of the runtime, for errors and task names.
    """

    def __init__(self, runtime: str) -> None:
        self._runtime = runtime
        self._open = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def open(self) -> None:
        """Accept operations from now on."""
        self._open = True

    async def close(self) -> None:
        """Refuse new operations and wait for those in progress."""
        self._open = False
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def finish(
        self, work: Coroutine[Any, Any, _T], *, request: StartRequest | None = None
    ) -> _T:
        """Run an operation and return its result; a cancelled caller withdraws its `request`.

        Raises:
            UnavailableError: The runtime is closed.
        """
        self._require_open(work)
        try:
            return await asyncio.shield(self.begin(work))
        except asyncio.CancelledError:
            if request is not None:
                request.withdrawn = True
            raise

    async def interruptible(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run an operation that ends, and is waited for, when its caller is cancelled.

        Raises:
            UnavailableError: The runtime is closed.
        """
        self._require_open(work)
        task = self.begin(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait([task])
            raise

    def begin(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Run an operation in the background; `close` waits for it."""
        task = asyncio.create_task(work, name=f"{self._runtime} runtime")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _require_open(self, work: Coroutine[Any, Any, object]) -> None:
        if not self._open:
            work.close()
            raise UnavailableError(f"the {self._runtime} runtime is closed; start the daemon")

    def lock(self, name: str) -> asyncio.Lock:
        """Return the lock of an agent, held by whatever looks at its state and then acts on it."""
        return self._locks.setdefault(name, asyncio.Lock())
