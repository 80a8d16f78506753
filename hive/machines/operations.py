"""Operations of a runtime that run to their end even if their caller is cancelled."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from attrs import define

from hive.errors import FailedError, UnavailableError
from hive.machines.runtime import MachineSpec, Watcher


def purge_directory(base: Path, *parts: str) -> None:
    """Remove the directory `base/parts…` with its content. Idempotent.

    Each directory is opened relative to its open parent, without following symbolic links, and
    links inside are removed, not followed. So nothing outside `base` is removed, even if
    directories are exchanged meanwhile. Blocks: call it from a thread.

    Raises:
        FailedError: A part is not a plain name, or a symbolic link or a file is in its place.
        OSError: A file could not be removed.
    """
    path = base.joinpath(*parts)
    for part in parts:
        if part in {"", ".", ".."} or os.sep in part:
            raise FailedError(f"{path} is not removed: {part!r} is not the name of a directory")
    with ExitStack() as stack:
        try:
            above = _open(stack, base, None)
            for part in parts[:-1]:
                above = _open(stack, part, above)
            # rmtree itself refuses a symbolic link and walks by file descriptors.
            shutil.rmtree(parts[-1], dir_fd=above)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENOTDIR} or error.errno is None:
                raise FailedError(
                    f"{path} is not removed: a symbolic link or a file is in its place; "
                    "see where it leads and remove it by hand"
                ) from error
            raise


def _open(stack: ExitStack, name: str | Path, above: int | None) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | (0 if above is None else os.O_NOFOLLOW)
    fd = os.open(name, flags, dir_fd=above)
    stack.callback(os.close, fd)
    return fd


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
        if not self._open:
            work.close()
            raise UnavailableError(f"the {self._runtime} runtime is closed; start the daemon")
        try:
            return await asyncio.shield(self.begin(work))
        except asyncio.CancelledError:
            if request is not None:
                request.withdrawn = True
            raise

    def begin(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Run an operation in the background; `close` waits for it."""
        task = asyncio.create_task(work, name=f"{self._runtime} runtime")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def lock(self, name: str) -> asyncio.Lock:
        """Return the lock of an agent, held by whatever looks at its state and then acts on it."""
        return self._locks.setdefault(name, asyncio.Lock())
