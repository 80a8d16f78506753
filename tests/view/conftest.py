"""The rows of a small hive at one moment, and a console with given size, colours and encoding."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from rich.console import Console, RenderableType

from hive.clock import rfc3339

NOW = 1_700_000_000.0


def ago(seconds: float) -> str:
    """Return the wire time of a moment this many seconds before `NOW`."""
    return rfc3339(NOW - seconds)


def status_row(name: str, state: str, **fields: Any) -> dict[str, Any]:
    """Return a status row with few fields."""
    known = {"kind": "agent", "running": state == "running", "failed": state == "failed"}
    return {"name": name, "state": state, "unread": 0, **known, **fields}


@pytest.fixture(name="now")
def _now() -> float:
    return NOW


@pytest.fixture(name="row")
def _row() -> Callable[..., dict[str, Any]]:
    return status_row


@pytest.fixture(name="swarm")
def _swarm() -> list[dict[str, Any]]:
    return [
        status_row(
            "damocles",
            "connected",
            kind="peer",
            since=ago(7200),
            last_seen=ago(40),
            unread=1,
            source="socket",
            status_text="day job",
        ),
        status_row(
            "tester",
            "running",
            since=ago(250),
            last_seen=ago(2),
            restarts=1,
            pid=4242,
            source="kernel",
            status_text="pytest -k broker",
        ),
        status_row(
            "hm1nd",
            "running",
            kind="manager",
            since=ago(90000),
            last_seen=ago(1),
            unread=12,
            restarts=0,
            pid=4000,
            source="kernel",
            status_text="planning the next release with everybody",
        ),
        status_row(
            "scout",
            "failed",
            since=ago(660),
            unread=1,
            restarts=3,
            source="kernel",
            reason="killed by the kernel: out of memory",
        ),
        status_row(
            "ops",
            "backoff",
            since=ago(3),
            unread=5,
            restarts=2,
            source="hive",
            reason="exited with status 1",
            next_restart_at=ago(-12),
        ),
        status_row("docs", "stopped", since=ago(90), restarts=0, paused=True, source="hive"),
    ]


@pytest.fixture(name="console")
def _console() -> Callable[..., Console]:
    def make(
        width: int = 100, height: int = 30, *, colour: bool = False, ascii_only: bool = False
    ) -> Console:
        file = StringIO()
        if ascii_only:
            file = _AsciiIO()
        return Console(
            file=file,
            width=width,
            height=height,
            force_terminal=True,
            color_system="standard" if colour else None,
            highlight=False,
            _environ={},
        )

    return make


class _AsciiIO(StringIO):
    encoding = "ascii"


@pytest.fixture(name="draw")
def _draw(console: Callable[..., Console]) -> Callable[..., list[str]]:
    """Return the lines of a renderable, without trailing blanks."""

    def draw(renderable: RenderableType, *, width: int = 100) -> list[str]:
        target = console(width)
        target.print(renderable)
        return [line.rstrip() for line in target.file.getvalue().splitlines()]

    return draw
