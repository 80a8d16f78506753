"""Keeps on disk what the dashboard knows: sessions, passkeys, devices to notify."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

import msgspec

from hive.cancellation import shield_until_done
from hive.errors import FailedError
from hive.web.private_file import PrivateFile

EVERY = 60.0
"""Seconds between two looks at whether something is to be saved."""

LOG = logging.getLogger(__name__)

S = TypeVar("S", bound=msgspec.Struct)
S_co = TypeVar("S_co", bound=msgspec.Struct, covariant=True)


class Book(Protocol[S_co]):
    """What is kept in a file.

    Attributes:
        is_changed: Whether there is something to save.
    """

    is_changed: bool

    def saved(self) -> S_co:
        """Return what is to be kept; then nothing is left to save."""
        ...


class BookSaver(Generic[S]):
    """Writes a book, one write at a time.

    Args:
        book: The book.
        file: Its file.
    """

    def __init__(self, book: Book[S], file: PrivateFile[S]) -> None:
        self._book = book
        self._file = file
        self._one = asyncio.Lock()

    async def save(self) -> None:
        """Save the book if it has changed; return when that is on disk.

        Raises:
            FailedError: It cannot be written; the next call tries again.
        """
        async with self._one:
            if self._book.is_changed:
                # A thread goes on after a cancellation, and the next one must not meet it.
                await shield_until_done(self._write())

    async def _write(self) -> None:
        try:
            await asyncio.to_thread(self._file.write, self._book.saved())
        except FailedError:
            self._book.is_changed = True
            raise

    async def save_often(self) -> None:
        """Save again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await save_or_warn(self.save)


async def save_or_warn(save: Callable[[], Awaitable[None]]) -> None:
    """Save; what cannot be written now is tried again by `save_often`, and the log says why.

    For what has to go on with a full disk: the operator logs in and out all the more then.
    """
    try:
        await save()
    except FailedError as error:
        LOG.warning("%s", error)
