"""Removals of files in directories, as inotify(7) reports them: nothing is polled."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import logging
import os
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

BATCH_SECONDS = 1.0
"""Seconds for which removals are collected: a directory's owner may cause any number of them."""

_DELETE, _MOVED_FROM, _MOVED_TO = 0x200, 0x40, 0x80
_DELETE_SELF, _MOVE_SELF = 0x400, 0x800
_ITSELF = _DELETE_SELF | _MOVE_SELF
_CONTENT = _DELETE | _MOVED_FROM | _MOVED_TO | _ITSELF
_MASK_ADD = 0x20000000
"""Watch for more, if the directory is watched already."""

_DROPPED = -1
"""The number in place of a watch, if the kernel has dropped events."""

_EVENT = struct.Struct("iIII")
"""Watch, mask, cookie, and length of the name that follows."""

_READ_BYTES = 1 << 18

_READS_MAX = 64
"""Most reads of one batch: more than all events that the kernel queues by default."""

_libc = ctypes.CDLL(None, use_errno=True)


Removed = Callable[[], object]
"""Called on the loop after a removal."""

Watches = frozenset[int]
"""The numbers of the watches of one directory and those above it."""


class RemovalWatch:
    """Calls a function after a file was removed from a directory, or a directory above the file.

    A renamed directory counts as removed. Where the system has no inotify to spare, nothing is
    called.
    """

    def __init__(self) -> None:
        self._users = 0
        self._fd = -1
        self._resuming: asyncio.TimerHandle | None = None
        self._callbacks: dict[int, dict[Removed, int]] = {}  # and the events that each is for
        self._lock = threading.Lock()

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

    def add(self, directory: Path, removed: Removed) -> Watches:
        """Call `removed` after removals from a directory, of it, and of all directories above it.

        May be called from any thread. Returns the watches, for `remove`.
        """
        masks = {directory: _CONTENT} | dict.fromkeys(directory.parents, _ITSELF)
        with self._lock:
            found = [self._watch(each, mask, removed) for each, mask in masks.items()]
        return frozenset(each for each in found if each is not None)

    def _watch(self, directory: Path, mask: int, removed: Removed) -> int | None:
        if self._fd < 0:
            return None
        try:
            flags = mask | _MASK_ADD
            found = _libc.inotify_add_watch(self._fd, os.fsencode(directory), flags)
            watch = _checked(found)
        except OSError as error:
            if error.errno != errno.EACCES:  # above a directory of ours, of another user
                logger.warning("removals in %s are not noticed: %s", directory, error.strerror)
            return None
        callbacks = self._callbacks.setdefault(watch, {})
        callbacks[removed] = callbacks.get(removed, 0) | mask
        return watch

    def remove(self, watches: Watches, removed: Removed) -> None:
        """Do not call `removed` for these watches any more. Idempotent."""
        with self._lock:
            for watch in watches:
                callbacks = self._callbacks.get(watch, {})
                callbacks.pop(removed, None)
                if not callbacks and self._callbacks.pop(watch, None) is not None:
                    _libc.inotify_rm_watch(self._fd, watch)

    def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._fd)
        self._resuming = loop.call_later(BATCH_SECONDS, self._report)

    def _report(self) -> None:
        asyncio.get_running_loop().add_reader(self._fd, self._readable)
        found: dict[int, int] = {}
        with suppress(BlockingIOError):
            for _ in range(_READS_MAX):
                _collect(os.read(self._fd, _READ_BYTES), found)
        with self._lock:
            concerned = self._concerned(found)
        for removed in concerned:
            removed()

    def _concerned(self, found: Mapping[int, int]) -> set[Removed]:
        """Return the functions to call after some events; all if the kernel dropped events."""
        masks = dict.fromkeys(self._callbacks, _CONTENT) if _DROPPED in found else found
        return {
            removed
            for watch, mask in masks.items()
            for removed, wanted in self._callbacks.get(watch, {}).items()
            if mask & wanted
        }


def _checked(result: int) -> int:
    """Return the result of a function of the C library, or raise its error."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _collect(events: bytes, found: dict[int, int]) -> None:
    """Add the mask of each event to that of its watch."""
    position = 0
    while position < len(events):
        watch, mask, _, length = _EVENT.unpack_from(events, position)
        position += _EVENT.size + length
        found[watch] = found.get(watch, 0) | mask
