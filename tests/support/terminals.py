"""A terminal with a shell in it: tmux, driven by keys and read as a person reads it."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Mapping

import pytest

from tests.support.daemons import eventually

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

PATIENCE = 40.0
"""Seconds that a text may take to appear: other programs use the machine, too."""


class ShellOnTerminal:
    """A shell on a terminal of a given size.

    Args:
        env: Its environment, which replaces that of this process.
        size: Columns and lines.
    """

    def __init__(self, env: Mapping[str, str], size: tuple[int, int] = (120, 40)) -> None:
        self._name = f"hive-{uuid.uuid4().hex[:12]}"
        kept = {name: value for name, value in env.items() if not name.startswith("TMUX")}
        subprocess.run(
            [
                *("tmux", "-L", self._name, "-f", os.devnull, "new-session", "-d"),
                *(
                    "-x",
                    str(size[0]),
                    "-y",
                    str(size[1]),
                    "exec env PS1='$ ' bash --norc --noprofile",
                ),
            ],
            env={**kept, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
            check=True,
            timeout=PATIENCE,
        )
        self.expect("$")

    def type(self, text: str, *keys: str) -> None:
        """Type a text, then press keys by their names in tmux, such as `Enter` or `C-c`."""
        if text:
            self._tmux("send-keys", "-l", text)
        if keys:
            self._tmux("send-keys", *keys)

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the terminal."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(lines))

    @property
    def screen(self) -> str:
        """What is on the screen, as text."""
        return self._tmux("capture-pane", "-p")

    @property
    def modes(self) -> dict[str, bool]:
        """Whether the alternate screen, reports of the mouse and the cursor are on."""
        names = ("alternate_on", "mouse_any_flag", "cursor_flag")
        found = self._tmux("display-message", "-p", " ".join(f"#{{{name}}}" for name in names))
        return {name: flag == "1" for name, flag in zip(names, found.split(), strict=True)}

    def expect(self, text: str) -> str:
        """Wait until a text is on the screen, and return all of it."""
        try:
            eventually(lambda: text in self.screen, within=PATIENCE, what=repr(text))
        except AssertionError as error:
            raise AssertionError(f"{error}; the screen is:\n{self.screen}") from None
        return self.screen

    def expect_restored(self) -> None:
        """Wait until the shell has the terminal as it was: modes of the screen and of the line."""
        plain = {"alternate_on": False, "mouse_any_flag": False, "cursor_flag": True}
        eventually(lambda: self.modes == plain, within=PATIENCE, what=f"{plain}, not {self.modes}")
        self.type(
            "clear; stty -a | grep -owE -e '-?(icanon|echo|isig)' | xargs echo modes", "Enter"
        )
        self.expect("modes isig icanon echo")

    def close(self) -> None:
        """End the shell and all that runs in it."""
        subprocess.run(["tmux", "-L", self._name, "kill-server"], check=False, timeout=PATIENCE)

    def _tmux(self, command: str, *words: str) -> str:
        ran = subprocess.run(
            ["tmux", "-L", self._name, command, *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
        )
        return ran.stdout
