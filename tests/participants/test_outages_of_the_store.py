"""What the store does not take has not happened: a participant is as before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hive.daemon.hive import Hive
from hive.store import Desired, InlineEngine
from tests.broker.faults import Faults
from tests.support.hives import Line, Site, connected, site, swarm
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]

pytestmark = pytest.mark.sim

REMOVALS: dict[str, dict[str, Any]] = {
    "bob": {"cmd": "destroy"},
    "damocles": {"cmd": "unregister_peer", "force": True},
}
"""The verb that removes each participant."""


@pytest.fixture
async def faults() -> Faults:
    return Faults()


@pytest.fixture
async def hive(site: Site, faults: Faults) -> AsyncIterator[Hive]:
    engine = InlineEngine(faults.connection_class())
    hive = site.simulated(ScriptedRuntime(), swarm("alice", "bob"), engine=engine)
    async with hive:
        await hive.until_state("bob", "running")
        await hive.register_peer("damocles")
        yield hive


async def remove(host: Line, name: str) -> dict[str, Any]:
    return await host.ask(name=name, **REMOVALS[name])


@pytest.mark.parametrize("name", REMOVALS)
@pytest.mark.parametrize("fails", ["RemoveInbox", "delete"])
async def test_it_can_be_repeated(
    hive: Hive, faults: Faults, monkeypatch: pytest.MonkeyPatch, name: str, fails: str
) -> None:
    broker, store = hive.parts.broker, hive.parts.store
    ask, delete = broker.ask, store.delete_participant

    def ask_in_trouble(request: object, *more: Any) -> asyncio.Future[Any]:
        faults.full = faults.full or type(request).__name__ == fails
        return ask(request, *more)

    def delete_in_trouble(*args: Any, **more: Any) -> asyncio.Future[None]:
        faults.full = True
        return delete(*args, **more)

    async with connected(hive.paths.host_socket) as host:
        await host.ok("send", to=name, body="held")
        async with connected(hive.paths.agent_socket(name)) as line:
            await line.ok("recv")
            with monkeypatch.context() as patch:
                patch.setattr(broker, "ask", ask_in_trouble)
                patch.setattr(store, "delete_participant", delete_in_trouble)
                assert (await remove(host, name))["code"] == "unavailable"
        faults.full = False
        await hive.parts.store.health.until_recovered()
        await asyncio.sleep(10)
        assert name in hive.parts.registry
        await host.ok("send", to=name, body="it takes part as before")
        if name == "damocles":
            async with connected(hive.paths.agent_socket(name)) as line:
                await line.ok("recv")
        assert (await remove(host, name))["ok"]
    assert name not in [each.name for each in await hive.parts.store.participants()]


async def test_what_is_not_stored_has_not_changed(hive: Hive, faults: Faults) -> None:
    async with connected(hive.paths.host_socket) as host:
        faults.full = True
        for verb, fields in (
            ("set_paused", {"name": "bob", "paused": True}),
            ("stop", {"scope": {"agent_names": ["bob"]}}),
        ):
            assert (await host.refused(verb, **fields))[0] == "unavailable"
        [row] = [
            each
            for each in (await host.ok("agent_status"))["agent_statuses"]
            if each["name"] == "bob"
        ]
        assert (row["paused"], row["state"]) == (False, "running")
        faults.full = False
        await hive.parts.store.health.until_recovered()
        await asyncio.sleep(10)
        await host.ok("send", to="bob", body="it is not paused")
        async with connected(hive.paths.agent_socket("bob")) as line:
            assert len((await line.ok("recv"))["messages"]) == 1
        record = hive.parts.registry.get("bob").record
        assert (record.paused, record.desired) == (False, Desired.RUNNING)
