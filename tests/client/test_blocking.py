"""The blocking client: what it imports, what it raises, and that half a line is no answer."""

import grp  # noqa: F401 - loaded before the other user loses sight of the library
import json
import os
import pwd  # noqa: F401
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hive.base_directories import IN_CONTAINER_SOCKET
from hive.client.blocking import BlockingClient, call, stream
from hive.client.responses import unreachable
from hive.errors import (
    BadRequestError,
    FailedError,
    TimedOutError,
    UnavailableError,
    UnknownNameError,
)

Script = Callable[[socket.socket], object]
Serve = Callable[[Script], Path]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a server that runs a script on its one connection."""
    threads: list[threading.Thread] = []

    def start(script: Script) -> Path:
        path = tmp_path / "host.sock"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(10)

        def run() -> None:
            with listener, listener.accept()[0] as connection:
                script(connection)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return path

    yield start
    for thread in threads:
        thread.join()


def answering(*lines: bytes) -> Script:
    def script(connection: socket.socket) -> None:
        connection.recv(65536)
        for line in lines:
            connection.sendall(line)

    return script


OK = b'{"version":1,"ok":true}\n'


def test_imports_nothing_slow():
    slow = "asyncio attr attrs msgspec rich click uvloop actors sqlite3 aiosqlite"
    code = f"import sys, hive.client.blocking; print(*set(sys.modules) & set({slow.split()}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_call_writes_one_line_without_absent_fields_and_returns_the_answer(serve):
    asked = []

    def script(connection: socket.socket) -> None:
        asked.append(connection.recv(65536))
        connection.sendall(b'{"version":1,"ok":true,"agents":["alice"],"new":[1]}\n')

    path = serve(script)
    answer = call(path, {"cmd": "list", "name": None, "text": "ü"})
    assert answer["agents"] == ["alice"]
    assert asked[0].endswith(b"\n")
    assert json.loads(asked[0]) == {"cmd": "list", "text": "ü"}


def test_an_answer_in_pieces_and_of_many_bytes_is_one_answer(serve):
    body = "x" * 300_000
    line = json.dumps({"version": 1, "ok": True, "body": body}).encode()
    path = serve(answering(line[:10], line[10:], b"\n"))
    assert call(path, {"cmd": "recv"})["body"] == body


def test_a_refusal_is_raised_as_its_class(serve):
    path = serve(answering(b'{"version":1,"ok":false,"error":"no carol","code":"unknown_name"}\n'))
    with pytest.raises(UnknownNameError, match="no carol"):
        call(path, {"cmd": "send"})


def test_a_refusal_of_an_unknown_kind_is_still_an_error(serve):
    path = serve(answering(b'{"version":1,"ok":false,"error":"hm","code":"from_the_future"}\n'))
    with pytest.raises(FailedError, match="hm"):
        call(path, {"cmd": "send"})


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused_and_nothing_is_sent(serve, number):
    heard: list[bytes] = []
    with BlockingClient(serve(lambda connection: heard.append(connection.recv(1)))) as connection:
        with pytest.raises(BadRequestError, match="'wait_seconds' is"):
            connection.call({"cmd": "recv", "wait_seconds": number})
        with pytest.raises(BadRequestError, match="'timeout' is"):
            connection.call({"cmd": "list"}, number)
    assert heard in ([], [b""])


def test_half_a_line_is_never_decoded(serve):
    path = serve(answering(OK[:-1]))
    with pytest.raises(UnavailableError, match="outcome is unknown"):
        call(path, {"cmd": "list"})


def test_something_else_than_a_hive_is_named_so(serve):
    path = serve(answering(b"HTTP/1.1 400 Bad Request\n"))
    with pytest.raises(FailedError, match="not an answer of hive-c0re: b'HTTP"):
        call(path, {"cmd": "list"})


def test_a_newer_daemon_is_warned_of_and_used(serve):
    path = serve(answering(b'{"version":9,"ok":true,"agents":[]}\n'))
    warnings: list[str] = []
    assert call(path, {"cmd": "list"}, warn=warnings.append)["agents"] == []
    [warning] = warnings
    assert "version 9" in warning


def test_a_daemon_older_than_versions_is_not_warned_of(serve):
    path = serve(answering(b'{"ok":true}\n'))
    warnings: list[str] = []
    call(path, {"cmd": "list"}, warn=warnings.append)
    assert warnings == []


def test_no_answer_in_time(serve):
    ended = threading.Event()
    path = serve(lambda connection: ended.wait())
    try:
        with pytest.raises(TimedOutError, match=r"did not answer on .*host\.sock in time"):
            call(path, {"cmd": "list"}, timeout=0.05)
    finally:
        ended.set()


def test_a_daemon_that_dribbles_does_not_stretch_the_timeout(serve):
    ended = threading.Event()

    def dribble(connection: socket.socket) -> None:
        while not ended.wait(0.01):
            connection.send(b" ")

    path = serve(dribble)
    try:
        with pytest.raises(TimedOutError):
            call(path, {"cmd": "list"}, timeout=0.1)
    finally:
        ended.set()


def test_no_socket_there(tmp_path):
    with pytest.raises(UnavailableError, match=r"no such socket; is hive-c0re running"):
        call(tmp_path / "host.sock", {"cmd": "list"})


def test_nobody_listens(tmp_path):
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(tmp_path / "host.sock"))
    with pytest.raises(UnavailableError, match="start the daemon with 'hive-c0re serve'"):
        call(tmp_path / "host.sock", {"cmd": "list"})


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")
def test_a_closed_socket_names_user_and_group():
    with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_UNIX) as listener:
        directory, path = Path(name), Path(name) / "host.sock"
        listener.bind(str(path))
        listener.listen()
        directory.chmod(0o755)
        path.chmod(0o660)
        told = as_another_user(lambda: call(path, {"cmd": "list"}))
        assert f"{path}: permission denied; it is open to the user root and the group" in told
        directory.chmod(0o700)
        told = as_another_user(lambda: call(path, {"cmd": "list"}))
        assert "its directory is closed to you; run as root or join the group hive-admin" in told


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")
@pytest.mark.parametrize(
    ("gid", "shown"),
    [(0, "the user root and the group root"), (54321, "the user 0 and the group 54321")],
)
def test_a_closed_socket_of_a_peer_has_a_hint_for_a_peer(gid: int, shown: str) -> None:
    with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_UNIX) as listener:
        directory, path = Path(name), Path(name) / "mcp.sock"
        listener.bind(str(path))
        listener.listen()
        os.chown(path, 0, gid)
        path.chmod(0o660)
        for mode in (0o755, 0o700):
            directory.chmod(mode)
            told = as_another_user(lambda: call(path, {"cmd": "list"}))
            assert (f"it is open to {shown};" in told) is (mode == 0o755)
            assert "'hive-c0re register-peer NAME' gives that group to the socket" in told
            assert "hive-admin" not in told, "that group is for operators"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(), "is the directory of its socket bound at /run/hive?"),
        (ConnectionRefusedError(), "the daemon on the host does not run"),
    ],
)
def test_inside_a_container_the_remedy_is_on_the_host(error: OSError, words: str) -> None:
    assert words in str(unreachable(IN_CONTAINER_SOCKET, error))
    assert "hive-c0re serve" not in str(unreachable(IN_CONTAINER_SOCKET, error))


def as_another_user(act: Callable[[], object]) -> str:
    """Return what an unprivileged process is told when it acts."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            act()
        except UnavailableError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as told:
        return told.read()


def test_a_path_that_no_socket_can_have(tmp_path):
    with pytest.raises(BadRequestError, match="the kernel allows 107"):
        call(tmp_path / ("x" * 108), {"cmd": "list"})


def test_bytes_that_are_no_text_are_refused_before_anything_is_sent(serve):
    path = serve(lambda connection: connection.recv(65536))
    with pytest.raises(BadRequestError, match="not UTF-8"):
        call(path, {"cmd": "send", "body": "\udcff"})


def test_stream_yields_until_the_daemon_ends(serve):
    rows = [b'{"version":1,"ok":true,"n":%d}\n' % n for n in range(3)]
    path = serve(answering(OK + rows[0], rows[1], rows[2], rows[0][:-1]))
    got = list(stream(path, {"cmd": "subscribe_agent_status"}))
    assert [row.get("n") for row in got] == [None, 0, 1, 2]


def test_stream_waits_longer_than_its_timeout_for_what_follows(serve):
    go_on = threading.Event()

    def script(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(OK)
        go_on.wait()
        connection.sendall(OK)

    rows = stream(serve(script), {"cmd": "events"}, timeout=0.2)
    next(rows)
    timer = threading.Timer(0.4, go_on.set)
    timer.start()
    assert next(rows)["ok"] is True
    rows.close()
    timer.join()


def test_requests_of_one_connection(serve):
    def script(connection: socket.socket) -> None:
        for _ in range(2):
            connection.recv(65536)
            connection.sendall(OK)

    with BlockingClient(serve(script)) as connection:
        assert connection.call({"cmd": "recv"})["ok"] is True
        assert connection.call({"cmd": "ack", "ids": [1]})["ok"] is True
