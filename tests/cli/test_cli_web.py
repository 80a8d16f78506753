"""The verbs of the dashboard, against a socket that answers as it does."""

from __future__ import annotations

import json
import socketserver
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from hive.clock import rfc3339
from hive.errors import ExitStatus, HiveError, NotFoundError
from hive.wire.codec import encode_error, encode_ok


def session_row() -> dict[str, Any]:
    """Return a session that began two hours ago."""
    now = time.time()
    return {
        "id": 3,
        "browser": "Firefox\x1b[2J",
        "address": "192.0.2.7",
        "began": rfc3339(now - 7200),
        "seen": rfc3339(now - 60),
        "ends": rfc3339(now + 86400 * 5 + 60),
    }


class FakeDashboard(socketserver.ThreadingUnixStreamServer):
    """What it was asked, and what it answers."""

    def __init__(self, path: Path) -> None:
        self.requests: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = [session_row()]
        super().__init__(str(path), _Asked)

    def answer(self, request: dict[str, Any]) -> bytes:
        self.requests.append(request)
        try:
            return encode_ok(**self._fields(request))
        except HiveError as error:
            return encode_error(error)

    def _fields(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["cmd"] == "login_link":
            return {"url": "https://hive.example.net/login?token=abc"}
        if request["cmd"] == "sessions":
            return {"sessions": self.rows}
        if request.get("id") not in {None, 3}:
            raise NotFoundError(f"there is no session {request['id']}")
        return {"revoked": 1}


class _Asked(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(self.server.answer(json.loads(line)))


@pytest.fixture(name="web")
def _web(run_dir: Path) -> Iterator[FakeDashboard]:
    directory = Path(f"{run_dir}-web")
    directory.mkdir()
    server = FakeDashboard(directory / "web.sock")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_link_is_all_that_is_printed(hive: Any, web: FakeDashboard) -> None:
    ran = hive("web-login")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == "https://hive.example.net/login?token=abc\n"


def test_a_person_reads_how_long_it_works(terminal: Any, web: FakeDashboard) -> None:
    shell = terminal("web-login")
    assert shell.end() == 0
    assert "It works once, within ten minutes." in shell.seen


def test_sessions_are_lines_with_what_a_browser_says_as_text(hive: Any, web: FakeDashboard) -> None:
    ran = hive("web-sessions")
    assert ran.out == (
        "3  began 2h ago, seen 1m ago, ends in 5d, from 192.0.2.7: Firefox\\x1b[2J\n"
    )
    assert json.loads(hive("web-sessions", "--json").out) == web.rows


def test_no_sessions(hive: Any, terminal: Any, web: FakeDashboard) -> None:
    web.rows = []
    assert hive("web-sessions").out == ""
    assert json.loads(hive("web-sessions", "--json").out) == []
    shell = terminal("web-sessions")
    assert shell.end() == 0
    assert "No browser is logged in." in shell.seen


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["--revoke", "3"], [{"cmd": "revoke", "id": 3}]),
        (["--all"], [{"cmd": "revoke"}]),
    ],
)
def test_revoking_is_silent(
    hive: Any, web: FakeDashboard, words: list[str], asked: list[dict[str, Any]]
) -> None:
    ran = hive("web-sessions", *words)
    assert (ran.status, ran.out, ran.err) == (0, "", "")
    assert web.requests == asked


def test_of_several_numbers_each_is_tried(hive: Any, web: FakeDashboard) -> None:
    ran = hive("web-sessions", "--revoke", "7", "--revoke", "3")
    assert ran.status == ExitStatus.UNKNOWN_NAME
    assert ran.err == "hive-c0re: 7: there is no session 7\n"
    assert [each["id"] for each in web.requests] == [7, 3]


def test_all_and_numbers_are_a_contradiction(hive: Any, web: FakeDashboard) -> None:
    ran = hive("web-sessions", "--revoke", "3", "--all")
    assert ran.status == ExitStatus.USAGE
    assert "give numbers or --all, not both" in ran.err
    assert web.requests == []


def test_the_numbers_are_completed(web: FakeDashboard) -> None:
    from hive.cli.top_verb import completions

    assert list(completions(("web-sessions", "--revoke"), "")) == ["3"]
