"""Which messages each session was told of, so that it is told of each once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from hive.harness.unread import News

SESSIONS = 32
"""Sessions that are remembered; the one that was told longest ago is forgotten first."""


class Told:
    """A small file. If it is lost or cannot be written, a session is told once more.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def new(self, session: str, news: Iterable[News]) -> tuple[News, ...]:
        """Return what the session was not told of."""
        known = set(self._read().get(session, ()))
        return tuple(each for each in news if each.id not in known)

    def remember(self, session: str, news: Iterable[News]) -> None:
        """The session is told of these now."""
        sessions = self._read()
        ids = {*sessions.pop(session, ()), *(each.id for each in news)}
        sessions[session] = sorted(ids)[-1000:]
        latest = dict(list(sessions.items())[-SESSIONS:])
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._path.with_suffix(f".{os.getpid()}")
            fresh.write_text(json.dumps(latest))
            fresh.replace(self._path)

    def _read(self) -> dict[str, list[int]]:
        with suppress(OSError, ValueError):
            found = json.loads(self._path.read_text())
            if isinstance(found, dict):
                return found
        return {}
