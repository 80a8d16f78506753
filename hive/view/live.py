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

from hive.errors import HiveError, UnknownNameError
from hive.escapes import inline
from hive.queued_output import BoundedOutput
from hive.view.table import snapshot
from hive.view.text import for_encoding, span
from hive.view.urgency import Row

_JOIN = 1.0
"""Seconds that `stop` waits for the thread; a terminal held by Ctrl-S may block it for ever."""


class LiveView:
    """Paints snapshots of a hive in place.

    When no snapshot is available, the last picture stays, with a line that says how old it is.

    Args:
        source: Returns the status rows; may raise `HiveError`, of which `UnknownNameError` ends the
            view. After `start` it is called on the view's own thread, so it must be safe to call
            from there.
        console: The terminal to paint on; by default standard output.
        now: Returns the wall time in seconds.
        notice: Returns a line below the snapshot that came last, if there is one.
        draw: Draws the rows in place of `hive.view.table.snapshot`, with its arguments.
    """

    def __init__(
        self,
        source: Callable[[], Sequence[Row]],
        *,
        console: Console | None = None,
        now: Callable[[], float] = time.time,
        notice: Callable[[], str | None] = lambda: None,
        draw: Callable[..., RenderableType] | None = None,
    ) -> None:
        self._source = source
        self._console = console or Console(highlight=False)
        self._now = now
        self._notice = notice
        self._draw = draw or snapshot
        self._glyphs = for_encoding(self._console.encoding)
        self._rows: Sequence[Row] = ()
        self._updated_at: float | None = None
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            # Otherwise whatever another thread prints waits for this terminal, too.
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._lines = BoundedOutput()
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
        """Stop painting; the last lines and the last picture stay."""
        self._print_lines(0)
        self._live.stop()

    def refresh(self) -> None:
        """Print the lines that wait, take a snapshot and paint it."""
        self._print_lines(0)
        self._live.update(self.picture(), refresh=True)

    def picture(self) -> RenderableType:
        """Take a snapshot and return its picture for this console."""
        notice = self._take_snapshot()
        return self._draw(
            self._rows,
            self._now(),
            width=self._console.width,
            # The cursor is on the line below the picture.
            height=self._console.height - 1,
            glyphs=self._glyphs,
            notice=notice,
        )

    def print(self, line: str) -> None:
        """Print a line above the view soon; never waits for the terminal.

        Lines that do not fit are dropped while a terminal does not take them, and counted.
        """
        self._lines.put(f"{inline(line)}\n".encode())

    def run(self, every: float) -> None:
        """Paint at once, every `every` seconds, and at the end: until `stop` or an exception."""
        with self:
            while self._print_until(time.monotonic() + every):
                self.refresh()
            self.refresh()

    def _print_until(self, due: float) -> bool:
        """Print lines as they come until the next picture is due; return False once stopped."""
        while not self._stopped.is_set() and (left := due - time.monotonic()) > 0:
            self._print_lines(left)
        return not self._stopped.is_set()

    def _print_lines(self, timeout: float) -> None:
        if lines := self._lines.take(timeout):
            self._console.print(Text(lines.decode()), highlight=False, end="")

    def start(self, every: float) -> None:
        """Do the same as `run`, but on its own thread, so a slow terminal blocks no caller."""
        self._thread = Thread(
            target=self._run_until_closed, args=(every,), name="view", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End `run` or `start`; the last picture stays.

        Of a view that never began, the lines are printed.
        """
        self._stopped.set()
        self._lines.close()
        if self._thread is not None:
            self._thread.join(_JOIN)
        elif not self._live.is_started:
            self._print_lines(0)

    def _run_until_closed(self, every: float) -> None:
        # The terminal may be closed while the daemon runs on.
        with suppress(OSError):
            self.run(every)

    def _take_snapshot(self) -> str | None:
        """Replace the rows by new ones; return the error as a notice if there are none."""
        try:
            self._rows = self._source()
        except UnknownNameError:
            raise  # what it shows is gone for good
        except HiveError as error:
            if self._updated_at is None:
                return f"{inline(error)}; trying again"
            old = span(self._now() - self._updated_at)
            return f"{inline(error)}; last data {old} ago, trying again"
        self._updated_at = self._now()
        return self._notice()
