"""A whole small hive inside a test, and a bare connection to its sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Self

import pytest
from attrs import define, frozen

from hive.client.agent import Delivery
from hive.client.function_agent import answering
from hive.clock import LoopClock
from hive.config import AgentManifest, HiveConfig, PeerConfig, RestartPolicy
from hive.config.model import RestartType
from hive.daemon.hive import AgentCoroutine, Hive
from hive.machines.pressure import ReadPressures
from hive.machines.runtime import Runtime
from hive.store import InlineEngine

EXEC = AgentManifest(exec=("agent",))
"""A program that is the agent itself; scripted runtimes never start it."""

CALM = RestartPolicy(max_restarts=3, within=1000.0, base=10.0, factor=2.0, cap=1000.0, jitter=0.0)
"""Delays of 10, 20 and 40 seconds; the budget is spent after these."""

TRANSIENT = RestartPolicy(restart=RestartType.TRANSIENT, base=10.0, jitter=0.0)
TEMPORARY = RestartPolicy(restart=RestartType.TEMPORARY, base=10.0, jitter=0.0)


def swarm(
    *agents: str,
    peers: Iterable[str] = (),
    manager: bool = False,
    manifest: AgentManifest = EXEC,
    restart: RestartPolicy = CALM,
) -> HiveConfig:
    """Return the configuration of a hive whose agents have the same settings."""
    return HiveConfig(
        restart=restart,
        manager=manifest if manager else None,
        agents=dict.fromkeys(agents, manifest),
        peers=dict.fromkeys(peers, PeerConfig()),
    )


@frozen
class Site:
    """The directories of one hive; the sockets' paths must be short."""

    state_dir: Path
    run_dir: Path

    def simulated(
        self,
        runtime: Runtime | None = None,
        config: HiveConfig | None = None,
        *,
        agents: Mapping[str, AgentCoroutine] | None = None,
        peers: Iterable[str] = (),
        read_pressures: ReadPressures = dict,
        engine: InlineEngine | None = None,
    ) -> Hive:
        """Return a hive for the simulation loop, which repeats it exactly."""
        return Hive(
            self.state_dir,
            config=config,
            runtime=runtime,
            agents=agents,
            peers=peers,
            run_dir=self.run_dir,
            clock=LoopClock(asyncio.get_running_loop()),
            random=Random(1),
            engine=engine or InlineEngine(),
            environ={},
            read_pressures=read_pressures,
        )

    def real(self, runtime: Runtime | None = None, config: HiveConfig | None = None) -> Hive:
        """Return a hive with real threads and the wall clock."""
        return Hive(
            self.state_dir, config=config, runtime=runtime, run_dir=self.run_dir, environ={}
        )


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Directories for a hive of this test."""
    with TemporaryDirectory(prefix="hive-") as short:
        yield Site(tmp_path / "state", Path(short))


async def _echo(message: Delivery) -> str:
    return f"echo {message.body}"


echo = answering(_echo)
"""An agent that answers with the body of the message."""


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until a condition holds that needs no time."""
    while not condition():
        await asyncio.sleep(0)


@define(eq=False)
class Line:
    """A bare connection that speaks lines."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def to(cls, path: Path) -> Self:
        """Connect once the socket is there: participants come up in the background."""
        async with asyncio.timeout(10):
            while True:
                with suppress(FileNotFoundError):
                    return cls(*await asyncio.open_unix_connection(path, limit=1 << 22))
                await asyncio.sleep(0.001)

    def write(self, *requests: Mapping[str, Any]) -> None:
        """Send requests in one piece, without waiting for answers."""
        self.writer.write(b"".join(json.dumps(each).encode() + b"\n" for each in requests))

    async def read(self) -> dict[str, Any]:
        """Return the next answer."""
        answer: dict[str, Any] = json.loads(await self.reader.readline())
        return answer

    async def ask(self, cmd: str, **fields: Any) -> dict[str, Any]:
        """Send one request and return its answer, a success or an error."""
        self.write({"cmd": cmd, **fields})
        return await self.read()

    async def ok(self, cmd: str, **fields: Any) -> dict[str, Any]:
        """Send one request that must succeed."""
        answer = await self.ask(cmd, **fields)
        assert answer["ok"], answer
        return answer

    async def refused(self, cmd: str, **fields: Any) -> tuple[str, str]:
        """Send one request that must be refused; return the code and the sentence."""
        answer = await self.ask(cmd, **fields)
        assert not answer["ok"], answer
        return answer["code"], answer["error"]

    async def close(self) -> None:
        """Disconnect; the other side may have done so before."""
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


@asynccontextmanager
async def connected(path: Path) -> AsyncIterator[Line]:
    """Return a bare connection that is closed at the end."""
    line = await Line.to(path)
    try:
        yield line
    finally:
        await line.close()
