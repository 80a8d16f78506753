"""Logs of agents: newest lines, printable text, following, rotation."""

import errno
import os
import re
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.machines import output_log
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
        (b"\x1b]0;never ended", ["0;never ended"]),
        (b"\x1b]0;cut\x1b[31mred\x07", ["0;cutred"]),
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
    log.rotate()
    since, now = log.size(), time.time_ns()
    assert log.last_lines_of_run(5, since, now) == ()
    write(log, "now\n")
    assert log.last_lines_of_run(5, since, now) == ("now",)


def test_lines_of_an_earlier_run_in_the_older_file_are_left_out(log: OutputLog) -> None:
    write(log, "earlier\n" * 20)
    assert log.rotate()
    os.utime(log.older, ns=(1, 1))
    write(log, "now\n")
    assert log.last_lines_of_run(5, 0, 2) == ("now",)


@pytest.mark.parametrize("after", ["", "later\n" * 15])
def test_a_rotation_in_the_run_does_not_hide_its_last_lines(log: OutputLog, after: str) -> None:
    write(log, "earlier\n")
    since, now = log.size(), 1
    write(log, "x" * 100 + "\nthe cause: boom\n")
    assert log.rotate()
    write(log, after)
    count = after.count("later")
    last = log.last_lines_of_run(count + 2, since, now)
    assert last == ("x" * 100, "the cause: boom", *["later"] * count)


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


def test_a_reader_that_is_two_rotations_behind_is_told_and_continues_with_the_oldest_line(
    log: OutputLog,
) -> None:
    _, position = log.newest(0)
    for line in ("a", "b"):
        write(log, line * 150 + "\n")
        log.rotate()
    write(log, "now\n")
    splitter, lines = LineSplitter(), []
    for _ in range(3):
        chunk, position = log.read(position)
        lines += splitter.feed(chunk)
    assert lines[0].startswith("[hive] output was skipped")
    assert lines[1:] == ["b" * 150, "now"]


def test_a_reader_of_a_log_that_was_not_kept_as_a_whole_is_told(log: OutputLog) -> None:
    _, position = log.newest(0)
    write(log, "lost\n" * 60 + "kept\n" * 20)
    log.rotate()
    splitter, lines = LineSplitter(), []
    for _ in range(3):
        chunk, position = log.read(position)
        lines += splitter.feed(chunk)
    assert (
        lines
        == ["[hive] output was skipped: its log was rotated before it was read"] + ["kept"] * 20
    )


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


def no_room(*given: object, **named: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_log_for_whose_copy_there_is_no_room_is_cut(
    log: OutputLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_log, "TAIL_BYTES", 20)
    log.older.parent.mkdir()
    log.older.write_text("older\n")
    write(log, "lost\n" * 100 + "kept\n" * 4)
    monkeypatch.setattr(output_log, "_copy", no_room)
    assert log.rotate()
    note, *kept = log.path.read_text().splitlines()
    assert note == f"[hive] 505 bytes dropped: no copy, {os.strerror(errno.ENOSPC)}"
    assert kept == ["kept"] * 3
    assert log.older.read_text() == "older\n"
    assert sorted(path.name for path in log.path.parent.iterdir()) == ["output.log", "output.log.1"]


def test_a_follower_is_told_of_a_log_that_was_cut(
    log: OutputLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_log, "TAIL_BYTES", 20)
    write(log, "seen\n")
    _, position = log.newest(0)
    write(log, "lost\n" * 100 + "kept\n" * 4)
    monkeypatch.setattr(output_log, "_copy", no_room)
    assert log.rotate()
    write(log, "next\n")
    lines = LineSplitter().feed(log.read(position)[0])
    assert "bytes dropped" in lines[0]
    assert lines[1:] == ["kept"] * 3 + ["next"]


def test_a_rotation_that_was_interrupted_leaves_no_copy(log: OutputLog) -> None:
    write(log, "short\n")
    half = log.path.with_name("output.log.1.new")
    half.write_text("half a copy")
    assert not log.rotate()
    assert not half.exists()


@pytest.mark.parametrize("syscall", ["replace", "unlink"])
def test_a_rotation_that_fails_anywhere_can_be_repeated(
    log: OutputLog, monkeypatch: pytest.MonkeyPatch, syscall: str
) -> None:
    write(log, "x" * 150 + "\nend\n")
    with monkeypatch.context() as failing:
        failing.setattr(Path, syscall, no_room)
        with suppress(OSError):
            log.rotate()
    assert log.last_lines(1) == ("end",)
    write(log, "y" * 150 + "\nlast\n")
    assert log.rotate()
    assert log.last_lines(1) == ("last",)


# What an agent prints while its log is cut


@pytest.mark.parametrize("size", [10, CHUNK_BYTES, 3 * CHUNK_BYTES])
def test_what_is_printed_while_output_is_dropped_stays_the_end_of_the_log(
    log: OutputLog, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    write(log, "flood\n" * 60_000)
    late, pwrite = iter([f"{'z' * size}\nlate\n", "the cause: boom\n"]), os.pwrite

    def pwrite_while_it_prints(file: int, data: bytes, offset: int) -> int:
        if (text := next(late, None)) is not None:
            write(log, text)
        return pwrite(file, data, offset)

    monkeypatch.setattr(output_log.os, "pwrite", pwrite_while_it_prints)
    log.drop_after(0, lambda count: f"{count} dropped")
    assert log.last_lines(2) == ("late", "the cause: boom")
    lines = log.path.read_text().splitlines()
    assert re.fullmatch(r"\[hive\] \d+ dropped", lines[0])
    assert lines.count("z" * size) == 1
    assert set(lines[1:-3]) == {"flood"}


def test_what_is_printed_while_a_log_is_rotated_is_in_the_older_file(
    log: OutputLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(log, "x" * 101 + "\n")
    replace = Path.replace

    def replace_while_it_prints(path: Path, target: Path) -> Path:
        write(log, "the cause: boom\n")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", replace_while_it_prints)
    assert log.rotate()
    assert log.last_lines(1) == ("the cause: boom",)
    assert log.size() == 0
