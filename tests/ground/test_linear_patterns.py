"""Every pattern of the project needs linear time, whatever text an agent makes for it.

A pattern that backtracks needs a second for some ten thousand characters, and holds the loop's
thread and the interpreter meanwhile. Sizes are compared within one run: a text that is `GROWTH`
times as long may take `TOLERATED` times as long, where a quadratic pattern takes `GROWTH` squared.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import time
from collections.abc import Callable, Iterator

import pytest

import hive
from hive.escapes import block, inline
from hive.machines.output_log import LineSplitter, clean_lines

SIZE, GROWTH, TOLERATED = 1_000, 16, 64

LEAST = 0.0005
"""Seconds below which a time says nothing."""

ROUNDS = 3

PUMPS = (
    "\x1b]", "\x1b[", "\x1b[0;", "\x1b", "\x1b ", "\x1bP\x1b", "\x1b]0;x\x1b", "\x9b", "\r", "\t",
    " ", "0", "9.", "a", "a0", "-", "_", ".", ":", "\\:", "\\", "(", "()", "[", "[a]", "[a](", "=",
    "export ", "h", "@", "x@", "/", "refs/", "rc1", "~", "+", "%", "é", "\u202e", "systemd ",
    "Container x terminated by signal ", "[ 1.1] hive-agent[1]: ", "[ 1.", "ref: ", "(at line 1",
)  # fmt: skip
"""Texts that are repeated; each goes with each pattern."""


Use = Callable[[str], object]


def uses() -> Iterator[tuple[str, Use]]:
    """Yield all uses of the patterns of `hive`, named `module.PATTERN.method`."""
    for found in pkgutil.walk_packages(hive.__path__, "hive."):
        if found.name.endswith("__main__"):
            continue
        module = importlib.import_module(found.name)
        source = inspect.getsource(module)
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                for method in sorted(set(re.findall(rf"\b{name}\.([a-z]+)\(", source))):
                    yield f"{found.name}.{name}.{method}", use_of(value, method)


def use_of(pattern: re.Pattern[str], method: str) -> Use:
    bound = getattr(pattern, method)
    match method:
        case "sub":
            return lambda text: bound("", text)
        case "finditer":
            return lambda text: list(bound(text))
        case _:
            return bound


FOUND = dict(uses())


def growth_of(use: Use, pump: str) -> float:
    """Return by how much the time grows with the length; the least of some rounds."""
    texts = [(pump * (size // len(pump) + 1))[:size] + "\n!" for size in (SIZE, SIZE * GROWTH)]
    least = float("inf")
    for _ in range(ROUNDS):
        short, long = (seconds(use, text) for text in texts)
        least = min(least, long / max(short, LEAST))
        if least < TOLERATED:
            break
    return least


def seconds(use: Use, text: str) -> float:
    begin = time.thread_time()
    use(text)
    return time.thread_time() - begin


def check(use: Use) -> None:
    """Fail if the time of a use is not linear for one of the texts."""
    for pump in PUMPS:
        growth = growth_of(use, pump)
        assert growth < TOLERATED, f"{pump!r}: {GROWTH} times the text, {growth:.0f} times the time"


@pytest.mark.parametrize("name", FOUND)
def test_a_pattern_needs_linear_time(name: str) -> None:
    check(FOUND[name])


@pytest.mark.parametrize(
    "use",
    [
        lambda text: clean_lines(text.encode()),
        lambda text: clean_lines(text.replace("\n", "").encode()),
        lambda text: LineSplitter().feed(text.encode()),
        inline,
        block,
    ],
    ids=["lines", "one line", "split", "inline", "block"],
)
def test_making_output_safe_needs_linear_time(use: Use) -> None:
    check(use)


def test_a_line_that_comes_in_many_pieces_needs_linear_time() -> None:
    def feed(text: str) -> None:
        splitter = LineSplitter()
        for piece in range(0, len(text), 64):
            splitter.feed(text[piece : piece + 64].encode())

    check(feed)


def test_this_would_find_the_pattern_that_held_the_loop() -> None:
    backtracking = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\)")
    assert growth_of(use_of(backtracking, "sub"), "\x1b]") > TOLERATED


def test_patterns_are_found() -> None:
    expected = {"hive.machines.output_log._ESCAPES.sub", "hive.escapes._UNSAFE.sub"}
    assert expected <= FOUND.keys()
