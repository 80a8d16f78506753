"""Logs of agents: newest lines, printable text, following, rotation."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.machines.output_log import CHUNK_BYTES, TAIL_BYTES, LineSplitter, OutputLog, clean_lines


@pytest.fixture
def log(tmp_path: Path) -> OutputLog:
    return OutputLog(tmp_path / "logs" / "output.log", limit=100)


def write(log: OutputLog, text: str | bytes) -> None:
    log.path.parent.mkdir(exist_ok=True)
    with log.path.open("ab") as file:
        file.write(text.encode() if isinstance(text, str) else text)


@pytest.mark.parametrize(
    ("output", "lines"),
    [
        (b"one\ntwo\n", ["one", "two"]),
        (b"no newline", ["no newline"]),
        (b"\n  \n\nafter blank\n", ["after blank"]),
        (b"\x1b[1;31mred\x1b[0m and \x1b[2Kplain", ["red and plain"]),
        (b"\x1b]0;title\x07text \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", ["text link"]),
        (b"\x1b(Bcharset\x1b=", ["charset"]),
        (b"10%\r50%\r100%\r\ndone\r\n", ["100%", "done"]),
        (b"bell\x07 null\x00 del\x7f", ["bell null del"]),
        (b"tab\tseparated", ["tab    separated"]),
        ("right\u202eto left".encode(), ["rightto left"]),
        ("grüße 蜂".encode(), ["grüße 蜂"]),
        (b"bad \xff byte", ["bad \N{REPLACEMENT CHARACTER} byte"]),
    ],
)
def test_lines_are_made_safe_to_read(output: bytes, lines: list[str]) -> None:
    assert clean_lines(output) == lines


@given(st.binary())
def test_the_lines_of_any_output_are_printable(output: bytes) -> None:
    assert all(line and line.isprintable() for line in clean_lines(output))


@given(st.lists(st.binary(min_size=1), max_size=20))
def test_lines_do_not_depend_on_the_chunks_of_output(chunks: list[bytes]) -> None:
    splitter = LineSplitter()
    lines = [line for chunk in [*chunks, b"\n"] for line in splitter.feed(chunk)]
    assert lines == clean_lines(b"".join(chunks) + b"\n")


def test_a_very_long_line_is_cut() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"x" * (CHUNK_BYTES - 1)) == []
    assert splitter.feed(b"x") == ["x" * CHUNK_BYTES]


def test_a_missing_log_has_no_lines(log: OutputLog) -> None:
    assert log.last_lines(5) == ()
    assert log.size() == 0
    assert not log.rotate()
    lines, position = log.newest(5)
    assert lines == ()
    assert log.read(position) == (b"", position)


def test_the_last_lines_are_the_newest_oldest_first(log: OutputLog) -> None:
    write(log, "one\ntwo\nthree\nfour without end")
    assert log.last_lines(2) == ("three", "four without end")
    assert log.last_lines(0) == ()
    assert log.last_lines(9) == ("one", "two", "three", "four without end")


def test_only_the_end_of_a_large_log_is_read(log: OutputLog) -> None:
    write(log, "".join(f"line {number}\n" for number in range(20_000)))
    lines = log.last_lines(20_000)
    assert lines[-1] == "line 19999"
    assert TAIL_BYTES - 20 < sum(len(line) + 1 for line in lines) <= TAIL_BYTES
    assert lines[0].startswith("line ")


def test_lines_of_an_earlier_run_are_left_out(log: OutputLog) -> None:
    write(log, "earlier\n")
    since = log.size()
    assert log.last_lines(5, since=since) == ()
    write(log, "now\n")
    assert log.last_lines(5, since=since) == ("now",)


def test_a_log_over_the_limit_is_rotated_to_one_older_file(log: OutputLog) -> None:
    for generation in "abc":
        write(log, generation * 100)
        assert not log.rotate()
        write(log, "\n")
        assert log.rotate()
        assert log.size() == 0
        assert log.older.read_text() == generation * 100 + "\n"
    assert sorted(path.name for path in log.path.parent.iterdir()) == ["output.log", "output.log.1"]


def test_a_process_with_the_log_open_writes_to_the_new_file(log: OutputLog) -> None:
    agent = log.open()
    os.write(agent, b"x" * 101 + b"\n")
    log.rotate()
    os.write(agent, b"after\n")
    os.close(agent)
    assert log.path.read_text() == "after\n"


def test_the_last_lines_include_those_of_the_older_file(log: OutputLog) -> None:
    write(log, "old\n" * 30)
    log.rotate()
    write(log, "new\n")
    assert log.last_lines(3) == ("old", "old", "new")
    assert log.last_lines(3, since=50) == ("new",)


def test_reading_on_misses_and_repeats_nothing_across_a_rotation(log: OutputLog) -> None:
    write(log, "seen\nunfinished")
    lines, position = log.newest(5)
    assert lines == ("seen",)
    write(log, " line\n" + "x" * 100 + "\n")
    log.rotate()
    write(log, "new\n")
    read = b""
    while True:
        chunk, position = log.read(position)
        if not chunk:
            break
        read += chunk
    assert read == b"unfinished line\n" + b"x" * 100 + b"\nnew\n"


def test_a_reader_that_is_two_rotations_behind_continues_with_the_oldest_line(
    log: OutputLog,
) -> None:
    _, position = log.newest(0)
    for line in ("a", "b"):
        write(log, line * 200 + "\n")
        log.rotate()
    write(log, "now\n")
    assert log.read(position)[0] == b"now\n"


def test_a_truncated_log_is_read_from_its_beginning(log: OutputLog) -> None:
    write(log, "before\n")
    _, position = log.newest(0)
    log.path.write_text("new\n")
    assert log.read(position)[0] == b"new\n"


def test_a_note_is_a_line_of_the_log(log: OutputLog) -> None:
    log.note("killed something")
    assert log.last_lines(1) == ("[hive] killed something",)


def test_a_log_is_not_opened_through_a_symbolic_link(log: OutputLog, tmp_path: Path) -> None:
    write(log, "")
    log.path.unlink()
    log.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        log.open()
    assert not (tmp_path / "elsewhere").exists()


def test_others_cannot_read_a_log_nor_its_copy(log: OutputLog) -> None:
    before = os.umask(0)
    try:
        log.note("x" * 200)
        assert log.rotate()
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (log.path, log.older)] == [0o640, 0o640]
    assert not log.path.parent.stat().st_mode & 0o027
