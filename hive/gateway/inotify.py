"""Removals of files in directories, as inotify(7) reports them: nothing is polled."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

BATCH_SECONDS = 1.0
"""Seconds for which removals are collected: a directory's owner may cause any number of them."""

_DELETE, _MOVED_FROM, _MOVED_TO = 0x200, 0x40, 0x80
_DELETE_SELF, _MOVE_SELF = 0x400, 0x800
_MASK = _DELETE | _MOVED_FROM | _MOVED_TO | _DELETE_SELF | _MOVE_SELF
_IGNORED = 0x8000
"""The last event of a watch, for instance because its directory is gone."""

_EVENT = struct.Struct("iIII")
"""Watch, mask, cookie, and length of the name that follows."""

_READ_BYTES = 1 << 18

_READS_MAX = 64
"""Most reads of one batch: more than all events that the kernel queues by default."""

_libc = ctypes.CDLL(None, use_errno=True)


class RemovalWatch:
    """Calls a function after a file was removed from a directory, or the directory itself.

    Where the system has no inotify to spare, nothing is called.
    """

    def __init__(self) -> None:
        self._users = 0
        self._fd = -1
        self._resuming: asyncio.TimerHandle | None = None
        self._callbacks: dict[int, Callable[[], object]] = {}

    def open(self) -> None:
        """Begin to watch; each call needs one of `close`."""
        self._users += 1
        if self._users > 1:
            return
        try:
            self._fd = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError as error:
            logger.warning("removed sockets are not noticed: %s", error.strerror)
        else:
            asyncio.get_running_loop().add_reader(self._fd, self._readable)

    def close(self) -> None:
        """Release all resources, if no other user is left."""
        self._users -= 1
        if self._users or self._fd < 0:
            return
        if self._resuming is not None:
            self._resuming.cancel()
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)
        self._fd, self._resuming = -1, None
        self._callbacks.clear()

    def add(self, directory: Path, removed: Callable[[], object]) -> int | None:
        """Call `removed` on the loop after removals; return the number of the watch.

        May be called from any thread. A directory has one watch.
        """
        if self._fd < 0:
            return None
        try:
            found = _libc.inotify_add_watch(self._fd, os.fsencode(directory), _MASK)
            watch = _checked(found)
        except OSError as error:
            logger.warning("removals in %s are not noticed: %s", directory, error.strerror)
            return None
        self._callbacks[watch] = removed
        return watch

    def remove(self, watch: int | None) -> None:
        """End a watch. Idempotent."""
        if watch is not None and self._callbacks.pop(watch, None) is not None:
            _libc.inotify_rm_watch(self._fd, watch)

    def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._fd)
        self._resuming = loop.call_later(BATCH_SECONDS, self._report)

    def _report(self) -> None:
        asyncio.get_running_loop().add_reader(self._fd, self._readable)
        found: set[int] = set()
        with suppress(BlockingIOError):
            for _ in range(_READS_MAX):
                found |= _watches(os.read(self._fd, _READ_BYTES), self._callbacks)
        for watch in found:
            if (removed := self._callbacks.get(watch)) is not None:
                removed()


def _checked(result: int) -> int:
    """Return the result of a function of the C library, or raise its error."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _watches(events: bytes, known: dict[int, Callable[[], object]]) -> set[int]:
    """Return the watches of some events; all known ones if the kernel dropped events."""
    found: set[int] = set()
    position = 0
    while position < len(events):
        watch, mask, _, length = _EVENT.unpack_from(events, position)
        position += _EVENT.size + length
        if watch < 0:
            return set(known)
        if not mask & _IGNORED:
            found.add(watch)
    return found
