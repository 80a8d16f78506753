"""The whole hive in one row."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from actors.testing import advance, settle
from hive.config import Limits
from hive.daemon.hive import Hive
from hive.status.overview import RateMeter
from hive.store.disk_reserve import Shortage
from hive.version import VERSION
from tests.support.hives import Line, Site, connected, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim


@pytest.fixture
async def hive(site: Site) -> AsyncIterator[Hive]:
    config = swarm("alice", "bob", "carol", peers=["damocles"], manager=True)
    config = attrs.evolve(config, limits=Limits(turns=1))
    async with site.simulated(ScriptedRuntime(), config) as opened:
        for name in ("alice", "bob", "carol"):
            await opened.until_state(name, "running")
        yield opened


@pytest.fixture
async def host(hive: Hive) -> AsyncIterator[Line]:
    async with connected(hive.paths.host_socket) as line:
        yield line


async def overview(host: Line) -> dict[str, Any]:
    await settle()
    found: dict[str, Any] = (await host.ok("overview"))["overview"]
    return found


async def test_participants_are_counted_by_state(hive: Hive, host: Line) -> None:
    await hive.stop("bob")
    await hive.parts.freezes.estop([hive.parts.registry.agent("carol")])
    found = await overview(host)
    assert found["agents"] == {"running": 3, "stopped": 1}
    assert found["peers"] == {"away": 1}
    assert (found["frozen"], found["version"]) == (1, VERSION)
    assert "config" not in found
    assert "stopping" not in found
    assert found["started_at"] <= found["now"]


async def test_a_hive_has_the_name_that_hive_toml_gives_it(hive: Hive, host: Line) -> None:
    assert "name" not in await overview(host)
    reloader = hive.parts.reloader
    reloader.config = attrs.evolve(reloader.config, name="lab")
    found = await overview(host)
    assert (found["name"], found["host"]) == ("lab", socket.gethostname())


async def test_the_path_of_the_file_is_that_of_the_daemon(hive: Hive) -> None:
    parts = hive.parts.overview._parts
    hive.parts.overview._parts = attrs.evolve(parts, config=Path("/etc/hive.toml"))
    assert (await hive.parts.overview.row()).config == "/etc/hive.toml"


async def test_turns_and_mail_are_counted(hive: Hive, host: Line) -> None:
    async with (
        connected(hive.paths.agent_socket("alice")) as alice,
        connected(hive.paths.agent_socket("bob")) as bob,
    ):
        for name in ("alice", "bob"):
            await hive.send(name, "work")
        await alice.ok("recv", wait_seconds=5)
        bob.write({"cmd": "recv", "wait_seconds": 60})
        await alice.ok("send", to="operator", body="done")
        found = await overview(host)
    turns = {name: found[f"turns_{name}"] for name in ("running", "limit", "waiting")}
    assert turns == {"running": 1, "limit": 1, "waiting": 1}
    assert found["operator_unread"] == 1


async def test_the_rate_is_that_of_the_looks_of_the_last_minute(hive: Hive, host: Line) -> None:
    assert "sent_per_second" not in await overview(host)
    for _ in range(20):
        await hive.send("alice", "work")
    await advance(10)
    assert (await overview(host))["sent_per_second"] == pytest.approx(2.0, abs=0.1)


async def test_used_up_accounts_have_who_shares_them(hive: Hive, host: Line) -> None:
    assert (await overview(host))["limits"] == []
    loop_now = 1_700_000_000.0 + asyncio.get_running_loop().time()
    async with connected(hive.paths.agent_socket("alice")) as alice:
        await alice.ok("hello", role="harness")
        await alice.ok("report", state="limited", since=loop_now, account="acme")
        await alice.ok("limited", account="acme", until=loop_now + 600, reason="5 hours used up")
        [limit] = (await overview(host))["limits"]
        assert (await hive.status("alice")).tier == "waiting"
    assert (limit["account"], limit["names"], limit["reason"]) == (
        *("acme", ["alice"], "5 hours used up"),
    )


async def test_the_store_has_a_size_and_its_trouble_is_said(hive: Hive, host: Line) -> None:
    found = await overview(host)
    assert found["store_ok"] is True
    assert found["store_bytes"] > 4096
    assert found["store_free_bytes"] > 0
    hive.parts.disk_reserve.shortage = Shortage(5, 10)
    found = await overview(host)
    assert found["store_ok"] is False
    assert found["store_problem"].startswith("participants can store nothing: ")
    status = await host.ok("agent_status")
    assert status["trouble"] == found["store_problem"]


def test_a_rate_is_over_a_minute_at_most() -> None:
    meter = RateMeter()
    assert meter.rate(0.0, 100) is None
    assert meter.rate(10.0, 120) == 2.0
    for second in range(20, 200, 10):
        meter.rate(float(second), 120 + 10 * (second - 10))
    assert meter.rate(200.0, 2020) == 10.0, "the beginning is over"
    assert meter.rate(2000.0, 2030) is None, "nobody has looked for long"
    assert meter.rate(2001.0, 2040) is not None
