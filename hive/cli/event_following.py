"""Following the event log over restarts of the daemon: each event once, by its number."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from hive.cli import output
from hive.cli.requests import call
from hive.cli.requests import follow as stream
from hive.errors import UnavailableError

RETRY_SECONDS = 0.5
"""Seconds between two attempts to reach the next daemon."""

Row = Mapping[str, Any]


class EventCursor:
    """The place in the event log up to which everything was shown.

    Args:
        filters: Which events are shown, as fields of the request.
        most: How many of the newest come first, without a place to begin.
        after: The number of the last event that the reader knows; None for none.
        since: Unix time of the earliest; None for no such time.
        pause: Waits so many seconds.
    """

    def __init__(
        self,
        filters: Mapping[str, Any],
        *,
        most: int,
        after: int | None,
        since: float | None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._filters = filters
        self._most = most
        self._seq = after
        self._since = since
        self._pause = pause
        self._has_answered = False

    def rows(self) -> Iterator[Row]:
        """Yield the events, then each new one, for ever; say when the daemon goes and comes back.

        Raises:
            HiveError: There was no daemon in the beginning, or it refuses the request.
        """
        if self._seq is None and self._since is None:
            yield from self._newest()
            self._has_answered = True
        while True:
            try:
                for response in self._follow():
                    self._has_answered = True
                    yield from self._counted(response.get("events", ()))
            except UnavailableError:
                if not self._has_answered:
                    raise
            self._wait_for_daemon()

    def _newest(self) -> Iterator[Row]:
        """Yield the newest events, and begin behind the last one that there is."""
        last = call("events", max=1)["events"]
        self._seq = last[-1]["seq"] if last else 0
        if self._most:
            yield from self._counted(call("events", max=self._most, **self._filters)["events"])

    def _follow(self) -> Iterator[Row]:
        place = {"after": self._seq} if self._seq else {"since": self._since or 0.0}
        return stream("events", follow=True, **place, **self._filters)

    def _counted(self, rows: list[Row]) -> Iterator[Row]:
        for row in rows:
            self._seq = max(self._seq or 0, row["seq"])
            yield row

    def _wait_for_daemon(self) -> None:
        """Wait until the next daemon answers, or until the reader of the output has gone."""
        place = f", then the events after {self._seq} follow" if self._seq else ""
        output.complain(f"hive-c0re went away; waiting for the next one{place}")
        while True:
            output.require_reader()
            self._pause(RETRY_SECONDS)
            with suppress(UnavailableError):
                call("events", max=0)
                output.complain("hive-c0re is back")
                return
