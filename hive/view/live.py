"""A small status view that redraws itself beneath what is printed.

It stays on the normal screen, so that the lines above it remain in the scroll-back. `rich.Live`
cannot repaint lines that scrolled off (github.com/Textualize/rich/issues/3263), so the picture is
cropped to the terminal before it is handed over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from hive.errors import HiveError
from hive.view.table import snapshot
from hive.view.terminal import for_encoding, inline
from hive.view.times import span
from hive.view.urgency import Row

_JOIN = 1.0
"""Seconds that `stop` waits for the painter; a terminal held by Ctrl-S may never let it finish."""


class LiveView:
    """Paints snapshots of a hive in place.

    When a snapshot cannot be had, the last picture stays, with a line that says how old it is.

    Args:
        source: Returns the status rows; may raise `HiveError`. Under `start` it is called on the
            view's own thread, so it must only read what may be read from there.
        console: Where to paint; by default standard output.
        now: Tells the wall time in seconds.
    """

    def __init__(
        self,
        source: Callable[[], Sequence[Row]],
        *,
        console: Console | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._console = console or Console(highlight=False)
        self._now = now
        self._glyphs = for_encoding(self._console.encoding)
        self._rows: Sequence[Row] = ()
        self._fresh: float | None = None
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
        self._stopped = Event()
        self._thread: Thread | None = None

    def __enter__(self) -> LiveView:
        """Begin to paint."""
        self._live.start()
        # A hidden cursor would outlive a crash or Ctrl-Z of this program.
        self._console.show_cursor(True)
        self.refresh()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the last picture standing."""
        self._live.stop()

    def refresh(self) -> None:
        """Take a snapshot and paint it."""
        self._live.update(self.picture(), refresh=True)

    def picture(self) -> RenderableType:
        """Take a snapshot and return what it looks like on this console now."""
        notice = self._look()
        return snapshot(
            self._rows,
            self._now(),
            width=self._console.width,
            # The cursor waits on the line below the picture.
            height=self._console.height - 1,
            glyphs=self._glyphs,
            notice=notice,
        )

    def print(self, line: str) -> None:
        """Print a line above the view."""
        self._console.print(Text(inline(line)), highlight=False)

    def run(self, every: float) -> None:
        """Paint at once and then each `every` seconds, until `stop` or an exception."""
        with self:
            while not self._stopped.wait(every):
                self.refresh()

    def start(self, every: float) -> None:
        """Do as `run` does on a thread of its own, so that a slow terminal holds nobody up."""
        self._thread = Thread(target=self._run_quietly, args=(every,), name="view", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End `run` or `start`, leaving the last picture standing."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(_JOIN)

    def _run_quietly(self, every: float) -> None:
        # The terminal may go away under a daemon that goes on.
        with suppress(OSError):
            self.run(every)

    def _look(self) -> str | None:
        """Replace the rows by new ones; return what is wrong if there are none to have."""
        try:
            self._rows = self._source()
        except HiveError as error:
            if self._fresh is None:
                return f"{inline(error)}; trying again"
            return f"{inline(error)}; last data {span(self._now() - self._fresh)} ago, trying again"
        self._fresh = self._now()
        return None
