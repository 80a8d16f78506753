"""The interactive view of a daemon on a terminal: `hive-c0re top` as a process of its own.

The view has the terminal, and speaks host.sock like any other client, so nothing in it can hurt the
daemon. Meanwhile the daemon prints nothing: its lines and its log are kept, and printed when the
view has ended. Both are in one process group, so Ctrl-Z stops both and `fg` continues both. Ctrl-C
is a key of the view, which ends with the status for it; then the daemon ends as it does at SIGINT.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from threading import Lock, Thread
from typing import Any

from hive.errors import INTERRUPTED, ExitStatus
from hive.paths import Paths
from hive.queued_output import BoundedOutput, QueuedLogHandler, QueuedOutput
from hive.top.actions import OF_SERVE

END_SECONDS = 3.0
"""Seconds that a view may take to restore the terminal before it is killed."""

RESTORED = (
    "\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[<u\x1b[?7h\x1b[?1049l\x1b[?25h"
)
"""What ends mouse reports, pasting in brackets and the alternate screen, and shows the cursor."""

COMMAND = (sys.executable, "-P", "-m", "hive.cli", "top")
"""The program; no module of the working directory, which may be an agent's, is imported."""


def can_be_shown() -> bool:
    """Return whether there are a terminal for keys and the library for the view."""
    return bool(sys.stdin) and sys.stdin.isatty() and find_spec("textual") is not None


class ViewProcess:
    """The process of the view, and what the daemon has to print meanwhile.

    Args:
        paths: Where the daemon's socket is.
        output: Where lines go when there is no view.
        interrupt: Called when Ctrl-C was pressed in the view; on a thread of its own.
        command: The program and its arguments.
    """

    def __init__(
        self,
        paths: Paths,
        output: QueuedOutput,
        interrupt: Callable[[], object] = lambda: os.kill(os.getpid(), signal.SIGINT),
        command: tuple[str, ...] = COMMAND,
    ) -> None:
        self._paths = paths
        self._output = output
        self._interrupt = interrupt
        self._command = command
        self._lock = Lock()
        self._kept: BoundedOutput | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: Thread | None = None
        self._modes: list[Any] | None = None
        self._handlers: list[logging.Handler] = []
        self._log = _KeptLog(self.show)
        self._is_ending = False

    def show(self, line: str) -> None:
        """Print a line, once the view has ended; never waits."""
        with self._lock:
            if self._kept is None:
                self._output.put_line(line)
            else:
                self._kept.put(f"{line}\n".encode(errors="backslashreplace"))

    def start(self) -> None:
        """Start the view; from now on lines are kept."""
        with suppress(OSError, ValueError, termios.error):
            self._modes = termios.tcgetattr(sys.stdin.fileno())
        self._keep_lines()
        env = {**os.environ, "HYPERHIVE_RUN_DIR": str(self._paths.run_dir), OF_SERVE: "1"}
        self._process = subprocess.Popen(self._command, env=env)
        self._thread = Thread(target=self._wait, name="view", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """End the view, if it still runs, and print what was kept. Blocks for a moment."""
        process, thread = self._process, self._thread
        if process is None or thread is None:
            return
        self._is_ending = True
        with suppress(ProcessLookupError):
            process.terminate()
        thread.join(END_SECONDS)
        if thread.is_alive():
            process.kill()
            thread.join(END_SECONDS)

    def close(self) -> None:
        """Wait until all lines are printed, at most a moment."""
        self._output.close()

    def _wait(self) -> None:
        assert self._process is not None
        status = self._process.wait()
        if status not in {ExitStatus.OK, INTERRUPTED}:
            self._restore()
        self._print_lines()
        if self._is_ending:
            return
        if status == INTERRUPTED:
            self._interrupt()
            return
        why = "the view was left" if status == ExitStatus.OK else f"the view ended with {status}"
        self.show(f"{why}; the daemon runs on: 'hive-c0re top' shows it, Ctrl-C here stops it")

    def _keep_lines(self) -> None:
        """Keep lines and the log: on the terminal they would be in the picture."""
        root = logging.getLogger()
        self._kept = BoundedOutput()
        self._handlers = [each for each in root.handlers if isinstance(each, QueuedLogHandler)]
        for handler in self._handlers:
            root.removeHandler(handler)
        if self._handlers:
            self._log.setFormatter(self._handlers[0].formatter)
        root.addHandler(self._log)

    def _print_lines(self) -> None:
        root = logging.getLogger()
        root.removeHandler(self._log)
        for handler in self._handlers:
            root.addHandler(handler)
        with self._lock:
            kept, self._kept = self._kept, None
            lines = kept.take(0) if kept is not None else b""
            if lines:
                self._output.put(lines)

    def _restore(self) -> None:
        """Restore the terminal after a view that could not do so itself."""
        if self._modes is not None:
            with suppress(OSError, ValueError, termios.error):
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, self._modes)
                self._output.put(RESTORED.encode())


class _KeptLog(logging.Handler):
    """Passes log records on as lines."""

    def __init__(self, show: Callable[[str], object]) -> None:
        super().__init__()
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        """Format a record and pass it on."""
        self._show(self.format(record))
