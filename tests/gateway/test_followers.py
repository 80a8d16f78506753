"""Streams about a participant: they end with it, and show nothing of a later one of its name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors.testing import settle
from hive.daemon.hive import Hive
from tests.support.hives import Line, connected
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim

FOLLOWERS: dict[str, dict[str, Any]] = {
    "logs": {"follow": True},
    "watch": {},
    "inbox": {"follow": True},
}

AGENT, PEER = "alice", "damocles"

CASES = [
    *[(verb, AGENT) for verb in FOLLOWERS],
    *[(verb, PEER) for verb in FOLLOWERS if verb != "logs"],
]


@pytest.fixture(autouse=True)
def endless_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a followed log wait for further lines, as that of a real runtime does."""

    async def follow(*_: object) -> AsyncIterator[str]:
        yield "a line"
        await asyncio.Event().wait()

    monkeypatch.setattr(ScriptedRuntime, "follow", follow)


async def remove(hive: Hive, host: Line, name: str) -> None:
    if name == AGENT:
        await hive.stop(name)
        await host.ok("destroy", name=name)
    else:
        await host.ok("unregister_peer", name=name, force=True)


async def end_of(follower: Line) -> dict[str, Any]:
    """Return the last response of a stream, after which the daemon has closed the connection."""
    last: dict[str, Any] = {}
    async with asyncio.timeout(60):
        while line := await follower.reader.readline():
            last = json.loads(line)
    return last


@pytest.mark.parametrize(("verb", "name"), CASES)
async def test_a_follower_ends_with_what_it_follows(
    hive: Hive, host: Line, verb: str, name: str
) -> None:
    async with connected(hive.paths.host_socket) as follower:
        await follower.ok(verb, name=name, **FOLLOWERS[verb])
        await settle()
        before = len(hive.parts.registry._subscribers)
        await remove(hive, host, name)
        last = await end_of(follower)
        assert (last["ok"], last["code"]) == (False, "unknown_name")
        assert f"'{name}' has left the hive" in last["error"]
    assert len(hive.parts.registry._subscribers) == before - 1


@pytest.mark.parametrize("verb", ["watch", "inbox"])
async def test_a_follower_shows_nothing_of_a_later_one_of_the_name(
    hive: Hive, host: Line, verb: str
) -> None:
    async with connected(hive.paths.host_socket) as follower:
        await follower.ok(verb, name=PEER, **FOLLOWERS[verb])
        await remove(hive, host, PEER)
        await host.ok("register_peer", name=PEER)
        await host.ok("send", to=PEER, body="to the later one")
        assert "has left the hive" in (await end_of(follower))["error"]


async def test_the_operators_inbox_is_followed_whoever_leaves(hive: Hive, host: Line) -> None:
    async with connected(hive.paths.host_socket) as follower:
        await follower.ok("inbox", name="operator", follow=True, max=1)
        await remove(hive, host, PEER)
        await host.ok("send", to="operator", body="still followed")
        async with asyncio.timeout(60):
            while "still followed" not in str(await follower.read()):
                pass


async def test_a_follower_of_a_participant_ends_when_the_daemon_does(
    hive: Hive, host: Line
) -> None:
    async with connected(hive.paths.host_socket) as follower:
        await follower.ok("watch", name=AGENT)
        await hive.close()
        last = await end_of(follower)
        assert last.get("ok", True), "the closed connection says it"
