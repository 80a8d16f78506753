"""The settings of a terminal under a live view."""

from __future__ import annotations

import io
import os
import pty
import termios

from hive.view.terminal import hide_control_echo


def echoes(descriptor: int) -> bool:
    return bool(termios.tcgetattr(descriptor)[3] & termios.ECHOCTL)


def test_control_characters_are_not_echoed_meanwhile():
    outer, inner = pty.openpty()
    with os.fdopen(inner) as stream:
        before = termios.tcgetattr(inner)
        with hide_control_echo(stream):
            assert not echoes(inner)
            assert termios.tcgetattr(inner)[3] & termios.ECHO, "all else is echoed"
        assert termios.tcgetattr(inner) == before
    os.close(outer)


def test_a_terminal_that_is_closed_meanwhile():
    outer, inner = pty.openpty()
    with os.fdopen(inner) as stream:
        with hide_control_echo(stream):
            assert not echoes(inner)
            os.close(outer)
        assert not stream.closed


def test_what_is_no_terminal_is_left_alone(tmp_path):
    with hide_control_echo(None), hide_control_echo(io.StringIO()):
        pass
    with (tmp_path / "file").open("w") as stream, hide_control_echo(stream):
        stream.write("kept")
    assert (tmp_path / "file").read_text() == "kept"
