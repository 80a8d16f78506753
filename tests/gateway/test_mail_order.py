"""The answers of the broker to one connection are in the order of its requests."""

from __future__ import annotations

from typing import Any

import pytest

from hive.wire.agent import ACK_MAX, RECV_MAX
from tests.support.hives import Line, Site, connected, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim


async def answers(line: Line, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    """Send requests at once and return the answers, in the order in which they come."""
    line.write(*(request | {"req": number} for number, request in enumerate(requests)))
    return [await line.read() for _ in requests]


async def test_mail_that_is_there_does_not_overtake_what_was_asked_before(site: Site) -> None:
    async with site.simulated(ScriptedRuntime(), swarm("alice", "bob")) as hive:
        alice_path, bob_path = (hive.paths.agent_socket(name) for name in ("alice", "bob"))
        for name in ("alice", "bob"):
            await hive.until_state(name, "running")
        async with connected(alice_path) as alice, connected(bob_path) as bob:
            await alice.ok("send", to="bob", body="one")
            got = await answers(
                bob,
                {"cmd": "send", "to": "alice", "body": "x"},
                {"cmd": "recv"},
                {"cmd": "ack_turn"},
                {"cmd": "whoami"},
                {"cmd": "recv"},
            )
            assert [answer["req"] for answer in got] == [0, 1, 2, 3, 4]
            assert [each["body"] for each in got[1]["messages"]] == ["one"]
            await bob.ok("ack_turn")
            assert (await bob.ok("status"))["unread"] == 0


async def test_a_recv_acks_only_so_many(site: Site) -> None:
    async with site.simulated(ScriptedRuntime(), swarm("bob")) as hive:
        await hive.until_state("bob", "running")
        async with connected(hive.paths.agent_socket("bob")) as bob:
            [refused] = await answers(
                bob, {"cmd": "recv", "ack": [9] * (ACK_MAX + 1), "max": RECV_MAX}
            )
            assert (refused["ok"], refused["code"]) == (False, "bad_request")
            [stale] = await answers(bob, {"cmd": "recv", "ack": [9] * ACK_MAX})
            assert stale["code"] == "stale_lease"


async def test_a_refusal_does_not_overtake_a_reply_that_is_looked_up(site: Site) -> None:
    async with site.simulated(ScriptedRuntime(), swarm("alice", "bob")) as hive:
        for name in ("alice", "bob"):
            await hive.until_state(name, "running")
        async with connected(hive.paths.agent_socket("alice")) as alice:
            sent = await alice.ok("send", to="bob", body="one")
        async with connected(hive.paths.agent_socket("bob")) as bob:
            await bob.ok("recv")
            await bob.ok("ack_turn")
            hive.parts.broker.rules.table.ended[sent["id"]] = None  # as after many others
            got = await answers(
                bob,
                {"cmd": "send", "to": "alice", "body": "re", "in_reply_to": sent["id"]},
                {"cmd": "send", "to": "alice", "body": "two"},
                {"cmd": "send", "to": "nobody", "body": "three"},
                {"cmd": "recv", "ack": [sent["id"]]},
            )
            assert [answer["req"] for answer in got] == [0, 1, 2, 3]
            assert [answer["ok"] for answer in got] == [True, True, False, True]
