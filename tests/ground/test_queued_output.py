"""Output behind a queue: nobody waits for a reader, and each gap has its number of lines."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from threading import Event, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.queued_output import (
    UNREAD,
    BoundedOutput,
    QueuedLogHandler,
    QueuedOutput,
    descriptor_stream,
    missing,
    write_all,
)

GAP = "[hive] lines missing here: "


class Reader:
    """The far end of an output: it takes nothing until it is released, and may fail."""

    def __init__(self) -> None:
        self.got = b""
        self.entered = Event()
        self.released = Event()
        self.error: OSError | None = None

    def __call__(self, data: bytes) -> None:
        self.entered.set()
        assert self.released.wait(20)
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        self.got += data

    def lines(self) -> list[str]:
        return self.got.decode().splitlines()


@pytest.fixture
def reader() -> Iterator[Reader]:
    found = Reader()
    yield found
    found.released.set()


def accounted(lines: list[str]) -> int:
    """Return the number of lines that were shown or counted."""
    return sum(int(line.removeprefix(GAP).split(";")[0]) if GAP in line else 1 for line in lines)


def test_a_reader_that_reads_gets_every_line(reader: Reader) -> None:
    reader.released.set()
    output = QueuedOutput(reader)
    for number in range(100):
        output.put_line(str(number))
    output.close(20)
    assert reader.lines() == [str(number) for number in range(100)]


def test_output_that_nobody_reads_holds_nobody_up_and_is_counted(reader: Reader) -> None:
    output = QueuedOutput(reader, limit=1000)
    output.put_line("first")
    assert reader.entered.wait(20)
    for number in range(10_000):  # returns, although the reader takes nothing
        output.put_line(f"{number:09}")
    reader.released.set()
    output.close(20)
    first, *kept, gap = reader.lines()
    assert first == "first"
    assert kept == [f"{number:09}" for number in range(100)]
    assert gap == f"{GAP}9900; {UNREAD}"


def test_output_goes_on_after_a_gap(reader: Reader) -> None:
    output = BoundedOutput(limit=10)
    output.put(b"one\n")
    output.put(b"too long for it\n")
    output.put(b"2\n")  # would fit, but comes after what was dropped
    assert output.take() == b"one\n" + missing(2, UNREAD)
    output.put(b"three\n")
    assert output.take() == b"three\n"


def test_the_number_of_dropped_lines_does_not_wait_for_further_output() -> None:
    output = BoundedOutput(limit=4)
    output.put(b"one\n")
    output.put(b"two\n")
    assert (output.take() or b"").endswith(missing(1, UNREAD))


def test_a_gap_within_a_line_begins_a_line() -> None:
    output = BoundedOutput(limit=4)
    output.put(b"half")
    output.put(b" and half\n")
    assert output.take() == b"half\n" + missing(1, UNREAD)


@given(st.lists(st.integers(0, 12), max_size=40), st.sets(st.integers(0, 39)))
def test_each_line_is_written_or_counted(sizes: list[int], takes: set[int]) -> None:
    output, got = BoundedOutput(limit=20), b""
    for turn, size in enumerate(sizes):
        output.put(b"x" * size + b"\n")
        if turn in takes:
            got += output.take() or b""
    output.close()
    while (rest := output.take()) is not None:
        got += rest
    assert accounted(got.decode().splitlines()) == len(sizes)


def test_what_could_not_be_written_is_counted_before_what_could(reader: Reader) -> None:
    reader.released.set()
    reader.error = OSError(28, "No space left on device")
    output = QueuedOutput(reader)
    output.put(b"one\ntwo\n")
    assert reader.entered.wait(20)
    while reader.error is not None:  # until the thread has tried
        reader.released.wait(0.001)
    output.put_line("three")
    output.close(20)
    assert reader.lines() == [f"{GAP}2; No space left on device", "three"]


def test_a_stuck_reader_does_not_keep_a_program_from_its_end(reader: Reader) -> None:
    output = QueuedOutput(reader)
    output.put_line("never read")
    assert reader.entered.wait(20)
    output.close(0)
    assert reader.got == b""


def test_log_records_go_to_the_output_in_one_piece(reader: Reader) -> None:
    reader.released.set()
    output = QueuedOutput(reader)
    handler = QueuedLogHandler(output)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    record = logging.LogRecord("x", logging.ERROR, "", 0, "a %s", ("b",), None)
    handler.handle(record)
    output.close(20)
    assert reader.lines() == ["ERROR a b"]


def test_a_stream_without_a_descriptor_is_written_to_itself() -> None:
    stream = io.StringIO()
    output = QueuedOutput.of(stream)
    output.put_line("text")
    output.close(20)
    assert stream.getvalue() == "text\n"


def test_characters_that_an_output_cannot_encode_are_escapes(reader: Reader) -> None:
    reader.released.set()
    output = QueuedOutput(reader, "ascii")
    output.put_line("●")
    output.close(20)
    assert reader.lines() == ["\\u25cf"]


def test_a_descriptor_that_others_made_non_blocking_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    data = bytes(range(256)) * 4096
    thread = Thread(target=write_all, args=(writing, data))
    thread.start()
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a descriptor
        assert pipe.read(len(data)) == data
    thread.join(20)
    os.close(writing)


def test_a_descriptor_stream_writes_at_once(tmp_path) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        second = descriptor_stream(stream)
        second.write("é")
        assert (tmp_path / "out").read_bytes() == b"\\xe9"
        second.close()
        stream.write("still open")


STUCK = """
import logging
from hive.harness.programs import write_to_stderr
from hive.queued_output import log_to_stderr
log_to_stderr(logging.INFO, "%(message)s")
for _ in range(100):
    write_to_stderr(b"x" * 10_000 + b"\\n")
    logging.error("a log record")
print("done")
"""


def test_a_harness_whose_standard_error_nobody_reads_goes_on_and_ends() -> None:
    reading, writing = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-c", STUCK],
            stdout=subprocess.PIPE,
            stderr=writing,
            timeout=30,
            check=False,
        )
    finally:
        os.close(writing)
        os.close(reading)
    assert (done.returncode, done.stdout) == (0, b"done\n")
