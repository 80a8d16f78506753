"""What an agent's turns took, as bars over time. Pure.

A page draws them as SVG whose shapes have attributes and classes only: its Content-Security-Policy
allows no style in an element.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from hive.clock import DAY
from hive.view.agent_cells import count_words
from hive.view.row_fields import stamp
from hive.view.text import span

Row = Mapping[str, Any]

PLOTTED_TURNS = 1000
"""Turns that are looked at, the newest; host.sock returns no more at once."""

HOUR = 3600.0

WIDTH, HEIGHT = 480, 80
"""Size of the area of the bars, in units of the SVG."""

GAP = 2
"""Units between two bars."""


@frozen
class Bar:
    """What happened in one span of time.

    Attributes:
        x: Left edge, in units of the SVG.
        y: Upper edge.
        width: Width.
        height: Height.
        words: Time and value, for people.
    """

    x: float
    y: float
    width: float
    height: float
    words: str


@frozen
class Plot:
    """One quantity over time.

    Attributes:
        title: What it is.
        total: The sum, in words.
        most: The largest bar, in words.
        bars: The bars, the oldest first; spans without anything have none.
    """

    title: str
    total: str
    most: str
    bars: tuple[Bar, ...]


@frozen
class PlotWindow:
    """All plots of a length of time.

    Attributes:
        title: The length.
        begins: When it begins, in words.
        plots: The plots.
        is_cut: Whether there were earlier turns in it than those that were looked at.
    """

    title: str
    begins: str
    plots: tuple[Plot, ...]
    is_cut: bool


def _tokens(row: Row) -> float:
    keys = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    return sum(_number(row, key) for key in keys)


def _number(row: Row, key: str) -> float:
    value = row.get(key)
    return float(value) if isinstance(value, int | float) and value > 0 else 0.0


def _money(value: float) -> str:
    return f"${value:.2f}"


def _whole(value: float) -> str:
    return f"{value:.0f}"


QUANTITIES: Sequence[tuple[str, Callable[[Row], float], Callable[[float], str]]] = (
    ("turns", lambda row: 1.0, _whole),
    ("failed turns", lambda row: float(row.get("outcome") == "failed"), _whole),
    ("time in turns", lambda row: _number(row, "seconds"), span),
    ("tokens", _tokens, count_words),
    ("cost", lambda row: _number(row, "cost_usd"), _money),
)
"""What is plotted: its name, its value of a turn, and a value in words."""

WINDOWS = (("24 hours", DAY, HOUR), ("7 days", 7 * DAY, 6 * HOUR))
"""The lengths of time, each with that of one bar, in seconds."""


def plots(turns: Sequence[Row], now: float) -> list[PlotWindow]:
    """Return the plots of turns that ended.

    Args:
        turns: The newest turns, the newest last.
        now: Wall time in seconds.
    """
    return [_window(turns, now, *window) for window in WINDOWS]


def _window(turns: Sequence[Row], now: float, title: str, length: float, step: float) -> PlotWindow:
    ends = (now // step + 1) * step
    begins = ends - length
    timed = [(at, row) for row in turns if (at := stamp(row, "ended_at")) is not None]
    inside = [(int((at - begins) // step), row) for at, row in timed if begins <= at < ends]
    is_cut = len(turns) >= PLOTTED_TURNS and len(inside) == len(timed)
    made = tuple(
        _plot(name, ((at, value(row)) for at, row in inside), words, (begins, step, length))
        for name, value, words in QUANTITIES
    )
    return PlotWindow(title, _clock(begins), made, is_cut)


def _plot(
    title: str,
    values: Iterable[tuple[int, float]],
    words: Callable[[float], str],
    scale: tuple[float, float, float],
) -> Plot:
    begins, step, length = scale
    sums: dict[int, float] = {}
    for at, value in values:
        sums[at] = sums.get(at, 0.0) + value
    most = max(sums.values(), default=0.0)
    width = WIDTH * step / length
    bars = tuple(
        Bar(
            round(at * width, 2),
            round(HEIGHT * (1 - value / most), 2),
            round(width - GAP, 2),
            round(HEIGHT * value / most, 2),
            f"{_clock(begins + at * step)}: {words(value)}",
        )
        for at, value in sorted(sums.items())
        if value
    )
    return Plot(title, words(sum(sums.values())), words(most), bars)


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%a %H:%MZ")
