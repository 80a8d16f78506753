"""One picture without a terminal: as plain text, or as an SVG."""

from __future__ import annotations

import re
import time
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

from hive.errors import FailedError, UnavailableError
from hive.top.chosen import after_answers
from hive.top.look import Look
from hive.top.picture import Picture, view
from hive.top.reader import Reader
from hive.top.requests_wanted import requests_wanted
from hive.top.state import TopState

_FONTS = re.compile(r"@font-face \{[^}]*\}")
"""What would fetch a font from the network whenever somebody looks at the picture."""

ROUNDS = 2
"""Rounds of requests: only the first shows which ones an older daemon does not know."""


def picture_of(path: Path, state: TopState, look: Look) -> Picture:
    """Ask the daemon, and return the picture of a state.

    Args:
        path: The daemon's socket.
        state: What is chosen, and the size.
        look: What the output can show.

    Raises:
        UnavailableError: The daemon cannot be asked.
    """
    reader = Reader(path, lambda: requests_wanted(state), lambda answers: None)
    try:
        for _ in range(ROUNDS):
            answers = reader.round()
            if answers.lost is not None:
                raise UnavailableError(answers.lost)
            state = after_answers(state, answers, time.time())
    finally:
        reader.close()
    return view(state, state.size, look, time.time())


def write_svg(picture: Picture, width: int, path: Path) -> None:
    """Write a picture as an SVG of a terminal.

    Raises:
        FailedError: The file cannot be written.
    """
    console = Console(
        width=width, record=True, file=StringIO(), color_system="truecolor", force_terminal=True
    )
    for text in picture.lines:
        console.print(text, no_wrap=True, crop=True, highlight=False, end="\n")
    drawn = console.export_svg(title="hive-c0re top", theme=MONOKAI)
    try:
        path.write_text(_FONTS.sub("", drawn))
    except OSError as error:
        raise FailedError(f"cannot write {path}: {error.strerror}") from error
