"""The socket by which links are made and sessions are revoked, and how the latter are kept."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hive.errors import FailedError
from hive.web.book_saver import BookSaver
from hive.web.control_socket import ControlSocket
from hive.web.login_sessions import SavedSessions, SessionBook
from hive.web.private_file import PrivateFile

NOW = 1_700_000_000.0


@pytest.fixture(name="book")
def _book() -> SessionBook:
    return SessionBook(86400.0)


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> PrivateFile[SavedSessions]:
    return PrivateFile(tmp_path / "web" / "sessions.json", SavedSessions, "all log in again")


@pytest.fixture(name="path")
async def _path(
    book: SessionBook, file: PrivateFile[SavedSessions], tmp_path: Path
) -> AsyncIterator[Path]:
    saver = BookSaver(book, file)
    made = ControlSocket(book, "https://hive.example.net", lambda: NOW, saver.save)
    await made.open(tmp_path / "web.sock")
    yield tmp_path / "web.sock"
    await made.close()


async def asked(path: Path, line: bytes) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(line)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    found: dict[str, Any] = json.loads(answer) if answer else {}
    return found


async def test_a_link_logs_in_at_the_address_that_browsers_use(
    path: Path, book: SessionBook
) -> None:
    answer = await asked(path, b'{"cmd":"login_link"}\n')
    where, _, token = answer["url"].partition("?token=")
    assert (answer["ok"], where) == (True, "https://hive.example.net/login")
    assert book.log_in(token, "Firefox", NOW)


async def test_sessions_are_listed_without_what_lets_anybody_in(
    path: Path, book: SessionBook
) -> None:
    cookie = book.log_in(book.new_link(NOW), "Firefox", NOW, "192.0.2.7")
    answer = await asked(path, b'{"cmd":"sessions"}\n')
    [row] = answer["sessions"]
    assert (row["id"], row["browser"], row["address"]) == (1, "Firefox", "192.0.2.7")
    session = book.find(cookie, NOW)
    assert session is not None
    for secret in (cookie, session.digest, session.secret):
        assert secret not in json.dumps(answer)


async def test_a_revoked_session_is_gone_from_the_disk_when_that_is_answered(
    path: Path, book: SessionBook, file: PrivateFile[SavedSessions]
) -> None:
    for _ in range(3):
        book.log_in(book.new_link(NOW), "Firefox", NOW)
    assert (await asked(path, b'{"cmd":"revoke","id":2}\n'))["revoked"] == 1
    assert [each.id for each in (await asyncio.to_thread(file.read)).sessions] == [1, 3]
    answer = await asked(path, b'{"cmd":"revoke","id":2}\n')
    assert (answer["ok"], answer["code"]) == (False, "not_found")
    assert (await asked(path, b'{"cmd":"revoke"}\n'))["revoked"] == 2
    assert (await asyncio.to_thread(file.read)).sessions == ()


@pytest.mark.parametrize(
    "line",
    [b"{}\n", b"no JSON\n", b'{"cmd":"sesions"}\n', b'{"cmd":"revoke","id":"1"}\n', b"[]\n"],
)
async def test_what_is_no_request_is_refused_with_a_sentence(path: Path, line: bytes) -> None:
    answer = await asked(path, line)
    assert (answer["ok"], answer["code"]) == (False, "bad_request")
    assert answer["error"]


async def test_half_a_line_and_one_that_is_too_long_do_nothing(
    path: Path, book: SessionBook
) -> None:
    book.log_in(book.new_link(NOW), "Firefox", NOW)
    assert await asked(path, b'{"cmd":"revoke"}') == {}
    assert await asked(path, b'{"cmd":"revoke","req":"' + b"x" * 10_000 + b'"}\n') == {}
    assert len(book.all(NOW)) == 1


async def test_what_cannot_be_saved_is_an_error_and_is_tried_again(
    path: Path, book: SessionBook, file: PrivateFile[SavedSessions]
) -> None:
    book.log_in(book.new_link(NOW), "Firefox", NOW)
    await asyncio.to_thread(file.path.parent.write_text, "no directory")
    answer = await asked(path, b'{"cmd":"revoke","id":1}\n')
    assert (answer["ok"], answer["code"]) == (False, "failed")
    assert "cannot be written" in answer["error"]
    await asyncio.to_thread(file.path.parent.unlink)
    assert (await asked(path, b'{"cmd":"sessions"}\n'))["ok"]
    assert (await asyncio.to_thread(file.read)).sessions == ()


async def test_one_write_at_a_time_and_the_last_state_wins(
    book: SessionBook, file: PrivateFile[SavedSessions]
) -> None:
    saver = BookSaver(book, file)
    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            book.log_in(book.new_link(NOW), "Firefox", NOW)
            group.create_task(saver.save())
            await asyncio.sleep(0)
    assert len((await asyncio.to_thread(file.read)).sessions) == 10
    assert await asyncio.to_thread(os.listdir, file.path.parent) == ["sessions.json"]


class SlowFile:
    """A file that is written when the test says so."""

    def __init__(self, outcome: Exception | None) -> None:
        self.begun, self.goes_on = threading.Event(), threading.Event()
        self.written: list[SavedSessions] = []
        self._outcome = outcome

    def write(self, value: SavedSessions) -> None:
        """Write when the test says so, or fail."""
        self.begun.set()
        assert self.goes_on.wait(10)
        if self._outcome is not None and not self.written:
            self.written.append(SavedSessions())
            raise self._outcome
        self.written.append(value)


@pytest.mark.parametrize("outcome", [None, FailedError("the disk is full")])
async def test_a_write_whose_caller_was_cancelled_ends_before_the_next(
    book: SessionBook, outcome: Exception | None
) -> None:
    file = SlowFile(outcome)
    saver = BookSaver(book, file)  # type: ignore[arg-type]
    book.log_in(book.new_link(NOW), "Firefox", NOW)
    first = asyncio.create_task(saver.save())
    await asyncio.to_thread(file.begun.wait, 10)
    first.cancel()
    await asyncio.sleep(0)
    second = asyncio.create_task(saver.save())
    await asyncio.sleep(0)
    assert file.written == [], "the thread goes on"
    file.goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert len(file.written[-1].sessions) == 1
    assert len(file.written) == (1 if outcome is None else 2), "a failed one is written again"


def test_a_file_is_for_its_user_alone_and_replaced_whole(
    file: PrivateFile[SavedSessions],
) -> None:
    assert file.read() == SavedSessions()
    file.write(SavedSessions(7))
    first = file.path.stat()
    file.write(SavedSessions(8))
    assert file.read() == SavedSessions(8)
    assert stat.S_IMODE(first.st_mode) == 0o600
    assert file.path.stat().st_ino != first.st_ino


def test_a_file_that_is_none_says_what_to_do(file: PrivateFile[SavedSessions]) -> None:
    file.write(SavedSessions())
    file.path.write_bytes(b"[")
    with pytest.raises(FailedError, match=r"sessions.json cannot be read .*; remove it, and all"):
        file.read()
