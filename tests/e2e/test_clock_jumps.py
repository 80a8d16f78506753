"""A wall clock that jumps, with libfaketime: mail comes again in time, and none expires early."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.daemons import HiveOnDisk, eventually

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)

pytestmark = pytest.mark.skipif(LIBRARY is None, reason="needs libfaketime (package faketime)")

CONFIG = """
[limits]
max_attempts = 3
[agents.once]
run = ["sh", "-c", "test -e seen && echo done && exit; touch seen; exit 1"]
[peers.lab]
"""

HOUR, DAY = 3600, 86_400


@pytest.fixture
def jump(hive: HiveOnDisk) -> Iterator[Callable[[int], None]]:
    """Let the wall clock of the daemon jump by seconds, from its real time."""
    offset = hive.root / "offset"
    offset.write_text("+0")
    hive.env.update(
        LD_PRELOAD=str(LIBRARY),
        FAKETIME_TIMESTAMP_FILE=str(offset),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    hive.configure(CONFIG)
    hive.start()

    def by(seconds: int) -> None:
        offset.write_text(f"{seconds:+d}")

    yield by
    by(0)


@pytest.mark.parametrize("seconds", [-HOUR, -3000 * DAY, 400 * DAY])
def test_a_failed_message_comes_again_whatever_the_wall_clock_does(
    hive: HiveOnDisk, jump: Callable[[int], None], seconds: int
) -> None:
    hive.until_state("once", "running")
    number = hive.ok("send", "once", "work").strip()
    eventually(lambda: "nacked" in hive.ok("trace", number), what="a failure")
    jump(seconds)
    eventually(
        lambda: hive.json("trace", number)["message"]["state"] == "acked",
        within=15,
        what="a second attempt",
    )


def test_mail_with_a_time_to_live_does_not_expire_by_a_jump_and_back(
    hive: HiveOnDisk, jump: Callable[[int], None]
) -> None:
    number = int(hive.ok("send", "lab", "hi", "--ttl", str(HOUR)))
    for seconds in (400 * DAY, -HOUR, 0):
        jump(seconds)
        [row] = json.loads(hive.ok("inbox", "lab", "--json"))
        assert (row["id"], row["state"]) == (number, "stored")
        later = hive.ok("send", "operator", "what time is it?").strip()
        at = datetime.fromisoformat(hive.json("trace", later)["message"]["sent_at"])
        off = (at - datetime.now(UTC)).total_seconds()
        assert abs(off - seconds) < HOUR / 2, "the daemon sees the jump"
    assert f"#{number} " in hive.as_participant("lab", "recv").stdout
