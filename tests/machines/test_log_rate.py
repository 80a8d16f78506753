"""The rate of a log: a burst, then a steady flow; of a flood, its number of bytes and its end."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.machines import output_log
from hive.machines.output_log import LineSplitter, OutputLog
from hive.machines.process.log_rate import LogRate

RATE, BURST, TAIL = 100, 1000, 64


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OutputLog:
    monkeypatch.setattr(output_log, "TAIL_BYTES", TAIL)
    return OutputLog(tmp_path / "output.log")


@pytest.fixture
def rate(log: OutputLog) -> LogRate:
    return LogRate(log, RATE, BURST, size=0, at=0.0)


def write(log: OutputLog, size: int, end: str = "") -> None:
    with log.path.open("a") as file:
        file.write("x" * 9 + "\n" if size == 10 else ("y" * 9 + "\n") * (size // 10))
        file.write(end)


def test_a_burst_and_a_steady_flow_are_kept(log: OutputLog, rate: LogRate) -> None:
    write(log, BURST)
    assert not rate.limit(0.0)
    for second in range(1, 100):
        write(log, RATE)
        assert not rate.limit(float(second))
    assert log.size() == BURST + 99 * RATE


def test_of_a_flood_the_number_of_bytes_and_the_end_are_kept(log: OutputLog, rate: LogRate) -> None:
    write(log, 5000, "last words\n")
    assert rate.limit(1.0)
    lines = log.path.read_text().splitlines()
    assert len("\n".join(lines[: BURST // 10])) == BURST - 1
    note, *tail = lines[BURST // 10 :]
    assert tail[-1] == "last words"
    kept = BURST + sum(len(line) + 1 for line in tail)
    assert note == f"[hive] {5011 - kept} bytes dropped: over 100 bytes per second"


def test_a_flood_that_goes_on_has_one_note_with_the_sum(log: OutputLog, rate: LogRate) -> None:
    written = 0
    for tenth in range(1, 50):
        write(log, 3000)
        written += 3000
        assert rate.limit(tenth / 10)
    text = log.path.read_text()
    assert text.count("bytes dropped") == 1
    [note] = [line for line in text.splitlines() if "dropped" in line]
    assert len(text) == written - rate.dropped + len(note) + 1
    assert log.size() < BURST + 50 + 2 * TAIL


def test_after_a_flood_output_is_kept_again(log: OutputLog, rate: LogRate) -> None:
    write(log, 5000)
    assert rate.limit(0.0)
    size = log.size()
    write(log, RATE)
    assert not rate.limit(1.0)
    assert log.size() == size + RATE
    write(log, 5000)
    assert rate.limit(2.0)
    assert log.path.read_text().count("bytes dropped") == 2


def test_output_a_little_above_the_rate_is_limited(log: OutputLog, rate: LogRate) -> None:
    for second in range(200):
        write(log, 2 * RATE)
        rate.limit(float(second))
        notes = [line for line in log.path.read_text().splitlines() if "dropped" in line]
        assert not any(note.startswith(("[hive] 0", "[hive] -")) for note in notes)
    assert notes
    assert log.size() < BURST + 200 * RATE + TAIL + 200 * len(notes)


def test_a_little_above_the_burst_is_no_flood(log: OutputLog, rate: LogRate) -> None:
    write(log, BURST + TAIL // 10 * 10)
    assert not rate.limit(0.0)
    assert "dropped" not in log.path.read_text()


def test_a_rotation_is_no_flood(log: OutputLog, rate: LogRate) -> None:
    write(log, BURST)
    rate.limit(0.0)
    log.path.write_text("")
    assert not rate.limit(1.0)
    write(log, RATE)
    assert not rate.limit(2.0)


def test_what_an_earlier_daemon_has_left_is_not_counted(log: OutputLog) -> None:
    write(log, 50_000)
    assert not LogRate(log, RATE, BURST, size=log.size(), at=0.0).limit(1.0)


def test_a_follower_reads_on_with_the_note(log: OutputLog, rate: LogRate) -> None:
    write(log, 5000)
    splitter = LineSplitter()
    chunk, position = log.read(log.newest(0)[1])
    write(log, 10)
    chunk, position = log.read(position)
    assert splitter.feed(chunk) == ["x" * 9]
    rate.limit(1.0)
    write(log, 0, "after\n")
    chunk, position = log.read(position)
    lines = splitter.feed(chunk)
    assert "bytes dropped" in lines[0]
    assert lines[-1] == "after"
    assert log.read(position)[0] == b""


def test_a_line_that_is_cut_ends_before_the_note(log: OutputLog, rate: LogRate) -> None:
    log.path.write_text("z" * 5000 + "\n")
    rate.limit(0.0)
    first, note, *_ = log.path.read_text().split("\n")
    assert first == "z" * BURST
    assert note.startswith("[hive] ")


@given(st.lists(st.tuples(st.integers(0, 4000), st.floats(0, 5)), max_size=20))
def test_the_log_never_grows_faster_than_its_rate(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, float]]
) -> None:
    log = OutputLog(tmp_path_factory.mktemp("log") / "output.log")
    log.path.touch()
    rate, now = LogRate(log, RATE, BURST, size=0, at=0.0), 0.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output_log, "TAIL_BYTES", TAIL)
        for size, seconds in steps:
            write(log, size)
            now += seconds
            rate.limit(now)
            notes = log.path.read_text().count("bytes dropped")
            assert log.size() <= BURST + RATE * now + 1 + TAIL + notes * 60
