"""Asks the daemon again and again, on a thread of its own: a slow answer holds up no key."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

from attrs import evolve

from hive.client.blocking import BlockingClient
from hive.errors import BadRequestError, HiveError, TimedOutError
from hive.top.last_answers import LastAnswers, Request
from hive.top.requests_wanted import FIRST, OPTIONAL
from hive.view.row_fields import Row

EVERY = 1.0
"""Seconds between two rounds."""

TIMEOUT = 5.0
"""Seconds that one answer may take."""

_KEPT = 40
"""Answers that are kept, those of panes that are held among them."""

Wanted = Callable[[], Mapping[str, Request]]
"""Returns the requests to ask; called on the reader's thread."""

Deliver = Callable[[LastAnswers], object]
"""Called with each round of answers, on the reader's thread."""


class Reader:
    """Rounds of requests over one connection, which is made again when it is lost.

    Args:
        path: The daemon's socket.
        wanted: Returns what to ask.
        deliver: Takes the answers of each round.
        now: Returns the wall time in seconds.
    """

    def __init__(
        self, path: Path, wanted: Wanted, deliver: Deliver, *, now: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._wanted = wanted
        self._deliver = deliver
        self._now = now
        self._client: BlockingClient | None = None
        self._unknown: dict[str, str] = {}
        self._answers = LastAnswers()
        self._wake = Event()
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="reader", daemon=True)

    def start(self) -> None:
        """Begin with the rounds."""
        self._thread.start()

    def wake(self) -> None:
        """Begin the next round at once."""
        self._wake.set()

    def stop(self) -> None:
        """End after the present round; does not wait for that."""
        self._stopped.set()
        self._wake.set()

    def round(self) -> LastAnswers:
        """DaemonRequest everything once, and return what is known after it."""
        try:
            self._answers = self._asked(self._wanted())
        except HiveError as error:
            self.close()
            self._answers = evolve(self._answers, lost=str(error))
        return self._answers

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wake.clear()
            answers = self.round()
            if self._stopped.is_set():
                break
            with suppress(RuntimeError):  # the view has just ended
                self._deliver(answers)
            self._wake.wait(EVERY)
        self.close()

    def _asked(self, wanted: Mapping[str, Request]) -> LastAnswers:
        """Return the answers to requests; what is refused keeps its earlier answer.

        Raises:
            HiveError: The daemon cannot be reached, does not answer, or not even to the first one.
        """
        client = self._connection()
        found: dict[str, Row] = {}
        refused: dict[str, str] = dict(self._unknown)
        for key, request in wanted.items():
            if key in self._unknown:
                continue
            try:
                found[key] = client.call(request, TIMEOUT)
            except HiveError as error:
                # A late answer would be taken for that of the next request.
                if key == FIRST or isinstance(error, TimedOutError):
                    raise
                refused[key] = str(error)
                if key in OPTIONAL and isinstance(error, BadRequestError):
                    self._unknown[key] = str(error)
        kept = {**self._answers.found, **found}
        for key in [key for key in kept if key not in wanted][: max(len(kept) - _KEPT, 0)]:
            del kept[key]
        return LastAnswers(kept, refused, self._now())

    def _connection(self) -> BlockingClient:
        if self._client is None:
            self._client = BlockingClient(self._path, TIMEOUT, warn=lambda sentence: None)
            self._unknown = {}  # another daemon may know more
        return self._client

    def close(self) -> None:
        """End the connection. Idempotent; another round makes it again."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
