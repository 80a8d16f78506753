"""A live status view that redraws itself below the printed lines.

It stays on the normal screen, so that the lines above it remain in the scroll-back. `rich.Live`
cannot repaint lines that scrolled off (github.com/Textualize/rich/issues/3263), so the picture is
cropped to the height of the terminal first.
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
from hive.escapes import inline
from hive.view.table import snapshot
from hive.view.text import for_encoding, span
from hive.view.urgency import Row

_JOIN = 1.0
"""Seconds that `stop` waits for the thread; a terminal held by Ctrl-S may block it for ever."""


class LiveView:
    """Paints snapshots of a hive in place.

    When no snapshot is available, the last picture stays, with a line that says how old it is.

    Args:
        source: Returns the status rows; may raise `HiveError`. After `start` it is called on the
            view's own thread, so it must be safe to call from there.
        console: The terminal to paint on; by default standard output.
        now: Returns the wall time in seconds.
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
        self._updated_at: float | None = None
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
        self._stopped = Event()
        self._thread: Thread | None = None

    def __enter__(self) -> LiveView:
        """Begin to paint."""
        self._live.start()
        # A hidden cursor would stay hidden after a crash or Ctrl-Z of this program.
        self._console.show_cursor(True)
        self.refresh()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop painting; the last picture stays."""
        self._live.stop()

    def refresh(self) -> None:
        """Take a snapshot and paint it."""
        self._live.update(self.picture(), refresh=True)

    def picture(self) -> RenderableType:
        """Take a snapshot and return its picture for this console."""
        notice = self._take_snapshot()
        return snapshot(
            self._rows,
            self._now(),
            width=self._console.width,
            # The cursor is on the line below the picture.
            height=self._console.height - 1,
            glyphs=self._glyphs,
            notice=notice,
        )

    def print(self, line: str) -> None:
        """Print a line above the view."""
        self._console.print(Text(inline(line)), highlight=False)

    def run(self, every: float) -> None:
        """Paint at once and then every `every` seconds, until `stop` or an exception."""
        with self:
            while not self._stopped.wait(every):
                self.refresh()

    def start(self, every: float) -> None:
        """Do the same as `run`, but on its own thread, so a slow terminal blocks no caller."""
        self._thread = Thread(
            target=self._run_until_closed, args=(every,), name="view", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End `run` or `start`; the last picture stays."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(_JOIN)

    def _run_until_closed(self, every: float) -> None:
        # The terminal may be closed while the daemon runs on.
        with suppress(OSError):
            self.run(every)

    def _take_snapshot(self) -> str | None:
        """Replace the rows by new ones; return the error as a notice if there are none."""
        try:
            self._rows = self._source()
        except HiveError as error:
            if self._updated_at is None:
                return f"{inline(error)}; trying again"
            old = span(self._now() - self._updated_at)
            return f"{inline(error)}; last data {old} ago, trying again"
        self._updated_at = self._now()
        return None
