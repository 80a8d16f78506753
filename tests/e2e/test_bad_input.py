"""Bad input at a socket gets a clear error, affects no other client and loses no message."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemons import HiveOnDisk

CONFIG = """
[agents.alice]
exec = ["sleep", "1000"]
[peers.damocles]
"""


class Line:
    """A bare connection that speaks lines."""

    def __init__(self, path: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(path))
        self.file = self.sock.makefile("rb")

    def ask(self, line: bytes) -> dict[str, Any]:
        self.sock.sendall(line + b"\n")
        answer: dict[str, Any] = json.loads(self.file.readline())
        return answer

    def close(self) -> None:
        self.file.close()
        self.sock.close()


@contextmanager
def connected(path: Path) -> Iterator[Line]:
    line = Line(path)
    try:
        yield line
    finally:
        line.close()


@pytest.fixture
def served(hive: HiveOnDisk) -> HiveOnDisk:
    hive.configure(CONFIG)
    hive.start()
    return hive


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        (b"no json", "bad_request", "not JSON"),
        (b'{"cmd":"sned","to":"x","body":""}', "bad_request", "did you mean 'send'"),
        (b'{"cmd":"send","to":"alice","body":"x","bdy":1}', "bad_request", "did you mean 'body'"),
        (b'{"cmd":"send","to":"alcie","body":"x"}', "unknown_name", "alice"),
        (b'{"cmd":"send","to":"alice","body":"x","from":"operator"}', "bad_request", "'from'"),
        (b'{"cmd":"send","to":"../alice","body":"x"}', "unknown_name", "../alice"),
        (b'{"cmd":"destroy","name":"alice"}', "not_allowed", "only the operator may"),
        (b'{"cmd":"shutdown"}', "not_allowed", "only the operator may"),
        (b'{"cmd":"ack","ids":[4711]}', "stale_lease", "4711"),
        (b"x" * (10 << 20), "too_large", "1048576"),
        (
            b'{"cmd":"send","to":"alice","body":"' + b"y" * (70 << 10) + b'"}',
            "too_large",
            "65536",
        ),
    ],
    ids=lambda value: value[:30].decode() if isinstance(value, bytes) else "",
)
def test_a_bad_line_gets_a_clear_error_and_the_connection_stays_open(
    served: HiveOnDisk, line: bytes, code: str, says: str
) -> None:
    with (
        connected(served.socket_of("damocles")) as other,
        connected(served.socket_of("damocles")) as bad,
    ):
        answer = other.ask(b'{"cmd":"send","to":"alice","body":"stored"}')
        refused = bad.ask(line)
        assert (refused["ok"], refused["code"]) == (False, code)
        assert says in refused["error"]
        assert bad.ask(b'{"cmd":"whoami"}')["name"] == "damocles"
        assert other.ask(b'{"cmd":"whoami"}')["name"] == "damocles"
    inbox = served.json("inbox", "alice")
    assert [(message["id"], message["body"]) for message in inbox] == [(answer["id"], "stored")]


@pytest.mark.parametrize("verb", ["spawn", "register_peer", "start", "stop", "destroy"])
def test_no_name_reaches_the_file_system(served: HiveOnDisk, verb: str) -> None:
    escaped = f"{served.run_dir.name}-x"
    name = f"../../{escaped}"
    fields: dict[str, Any] = {
        "spawn": {"name": name, "exec": ["true"]},
        "start": {"scope": {"agent_names": [name]}},
        "stop": {"scope": {"agent_names": [name]}},
    }.get(verb, {"name": name})
    with connected(served.run_dir / "host.sock") as line:
        refused = line.ask(json.dumps({"cmd": verb, **fields}).encode())
    assert refused["ok"] is False
    assert name in refused["error"]
    assert not list(served.root.rglob(escaped))
    assert not list(served.run_dir.parent.glob(f"*{escaped}*"))


def test_an_empty_scope_is_an_error_and_never_everyone(served: HiveOnDisk) -> None:
    served.until_state("alice", "running")
    with connected(served.run_dir / "host.sock") as line:
        for scope in ({}, {"agent_names": []}):
            refused = line.ask(json.dumps({"cmd": "stop", "scope": scope}).encode())
            assert "names no agent" in refused["error"]
    assert served.status("alice")["running"] is True


def test_an_incomplete_line_is_not_carried_out(served: HiveOnDisk) -> None:
    line = Line(served.run_dir / "host.sock")
    line.sock.sendall(b'{"cmd":"shutdown"}')
    line.close()
    assert served.run("list").returncode == 0


def test_requests_of_one_connection_are_answered_in_order_past_a_parked_recv(
    served: HiveOnDisk,
) -> None:
    with connected(served.socket_of("damocles")) as line:
        line.sock.sendall(
            b'{"cmd":"recv","wait_seconds":60,"req":"parked"}\n'
            b'{"cmd":"status","req":1}\n{"cmd":"nope","req":2}\n{"cmd":"whoami","req":3}\n'
        )
        answers = [json.loads(line.file.readline()) for _ in range(3)]
        assert [answer["req"] for answer in answers] == [1, 2, 3]
        served.ok("send", "damocles", "ring")
        parked = json.loads(line.file.readline())
        assert parked["req"] == "parked"
        assert parked["messages"][0]["body"] == "ring"


def test_agents_sockets_are_not_open_to_all_users(served: HiveOnDisk) -> None:
    for path in (served.run_dir / "host.sock", served.socket_of("alice")):
        assert path.stat().st_mode & 0o777 == 0o660
