"""A daemon that refuses the greeting of a server of tools is not greeted again at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hive.client.agent import ManagerClient
from hive.errors import BadRequestError, HiveError, RateLimitedError
from hive.harness.mcp.serve import _announce
from hive.wire import agent as wire
from tests.harness.support.daemon import Daemon

MANY = 50


@pytest.mark.parametrize(
    "refusal", [RateLimitedError("too many requests"), BadRequestError("unknown role")]
)
async def test_a_refused_greeting_is_not_repeated_without_a_pause(
    tmp_path: Path, refusal: HiveError
) -> None:
    daemon = Daemon(tmp_path / "mcp.sock", refusals={wire.Hello: [refusal] * MANY})
    async with daemon, ManagerClient(daemon.path) as client:
        announcing = asyncio.create_task(_announce(client))
        await daemon.until(lambda: daemon.of(wire.Hello))
        for _ in range(MANY):
            await client.status()
        assert len(daemon.of(wire.Hello)) == 1
        announcing.cancel()


async def test_the_greeting_is_taken_once_there_is_room_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive.client.agent.UNREACHABLE_PAUSE", 0.0)
    refusals: list[HiveError] = [RateLimitedError("too many requests")]
    daemon = Daemon(tmp_path / "mcp.sock", refusals={wire.Hello: refusals})
    async with daemon, ManagerClient(daemon.path) as client:
        await _announce(client)
        assert len(daemon.greeted) == 1
