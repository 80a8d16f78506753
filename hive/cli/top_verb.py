"""The verb `top`: the interactive view, or one picture of it without a terminal."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import click

from hive.base_directories import host_socket
from hive.cli import output
from hive.errors import FailedError
from hive.extras import how_to_install

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hive.top.look import Look
    from hive.top.state import TopState

PICTURE_SIZE = (120, 40)
"""Columns and lines of a picture that no terminal has asked for."""


@click.command()
@click.option("--once", is_flag=True, help="Print one picture as plain text.")
@click.option(
    "--svg",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write one picture as an SVG.",
)
@click.option(
    "--size",
    metavar="COLUMNSxLINES",
    help="The size of such a picture. Default: that of the terminal, or 120x40.",
)
def top(once: bool, svg: Path | None, size: str | None) -> int:
    """Show the hive on the whole screen, with a key for each act; ? lists them.

    What waits for you is above, then all agents and peers, those with trouble first. It goes on
    while the daemon is restarted.
    """
    from hive.cli.main import VERBS
    from hive.top.actions import OF_SERVE
    from hive.top.look import Look
    from hive.top.state import TopState
    from hive.view.text import for_encoding

    verbs = {name: verb.summary for name, verb in VERBS.items()}
    look = Look(for_encoding(output.encoding()), coloured=not os.environ.get("NO_COLOR"))
    state = TopState(size=_size(size), verbs=verbs, of_serve=OF_SERVE in os.environ)
    if once or svg is not None:
        _show_one(state, look, svg)
        return 0
    if size is not None:
        raise output.misuse("top", "--size is for --once and --svg: a terminal has its own size")
    return _run(state, look)


def _show_one(state: TopState, look: Look, svg: Path | None) -> None:
    """Print one picture, or write it to a file."""
    from hive.top.look import Look
    from hive.top.snapshots import picture_of, write_svg
    from hive.view.text import UNICODE

    if svg is None:
        output.lines(picture_of(Path(host_socket()), state, look).plain.splitlines())
    else:
        picture = picture_of(Path(host_socket()), state, Look(UNICODE, look.coloured))
        write_svg(picture, state.size[0], svg)


def _run(state: TopState, look: Look) -> int:
    """Run the view until it is left.

    Raises:
        BadRequestError: There is no terminal.
        FailedError: Textual is not installed.
    """
    if not is_installed():
        raise FailedError(
            f"the interactive view needs Textual: {how_to_install('tui')}; "
            "'hive-c0re status --watch' works without"
        )
    if not (output.is_terminal() and output.can_ask()):
        raise output.misuse("top", "it needs a terminal; --once prints one picture without")
    from hive.top.terminal_app import TopApp

    app = TopApp(Path(host_socket()), state, look, complete=completions)
    found = app.run()
    sys.stdout.flush()
    return int(app.return_code or 0) if found is None else found


def is_installed() -> bool:
    """Return whether Textual is."""
    return find_spec("textual") is not None


def completions(words: tuple[str, ...], typed: str) -> Iterable[str]:
    """Return the words that complete a command line, as the completion of a shell does."""
    from click.shell_completion import ShellComplete

    from hive.cli.program import cli

    found = ShellComplete(cli, {}, output.PROGRAM, "").get_completions(list(words), typed)
    return [each.value for each in found if each.type == "plain"]


def _size(given: str | None) -> tuple[int, int]:
    """Return columns and lines.

    Raises:
        BadRequestError: They are no two numbers, or too small or too large.
    """
    from hive.top.state import SMALLEST

    if given is None:
        found_size = shutil.get_terminal_size(PICTURE_SIZE)
        return found_size.columns, found_size.lines
    found = re.fullmatch(r"(\d{1,4})[xX](\d{1,4})", given)
    size = (int(found[1]), int(found[2])) if found else (0, 0)
    if size[0] < SMALLEST[0] or size[1] < SMALLEST[1]:
        least = "x".join(map(str, SMALLEST))
        raise output.misuse("top", f"--size {given!r} is no size from {least} on, such as 120x40")
    return size
