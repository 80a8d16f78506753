"""How a program with verbs ends: its exit status, and what it reports."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from hive.errors import BROKEN_PIPE, INTERRUPTED, ExitStatus, UnknownNameError
from hive.program_ends import ended_with

GONE = UnknownNameError("there is no bob")


def end(cause: BaseException) -> tuple[int, list[object]]:
    """Return how a program ends that this ends, and what it reported."""

    def run() -> int:
        raise cause

    reported: list[object] = []
    return ended_with(run, reported.append), reported


def test_a_verb_that_returns_a_status_ends_with_it() -> None:
    assert ended_with(lambda: 3, pytest.fail) == 3


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (SystemExit(BROKEN_PIPE), BROKEN_PIPE),
        (SystemExit(), ExitStatus.OK),
        (KeyboardInterrupt(), INTERRUPTED),
    ],
    ids=repr,
)
def test_some_ends_need_no_words(cause: BaseException, status: int) -> None:
    assert end(cause) == (status, [])


def test_an_error_of_the_hive_has_its_own_status_and_sentence() -> None:
    assert end(GONE) == (ExitStatus.UNKNOWN_NAME, [GONE])


@pytest.fixture(name="spare")
def _spare(tmp_path: Path) -> Iterator[TextIO]:
    """An output that the program may discard."""
    with (tmp_path / "output").open("w") as opened:
        yield opened


def test_a_reader_that_has_gone_ends_it_quietly(
    spare: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", spare)

    assert end(BrokenPipeError(errno.EPIPE, "Broken pipe")) == (BROKEN_PIPE, [])


def test_an_output_that_cannot_be_written_is_reported(
    spare: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", spare)

    status, [sentence] = end(OSError(errno.ENOSPC, "No space left on device"))

    assert status == ExitStatus.FAILED
    assert sentence == "the output cannot be written: No space left on device"
