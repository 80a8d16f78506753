"""The view of a daemon as a process of its own: what is printed when, and how both end."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from hive.daemon.view_process import RESTORED, ViewProcess
from hive.paths import Paths
from hive.queued_output import QueuedLogHandler, QueuedOutput
from tests.support.daemons import eventually


class Printed:
    """What was written, and an output that writes there."""

    def __init__(self) -> None:
        self.data = b""
        self.output = QueuedOutput(self.write)

    def write(self, data: bytes) -> None:
        self.data += data

    def until(self, text: str) -> str:
        eventually(lambda: text.encode() in self.data, what=repr(text))
        return self.data.decode()


@pytest.fixture(name="printed")
def _printed() -> Printed:
    return Printed()


@pytest.fixture(name="view_of")
def _view_of(tmp_path: Path, printed: Printed) -> Callable[..., ViewProcess]:
    def make(code: str, interrupt: Callable[[], object] = lambda: None) -> ViewProcess:
        paths = Paths(tmp_path / "run", tmp_path / "state")
        command = (sys.executable, "-c", code)
        return ViewProcess(paths, printed.output, interrupt, command)

    return make


SLEEP = "import time; time.sleep(60)"


def test_lines_are_kept_while_the_view_runs_and_printed_at_its_end(view_of, printed) -> None:
    view = view_of(SLEEP)
    view.show("before")
    view.start()
    view.show("meanwhile")
    printed.until("before")
    assert b"meanwhile" not in printed.data
    view.end()
    view.show("after")
    view.close()
    assert printed.data.decode().replace(RESTORED, "") == "before\nmeanwhile\nafter\n"


def test_ctrl_c_in_the_view_interrupts_the_daemon_once(view_of, printed) -> None:
    interrupted = Event()
    view = view_of("raise SystemExit(130)", interrupted.set)
    view.start()
    view.show("kept")
    assert interrupted.wait(30)
    view.end()
    view.close()
    assert printed.data == b"kept\n"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("", "the view was left; the daemon runs on"),
        ("raise SystemExit(7)", "the view ended with 7; the daemon runs on"),
        ("import os; os.kill(os.getpid(), 9)", "the view ended with -9; the daemon runs on"),
    ],
)
def test_a_view_that_ends_by_itself_leaves_the_daemon(view_of, printed, code, words) -> None:
    view = view_of(code, lambda: pytest.fail("the daemon was interrupted"))
    view.start()
    printed.until(words)
    view.end()
    view.close()


def test_a_view_that_does_not_end_is_killed(view_of, printed, monkeypatch) -> None:
    monkeypatch.setattr("hive.daemon.view_process.END_SECONDS", 0.3)
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); "
    view = view_of(code + "time.sleep(60)")
    view.start()
    view.end()
    view.show("the end")
    view.close()
    assert printed.data.endswith(b"the end\n")


def test_the_log_does_not_reach_the_screen_meanwhile(view_of, printed) -> None:
    root = logging.getLogger()
    own = Printed()
    handler = QueuedLogHandler(own.output)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    root.addHandler(handler)
    try:
        view = view_of(SLEEP)
        view.start()
        logging.getLogger("test").warning("in the picture")
        view.end()
        logging.getLogger("test").warning("below it")
        view.close()
        own.output.close()
    finally:
        root.removeHandler(handler)
    assert b"WARNING in the picture\n" in printed.data
    assert own.data == b"WARNING below it\n"


def test_the_view_gets_the_directory_of_the_socket(view_of, printed, tmp_path) -> None:
    file = tmp_path / "environment"
    code = f"import os; open({str(file)!r}, 'w').write(os.environ['HYPERHIVE_RUN_DIR'])"
    view = view_of(code)
    view.start()
    printed.until("was left")
    view.close()
    assert file.read_text() == str(tmp_path / "run")


def test_a_daemon_without_a_terminal_has_no_view(monkeypatch) -> None:
    from hive.daemon.view_process import can_be_shown

    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert can_be_shown() is False
