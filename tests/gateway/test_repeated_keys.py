"""A request with a key twice is refused on every socket, and never half understood."""

from __future__ import annotations

import pytest

from hive.daemon.hive import Hive
from hive.gateway.connection import PROVEN_AFTER
from tests.support.hives import Line, Site, connected, swarm
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim

TWICE = b'{"cmd":"send","to":"nobody","req":7,"to":"alice","body":"x"}\n'


async def refusal(line: Line) -> dict[str, object]:
    line.writer.write(TWICE)
    return await line.read()


def hive_of(site: Site) -> Hive:
    config = swarm("alice", manager=True, peers=["damocles"])
    return site.simulated(ScriptedRuntime(), config)


async def test_on_every_socket(site: Site) -> None:
    async with hive_of(site) as hive:
        for name in ("alice", "hm1nd"):
            await hive.until_state(name, "running")
        paths = hive.paths
        sockets = (
            paths.host_socket,
            paths.manager_socket,
            *map(paths.agent_socket, ("alice", "damocles")),
        )
        for path in sockets:
            async with connected(path) as line:
                answer = await refusal(line)
                assert (answer["code"], answer["req"]) == ("bad_request", 7), path
                assert "the key 'to' stands twice" in str(answer["error"])
                assert (await line.ask("list" if path == paths.host_socket else "whoami"))["ok"]
        assert hive.parts.mail.unread("alice") == 0


async def test_answers_stay_in_order(site: Site) -> None:
    async with hive_of(site) as hive, connected(hive.paths.agent_socket("damocles")) as line:
        line.write({"cmd": "whoami", "req": 1})
        line.writer.write(TWICE)
        line.write({"cmd": "send", "to": "operator", "body": "hi", "req": 2})
        assert [(await line.read())["req"] for _ in range(3)] == [1, 7, 2]


async def test_a_client_that_begins_well_is_examined_no_longer(site: Site) -> None:
    """The path of a message must not pay for it; a refusal begins the count anew."""
    async with hive_of(site) as hive, connected(hive.paths.host_socket) as line:
        await hive.until_state("alice", "running")
        for _ in range(PROVEN_AFTER - 1):
            await line.ok("list")
        assert not (await refusal(line))["ok"]
        for _ in range(PROVEN_AFTER):
            await line.ok("list")
        assert (await refusal(line))["ok"]


async def test_it_costs_a_token_as_any_other_malformed_line(site: Site) -> None:
    async with hive_of(site) as hive, connected(hive.paths.agent_socket("damocles")) as line:
        await line.ok("who")
        meter = hive.parts.budgets.of("damocles").meter
        before = meter.left
        await refusal(line)
        assert before - meter.left == pytest.approx(1, abs=0.01)
