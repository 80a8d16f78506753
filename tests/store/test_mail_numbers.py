"""Numbers about stored mail are read from indexes, and count what a receiver could have."""

from __future__ import annotations

import sqlite3

import pytest

from actors.testing import advance
from hive.daemon.hive import Hive
from hive.store import mail_numbers as module
from hive.store.mail_numbers import MailNumbers, mail_numbers
from tests.support.hives import Site, connected, site

__all__ = ["site"]

pytestmark = pytest.mark.sim


async def numbers(hive: Hive) -> MailNumbers:
    return await hive.parts.store.read(mail_numbers(hive.parts.events._clock.now()))


async def test_the_oldest_is_neither_deferred_nor_acked(site: Site) -> None:
    async with site.simulated(peers=["bob", "carol"]) as hive:
        async with connected(hive.paths.host_socket) as line:
            await line.ok("send", to="bob", body="later", delay_seconds=1000)
            assert (await numbers(hive)).oldest == {}
            await advance(10)
            await line.ok("send", to="bob", body="first")
            began = hive.parts.events._clock.now()
            await advance(10)
            await line.ok("send", to="bob", body="second", priority="high")
            assert (await numbers(hive)).oldest == pytest.approx({"bob": began}, abs=1)
        async with connected(hive.paths.agent_socket("bob")) as bob:
            await bob.ok("recv", max=1)
            await bob.ok("ack_turn")
            assert (await numbers(hive)).oldest == pytest.approx({"bob": began}, abs=1), "leased"
            [first] = (await bob.ok("recv", max=1))["messages"]
            await bob.ok("nack", id=first["id"], mode="reject")
        assert await numbers(hive) == MailNumbers({}, 1)


async def test_both_queries_use_their_index(site: Site) -> None:
    async with site.simulated(peers=["bob"]) as hive:

        def plan(connection: sqlite3.Connection) -> str:
            rows = [
                *connection.execute(f"EXPLAIN QUERY PLAN {module._OLDEST}", (0.0,)),
                *connection.execute(f"EXPLAIN QUERY PLAN {module._DEAD_LETTERS}"),
            ]
            return "\n".join(row[-1] for row in rows)

        found = await hive.parts.store.read(plan)
    assert "mail USING INDEX undelivered" in found
    assert "mail USING INDEX dead_letters" in found
