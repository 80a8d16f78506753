"""The view on a terminal: Textual reads keys and paints; all else is in the pure modules.

One widget has the whole screen. Each time something changes, the picture is made anew, and only the
lines that differ are painted.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import Thread

from attrs import evolve
from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from hive.errors import INTERRUPTED, ExitStatus
from hive.escapes import inline
from hive.top import acting
from hive.top.actions import (
    Action,
    Complete,
    Copy,
    DaemonRequest,
    EndDaemon,
    Leave,
    ReadInbox,
    Refresh,
    RunVerb,
    Suspend,
)
from hive.top.chosen import after_answers
from hive.top.key_presses import press, select
from hive.top.last_answers import LastAnswers
from hive.top.look import Look
from hive.top.opening import covered, noted
from hive.top.picture import Picture, Spot, view
from hive.top.prompts import completed, paste
from hive.top.reader import Reader
from hive.top.requests_wanted import requests_wanted
from hive.top.state import TopState

Completer = Callable[[tuple[str, ...], str], Iterable[str]]
"""Returns the words that complete a command line, from its words and the begin of the last one."""

TICK = 1.0
"""Seconds after which a picture is painted again, because of the ages in it."""

_KEYS: Mapping[str, str] = {"backspace": "backspace", "ctrl+h": "backspace", "ctrl+i": "tab"}
"""Names of keys that terminals have more than one of."""


class Painter(Widget, can_focus=True):
    """The whole screen, as the lines of a picture."""

    DEFAULT_CSS = "Painter { width: 100%; height: 100%; background: transparent; }"

    def __init__(self) -> None:
        super().__init__()
        self._lines: tuple[Text, ...] = ()

    def show(self, picture: Picture) -> None:
        """Paint the lines that differ from what is on the screen."""
        before, self._lines = self._lines, picture.lines
        if len(before) != len(self._lines):
            self.refresh()
            return
        changed = [
            Region(0, y, self.size.width, 1)
            for y, (old, new) in enumerate(zip(before, self._lines, strict=True))
            if old != new
        ]
        if changed:
            self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        """Return one line of the screen."""
        if y >= len(self._lines):
            return Strip.blank(self.size.width, self.rich_style)
        strip = Strip(self._lines[y].render(self.app.console))
        return strip.adjust_cell_length(self.size.width)


class TopScreen(Screen[None], inherit_bindings=False):
    """A screen without keys of its own."""

    def __init__(self, painter: Painter) -> None:
        super().__init__()
        self._painter = painter

    def compose(self) -> ComposeResult:
        """Return the one widget; it has the focus, and so all keys."""
        yield self._painter


class TopApp(App[int], inherit_bindings=False):
    """The view of one hive.

    Args:
        path: The daemon's socket.
        state: What is chosen at first.
        look: What the terminal can show.
        complete: Completes the command lines of verbs.
        now: Returns the wall time in seconds.
    """

    ENABLE_COMMAND_PALETTE = False
    TITLE = "hive-c0re top"

    def __init__(
        self,
        path: Path,
        state: TopState,
        look: Look,
        *,
        complete: Completer = lambda words, typed: (),
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(ansi_color=True)
        self.state = state
        self._path = path
        self._look = look
        self._complete = complete
        self._now = now
        self._painter = Painter()
        self._spots: tuple[Spot, ...] = ()
        self._painted = 0.0
        self._reader = Reader(path, self._wanted, self._deliver, now=now)
        self._verbs: list[acting.VerbRun] = []

    def get_default_screen(self) -> Screen[None]:
        """Return the one screen."""
        return TopScreen(self._painter)

    def on_mount(self) -> None:
        """Begin to ask, and to paint."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            loop.add_signal_handler(number, self._ended_by, number)
        self.set_interval(TICK, self._tick)
        self._reader.start()
        self._paint()

    def on_unmount(self) -> None:
        """End what runs in the background."""
        self._reader.stop()
        for verb in self._verbs:
            verb.end()

    def on_resize(self, event: events.Resize) -> None:
        """Paint in another size."""
        self._become(evolve(self.state, size=(event.size.width, event.size.height)))

    def on_key(self, event: events.Key) -> None:
        """Take a key."""
        event.stop()
        event.prevent_default()
        self.press_key(key_name(event))

    def on_paste(self, event: events.Paste) -> None:
        """Take a text that was pasted: into the line that is typed, and nowhere else."""
        event.stop()
        self._become(paste(self.state, event.text))

    def on_click(self, event: events.Click) -> None:
        """Select or press what was clicked; a second click opens it."""
        for spot in self._spots:
            if spot.y == event.screen_y and spot.begin <= event.screen_x < spot.end:
                if spot.key:
                    self.press_key(spot.key)
                    return
                self._become(select(self.state, spot.which, spot.chosen))
                if event.chain > 1:
                    self.press_key("enter")
                return

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Move up, as the key does."""
        self._wheel("up")

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Move down, as the key does."""
        self._wheel("down")

    def press_key(self, key: str) -> None:
        """Take a key, and carry out what it leads to."""
        before = requests_wanted(self.state)
        state, action = press(self.state, key, self._now())
        self._become(state)
        if action is not None:
            self._act(action)
        if requests_wanted(self.state) != before:
            self._reader.wake()

    def _wheel(self, key: str) -> None:
        if not self.state.is_asking:
            self.press_key(key)

    def _act(self, action: Action) -> None:
        match action:
            case DaemonRequest():
                self._in_background(action.doing, lambda: self._ask(action))
            case RunVerb():
                self._in_background(f"hive-c0re {action.words[0]}", lambda: self._run_verb(action))
            case ReadInbox():
                self._in_background("read mail", self._read_mail)
            case Complete():
                self._in_background("", lambda: self._find_words(action))
            case Copy():
                self.copy_to_clipboard(action.text)
            case Refresh():
                self._reader.wake()
            case Suspend():
                self._suspend()
            case Leave() | EndDaemon():
                is_end = isinstance(action, EndDaemon)
                self.exit(INTERRUPTED if is_end else ExitStatus.OK)

    def _ask(self, action: DaemonRequest) -> Callable[[TopState], TopState]:
        said, has_failed = acting.ask(self._path, action)
        return lambda state: noted(state, said, self._now(), is_error=has_failed)

    def _run_verb(self, action: RunVerb) -> Callable[[TopState], TopState]:
        try:
            verb = acting.VerbRun(action, self._path)
        except (OSError, ValueError) as error:
            said = f"hive-c0re {inline(action.words[0])}: it cannot be run: {inline(str(error))}"
            return lambda state: noted(state, said, self._now(), is_error=True)
        self._verbs.append(verb)
        lines = verb.output()
        self._verbs.remove(verb)
        return lambda state: covered(state, "output", " ".join(action.words), lines)

    def _read_mail(self) -> Callable[[TopState], TopState]:
        mail = acting.read_mail(self._path, self._now())

        def change(state: TopState) -> TopState:
            if mail.lines:
                state = covered(state, "output", "inbox --unread", mail.lines)
            return noted(state, mail.said, self._now(), is_error=mail.has_failed)

        return change

    def _find_words(self, action: Complete) -> Callable[[TopState], TopState]:
        words = tuple(self._complete(action.words, action.typed))
        return lambda state: completed(state, action, words)

    def _in_background(self, doing: str, act: Callable[[], Callable[[TopState], TopState]]) -> None:
        """Act on a thread, with words about it on the screen meanwhile; then change the state."""
        if doing:
            self._become(evolve(self.state, doing=(*self.state.doing, doing), note=None))

        def run() -> None:
            change = act()
            self.call_from_thread(self._has_acted, doing, change)

        Thread(target=run, name="action", daemon=True).start()

    def _has_acted(self, doing: str, change: Callable[[TopState], TopState]) -> None:
        left = list(self.state.doing)
        if doing in left:
            left.remove(doing)
        self._become(change(evolve(self.state, doing=tuple(left))))
        self._reader.wake()

    def _suspend(self) -> None:
        """Stop the whole job, as the terminal does at Ctrl-Z: whatever started this, too."""
        if self._driver is None or not self._driver.can_suspend:
            return
        with self.suspend():
            os.killpg(0, signal.SIGTSTP)
        self.refresh()

    def _fatal_error(self) -> None:
        """Print where the view has failed, once the terminal is restored.

        Textual would print all local variables, too: the mail of agents among them.
        """
        from rich.traceback import Traceback

        self.panic(Traceback(show_locals=False, width=100))

    def _ended_by(self, number: int) -> None:
        self.exit(128 + number)

    def _wanted(self) -> Mapping[str, Mapping[str, object]]:
        return requests_wanted(self.state)

    def _deliver(self, answers: LastAnswers) -> None:
        self.call_from_thread(self._take, answers)

    def _take(self, answers: LastAnswers) -> None:
        before = requests_wanted(self.state)
        self._become(after_answers(self.state, answers, self._now()))
        if requests_wanted(self.state) != before:
            self._reader.wake()

    def _tick(self) -> None:
        if time.monotonic() - self._painted >= TICK:
            self._paint()

    def _become(self, state: TopState) -> None:
        if state is not self.state:
            self.state = state
            self._paint()

    def _paint(self) -> None:
        self._painted = time.monotonic()
        picture = view(self.state, self.state.size, self._look, self._now())
        self._spots = picture.spots
        self._painter.show(picture)


def key_name(event: events.Key) -> str:
    """Return the name of a key for `press`: its character if it prints, else its name."""
    character = event.character
    if event.key == "space":
        return "space"
    if character is not None and character.isprintable() and len(character) == 1:
        return character
    return _KEYS.get(event.key, event.key)
