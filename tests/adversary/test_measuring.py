"""Figures are compared with bounds, and the hostile program does what a script says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import pytest

from tests.adversary.attacks import ATTACKS, CLOSE, HOLD, READ, Attack, Script, encoded
from tests.adversary.confinement import disk_bound
from tests.adversary.hostile import Hostile
from tests.adversary.measuring import (
    MIB,
    SHARED,
    STRICT,
    Bounds,
    Figures,
    breaches,
    order_faults,
    percentile,
    relative,
)

FINE = Figures(
    name="none",
    seconds=1.0,
    before={"whoami": 0.001, "send": 0.003},
    p99={"whoami": 0.010, "send": 0.100},
    operator=(0.5, "inbox"),
    memory=100 * MIB,
    kept=10 * MIB,
    disk=5 * MIB,
    disk_bound=32 * MIB,
    processor=0.5,
    waited=0.0,
    sent=1,
    connects=1,
    ended=None,
    failures=(),
    lost=0,
    logged=(),
)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"memory": 301 * MIB}, "memory 301 MiB, bound 300"),
        ({"kept": 101 * MIB}, "memory kept 101 MiB, bound 100"),
        ({"p99": {"whoami": 0.051, "send": 0}}, "whoami 51 ms, bound 50"),
        ({"p99": {"whoami": 0, "send": 0.251}}, "send 251 ms, bound 250"),
        ({"operator": (1.1, "limits")}, "operator's limits 1100 ms, bound 1000"),
        ({"disk": 33 * MIB}, "disk 33 MiB, bound 32"),
        ({"lost": 2}, "2 messages lost or out of order"),
        ({"failures": ("ann: refused",)}, "failed: ann: refused"),
        ({"logged": ("ERROR x",)}, "logged: ERROR x"),
        ({"ended": "was ended by SIGKILL"}, "the daemon was ended by SIGKILL, with 100 MiB"),
    ],
)
def test_each_figure_has_a_bound(change: dict[str, object], says: str) -> None:
    assert breaches(FINE, STRICT) == []
    assert breaches(attrs.evolve(FINE, **change), STRICT) == [says]


def test_the_bounds_of_a_shared_machine_follow_the_calm_latency() -> None:
    assert relative(SHARED, {"whoami": 0.001, "send": 0.003}) == SHARED
    slow = relative(SHARED, {"whoami": 0.1, "send": 0.5})
    assert (slow.whoami, slow.send) == (10.0, 50.0)
    assert (slow.memory, slow.operator) == (SHARED.memory, SHARED.operator)
    assert Bounds() == STRICT


def test_percentiles() -> None:
    values = [float(each) for each in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99)) == (51.0, 100.0)
    assert percentile([], 0.99) == 0.0


@pytest.mark.parametrize(
    ("acked", "received", "faults"),
    [
        (["1", "2", "3"], ["1", "2", "3"], 0),
        (["1", "2", "3"], ["1", "3"], 1),
        (["1", "2", "3"], ["1", "3", "2"], 1),
        (["1", "3"], ["1", "2", "3"], 0),  # the answer to 2 was lost, not the message
        (["1", "2"], ["1", "1", "2"], 0),  # a redelivery
        ([], [], 0),
    ],
)
def test_mail_that_is_lost_or_out_of_order(
    acked: list[str], received: list[str], faults: int
) -> None:
    assert order_faults(acked, received) == faults


def test_the_bound_of_the_disk_follows_the_rate() -> None:
    assert disk_bound(30, stores_text=False) == 32 * MIB
    assert disk_bound(30, stores_text=True) == 32 * MIB + 12 * MIB * 3


def test_attacks_have_names_of_their_own() -> None:
    assert all(attack.name == name for name, attack in ATTACKS.items())
    assert {"send", "kill", "turns with tools", "all verbs"} <= ATTACKS.keys()


# The hostile program


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with TemporaryDirectory(prefix="hive-") as directory, socket.socket(socket.AF_UNIX) as made:
        made.bind(str(Path(directory, "s")))
        made.listen()
        made.settimeout(10)
        yield made


def attack(server: socket.socket, script: Script, seconds: float, **options: object) -> Hostile:
    def once(number: int) -> Script:
        nonlocal script
        used, script = script, hold()
        return used

    made = Hostile(Attack("test", once, **{"connections": 1, **options}), server.getsockname())
    made.run(seconds)
    return made


def hold() -> Script:
    yield HOLD


def test_a_script_gets_the_answers_and_closes(server: socket.socket) -> None:
    got = []

    def script() -> Script:
        answers = yield encoded("recv")
        while not answers:
            answers = yield READ
        got.extend(answers)
        yield CLOSE

    seen = []

    def serve() -> None:
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as lines:
            seen.append(lines.readline())
            connection.sendall(b'{"ok":tr')
            connection.sendall(b"ue}\n")
            seen.append(lines.readline())

    thread = threading.Thread(target=serve)
    thread.start()
    done = attack(server, script(), 0.5)
    thread.join()
    assert seen == [b'{"cmd":"recv"}\n', b""]
    assert got == [{"ok": True}]
    assert done.connects == 2, "a connection that was closed is made again"


def test_an_attacker_that_does_not_read_is_not_held_up(server: socket.socket) -> None:
    def script() -> Script:
        while True:
            yield b"x" * 65536

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            while connection.recv(1 << 16):
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    done = attack(server, script(), 0.3, reads=lambda number: False)
    thread.join()
    assert done.sent > 1 << 20
    assert done.answered == 0
