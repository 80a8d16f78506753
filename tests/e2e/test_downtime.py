"""Times that pass while the daemon is down, killed or stopped: the next one sends the notices."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from hive.client.blocking import BlockingClient
from tests.support.daemons import HiveOnDisk, eventually

PARTICIPANTS = """
[peers.ann]
[peers.ben]
[peers.cat]
"""

TTL = 1.0
"""Seconds until everything here is due; the daemon goes down before."""


def events(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Return the event notices among messages: kind of event and id of its subject."""
    found = (json.loads(row["body"]) for row in rows if row.get("type") == "event")
    return {each["event"]: each["id"] for each in found}


@pytest.mark.parametrize("is_killed", [True, False])
def test_what_expires_while_the_daemon_is_down_is_reported(
    hive: HiveOnDisk, is_killed: bool
) -> None:
    hive.configure(PARTICIPANTS)
    hive.start()
    hive.ok("register-peer", "guest")
    due = time.monotonic() + TTL
    with BlockingClient(hive.socket_of("guest")) as guest:
        guest.call({"cmd": "send", "to": "ben", "body": "stale", "ttl_seconds": TTL})
    with BlockingClient(hive.socket_of("ann")) as ann:
        more = {"to": "ben", "ttl_seconds": TTL}
        sent = ann.call({"cmd": "send", "body": "stale", **more})["id"]
        denied, held = (
            ann.call({"cmd": "ask", "question": "go?", "on_expiry": each, **more})["id"]
            for each in ("deny", "hold")
        )
        ann.call({"cmd": "remind", "message": "wake up", "delay_seconds": TTL})
    hive.ok("unregister-peer", "guest")
    if is_killed:
        hive.kill()
    else:
        hive.interrupt()
    eventually(lambda: time.monotonic() > due, what="the deadline")

    hive.start()

    with BlockingClient(hive.socket_of("ann")) as ann:
        got = list(ann.call({"cmd": "recv", "max": 32})["messages"])
    assert events(got) == {"expired": sent, "question_held": held}
    rest = {each["body"]: each.get("in_reply_to") for each in got if each["type"] != "event"}
    assert rest == {"[expired]": denied, "wake up": None}
    assert events(hive.json("inbox")) == {"question_held": held}
    assert [row["state"] for row in hive.json("questions", "--all")] == ["expired", "held"]
    assert "Traceback" not in hive.output()
