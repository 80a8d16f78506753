"""The live view: what it paints, and what stays when it ends."""

from __future__ import annotations

from threading import Event

import pytest

from hive.errors import UnavailableError, UnknownNameError
from hive.queued_output import QUEUE_BYTES
from hive.view.live import LiveView


class Source:
    """Status rows that a test changes, or an error in their place."""

    def __init__(self, rows):
        self.rows = rows
        self.error = None
        self.asked = 0
        self.polled = Event()

    def __call__(self):
        self.asked += 1
        if self.asked > 2:
            self.polled.set()
        if self.error:
            raise self.error
        return self.rows


class Wall:
    """A wall clock that stands still."""

    def __init__(self, now):
        self.time = now

    def __call__(self):
        return self.time


@pytest.fixture(name="source")
def _source(swarm):
    return Source(swarm)


@pytest.fixture(name="wall")
def _wall(now):
    return Wall(now)


def picture(view, draw, width=100):
    return draw(view.picture(), width=width)


def test_each_picture_is_current(source, wall, console, draw, row):
    view = LiveView(source, console=console(), now=wall)
    source.rows = [row("a", "running", since="2023-11-14T22:13:20Z")]
    assert picture(view, draw)[1].split()[:4] == ["●", "a", "running", "0s"]

    wall.time += 60
    source.rows = [*source.rows, row("b", "stopped")]

    assert picture(view, draw)[1].split()[:4] == ["●", "a", "running", "1m"]
    assert picture(view, draw)[2].split()[:3] == ["○", "b", "stopped"]


def test_it_fits_the_terminal_with_a_line_for_the_cursor(source, wall, console, draw):
    view = LiveView(source, console=console(100, 8), now=wall)

    lines = picture(view, draw)

    assert len(lines) == 7
    assert lines[-2] == "… 2 more"


def test_glyphs_follow_the_encoding(source, wall, console, draw):
    view = LiveView(source, console=console(ascii_only=True), now=wall)

    assert all(line.isascii() for line in picture(view, draw))


def test_the_last_picture_stays_when_the_daemon_is_gone(source, wall, console, draw):
    view = LiveView(source, console=console(), now=wall)
    before = picture(view, draw)
    wall.time += 9
    source.error = UnavailableError("no\x1b daemon")

    *after, notice = picture(view, draw)

    assert [line.split()[:3] for line in after] == [line.split()[:3] for line in before]
    assert notice == "no\\x1b daemon; last data 9s ago, trying again"

    source.error = None
    assert len(picture(view, draw)) == len(before)


def test_a_daemon_that_was_never_there(source, wall, console, draw):
    source.error = UnavailableError("no\x1b daemon")

    lines = picture(LiveView(source, console=console(), now=wall), draw)

    assert lines[-1] == "no\\x1b daemon; trying again"


def test_it_repaints_in_place_and_the_last_picture_stays(source, wall, console):
    target = console()
    with LiveView(source, console=target, now=wall) as view:
        first = target.file.getvalue()
        view.refresh()
    shown = target.file.getvalue()

    assert first.count("scout") == 1
    # Seven lines up again before the second picture, and no other screen.
    assert shown[len(first) :].count("\x1b[1A") >= 7
    assert "\x1b[?1049h" not in shown
    assert shown.rindex("scout") > shown.rindex("\x1b[1A")
    assert shown.count("\x1b[?25h") >= shown.count("\x1b[?25l")


def test_a_line_is_printed_above_the_view_and_escaped(source, wall, console):
    target = console()
    with LiveView(source, console=target, now=wall) as view:
        view.print("12  alice \x1b[2J [bold]ended")
    shown = target.file.getvalue()

    assert "12  alice \\x1b[2J [bold]ended" in shown
    assert shown.index("ended") < shown.rindex("scout")


def test_it_paints_on_its_own_thread_until_stopped(source, wall, console):
    target = console()
    view = LiveView(source, console=target, now=wall)
    view.start(0.001)
    assert source.polled.wait(20)
    view.stop()
    asked = source.asked

    assert "scout" in target.file.getvalue()
    view.stop()
    assert source.asked == asked


def test_a_closed_terminal_ends_only_the_view(source, wall, console):
    target = console()
    failed = Event()

    def write(text):
        failed.set()
        raise OSError(5, "Input/output error")

    target.file.write = write
    view = LiveView(source, console=target, now=wall)
    view.start(0.001)
    assert failed.wait(20)

    view.stop()  # Would be an unhandled exception of the thread, which fails a test.


class HeldTerminal:
    """The write method of a terminal that takes nothing until it is released."""

    def __init__(self, write):
        self.write = write
        self.entered = Event()
        self.released = Event()

    def __call__(self, text):
        self.entered.set()
        assert self.released.wait(20)
        return self.write(text)


def test_a_held_terminal_holds_nobody_up_who_prints(source, wall, console):
    target = console()
    held = target.file.write = HeldTerminal(target.file.write)
    view = LiveView(source, console=target, now=wall)
    view.start(0.001)
    assert held.entered.wait(20)
    for number in range(5):
        view.print(f"line {number}")  # returns
    held.released.set()
    view.stop()

    shown = target.file.getvalue()
    assert [shown.count(f"line {number}") for number in range(5)] == [1] * 5


def test_lines_that_a_held_terminal_could_not_take_are_counted(source, wall, console):
    target = console()
    held = target.file.write = HeldTerminal(target.file.write)
    view = LiveView(source, console=target, now=wall)
    view.start(0.001)
    assert held.entered.wait(20)
    for _ in range(400):
        view.print("x" * 1000)
    held.released.set()
    view.stop()

    shown = target.file.getvalue().replace("\n", "")
    kept = QUEUE_BYTES // 1001
    assert f"[hive] lines missing here: {400 - kept}; it was not read in time" in shown


def test_a_view_ends_with_what_it_shows(source, wall, console):
    target = console()
    source.error = UnknownNameError("no participant is called 'a'")
    with pytest.raises(UnknownNameError):
        LiveView(source, console=target, now=wall).run(0.001)
