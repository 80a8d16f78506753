"""Splitting of bytes into lines: whole, in order, and only up to a newline."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hive.wire.framing import LineBuffer, TooLong


def feed_in_pieces(buffer: LineBuffer, data: bytes, cuts: list[int]) -> list[bytes | TooLong]:
    offsets = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    lines: list[bytes | TooLong] = []
    for start, end in pairwise(offsets):
        lines += buffer.feed(data[start:end])
    return lines


@given(
    lines=st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b"")), max_size=8),
    tail=st.binary(max_size=10).map(lambda b: b.replace(b"\n", b"")),
    cuts=st.lists(st.integers(0, 500), max_size=12),
)
def test_lines_do_not_depend_on_the_pieces(
    lines: list[bytes], tail: bytes, cuts: list[int]
) -> None:
    data = b"".join(line + b"\n" for line in lines) + tail
    buffer = LineBuffer(limit=100)
    assert feed_in_pieces(buffer, data, cuts) == lines
    assert buffer.pending == len(tail)


@given(
    sizes=st.lists(st.integers(0, 25), max_size=8), cuts=st.lists(st.integers(0, 300), max_size=12)
)
def test_a_long_line_is_reported_once_and_skipped(sizes: list[int], cuts: list[int]) -> None:
    data = b"".join(b"x" * size + b"\n" for size in sizes)
    expected = [TooLong(10) if size > 10 else b"x" * size for size in sizes]
    assert feed_in_pieces(LineBuffer(limit=10), data, cuts) == expected


def test_no_bytes_make_no_line() -> None:
    buffer = LineBuffer()
    assert buffer.feed(b"") == []
    assert buffer.feed(b"\n") == [b""]


def test_a_line_without_newline_is_never_returned() -> None:
    buffer = LineBuffer()
    assert buffer.feed(b'{"cmd":"shutdown"}') == []


def test_memory_stays_bounded_while_a_long_line_arrives() -> None:
    buffer = LineBuffer(limit=1000)
    reported = sum(len(buffer.feed(b"y" * 700)) for _ in range(1000))
    assert reported == 1
    assert buffer.pending <= 1000
    assert buffer.feed(b"\nok\n") == [b"ok"]
