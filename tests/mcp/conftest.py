"""A hive on virtual time, and the tools of one peer in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from hive.client.agent import AgentClient
from hive.daemon.hive import Hive
from hive.harness.tools import ModelTool, SessionMail, for_kind
from tests.mcp.damocles import SWARM, Damocles
from tests.support.daemons import HiveOnDisk
from tests.support.hives import Site, site
from tests.support.messages_endpoint import Endpoint

__all__ = ["site"]


@define(eq=False)
class Session:
    """A model's tools, called by name; `bob` is another peer."""

    hive: Hive
    client: AgentClient
    bob: AgentClient
    mail: SessionMail
    tools: dict[str, ModelTool]

    async def __call__(self, name: str, **arguments: Any) -> Any:
        return await self.tools[name].call(arguments)

    async def bodies(self, **arguments: Any) -> list[str]:
        return [message["body"] for message in (await self("recv", **arguments))["messages"]]


def named(tools: Iterable[ModelTool]) -> dict[str, ModelTool]:
    return {tool.name: tool for tool in tools}


@pytest.fixture
async def session(site: Site) -> AsyncIterator[Session]:
    """The session of the peer damocles."""
    async with site.simulated(peers=["damocles", "bob"]) as hive:
        client, bob = await hive.client("damocles"), await hive.client("bob")
        mail = SessionMail(client)
        yield Session(hive, client, bob, mail, named(for_kind(client, manager=False, mail=mail)))
        await mail.close()


@pytest.fixture
def damocles(tmp_path: Path) -> Iterator[Damocles]:
    """A user's home and a hive that knows the user as the peer damocles."""
    made = HiveOnDisk(tmp_path)
    made.configure(SWARM)
    home = tmp_path / "home"
    home.mkdir()
    with Endpoint() as endpoint:
        made.start()
        yield Damocles(made, endpoint, home)
        made.close()
