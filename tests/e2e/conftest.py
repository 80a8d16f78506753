"""A hive made of the real programs, in directories of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hive.client.blocking import BlockingClient
from tests.support.daemons import HiveOnDisk


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[HiveOnDisk]:
    """A hive that is not started yet; processes that the test leaves running are ended."""
    made = HiveOnDisk(tmp_path)
    yield made
    made.close()


MAILBOXES = ("ann", "ben", "cat", "dan")

POST_OFFICE = """
[limits]
max_attempts = 2
inbox_messages = 8
inbox_bytes = 4000
body_bytes = 1000
pair_rate = 4
rate = 100
dedupe_window = "1h"

[agents.sleepy]
exec = ["sleep", "100000"]

[peers.ann]
broadcast = true
[peers.ben]
broadcast = true
[peers.cat]
[peers.dan]
[peers.eve]
"""


@pytest.fixture(scope="module")
def _daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HiveOnDisk]:
    made = HiveOnDisk(tmp_path_factory.mktemp("post"))
    made.configure(POST_OFFICE)
    made.start()
    yield made
    made.close()


@pytest.fixture
def post(_daemon: HiveOnDisk) -> Iterator[HiveOnDisk]:
    """One daemon for a whole module, with peers as mailboxes and small limits.

    After each test all mail is gone that would be in the way of the next one.
    """
    yield _daemon
    for name in MAILBOXES:
        empty(_daemon, name)
    with BlockingClient(_daemon.run_dir / "host.sock") as operator:
        operator.call({"cmd": "inbox", "ack": True, "max": 1000})
        left = [row["id"] for row in operator.call({"cmd": "dead_letters"})["messages"]]
        if left:
            operator.call({"cmd": "discard", "ids": left})


def empty(hive: HiveOnDisk, name: str) -> None:
    """Ack everything in a mailbox that can be received now."""
    with BlockingClient(hive.socket_of(name)) as connection:
        while connection.call({"cmd": "recv", "max": 32})["messages"]:
            connection.call({"cmd": "ack_turn"})
