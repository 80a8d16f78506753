"""Measure wake → model request on the wire: through a real hive, and with the bare SDK.

Both drive the real Claude Code with the same options at a scripted model on loopback, one turn of
each in turn, so that whatever else the machine does meets both.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from attrs import define, field
from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient
from claude_agent_sdk.types import HookJSONOutput

from hive.client.blocking import call
from hive.harness.claude.launch import Callbacks, LaunchOptions, mcp_server, sdk_options
from hive.harness.claude.prompt import system_prompt
from hive.harness.tools import for_kind
from hive.wire.claude import ClaudeConfig
from tests.support.daemons import HiveOnDisk
from tests.support.messages_endpoint import Endpoint

TARGET = 1.2
"""Target for the ratio of the medians."""

MODEL = "claude-sonnet-5"
UNUSED: Any = None
"""The bare SDK offers the same tools, but they are not called."""

WARM_UP = 3
"""Turns of each that are not counted: programs start, caches fill."""


@define
class Times:
    """Milliseconds from the wake to the model's request."""

    hive: list[float] = field(factory=list)
    bare: list[float] = field(factory=list)

    @property
    def ratio(self) -> float:
        """Median through the hive over median of the bare SDK."""
        return statistics.median(self.hive) / statistics.median(self.bare)

    def text(self) -> str:
        """Return the figures for people."""
        lines = [
            f"{name:<12} p50 {statistics.median(times):7.1f} ms   "
            f"p90 {statistics.quantiles(times, n=10)[-1]:7.1f} ms   n {len(times)}"
            for name, times in (("through hive", self.hive), ("bare SDK", self.bare))
        ]
        verdict = "met" if self.ratio <= TARGET else "missed"
        return "\n".join([*lines, f"ratio of the medians {self.ratio:.2f}; {TARGET} is {verdict}"])


def start(hive: HiveOnDisk, endpoint: Endpoint, home: Path) -> None:
    """Start a hive with one agent that is Claude Code."""
    env = json.dumps(endpoint.environment(str(home)))[1:-1].replace('": "', '" = "')
    hive.configure(
        f'[agents.alice]\ndriver = "claude"\nenv = {{ {env} }}\n'
        f'[agents.alice.claude]\nmodel = "{MODEL}"\n'
    )
    hive.start()


def wake(hive: HiveOnDisk, endpoint: Endpoint) -> float:
    """Wake the agent and return the milliseconds until its model was asked."""
    before = len(endpoint.of("alice"))
    started = time.monotonic()
    request = {"cmd": "send", "to": "alice", "body": "go on"}
    message = call(hive.run_dir / "host.sock", request)["id"]
    asked = endpoint.nth(before + 1, "alice")
    wait = {"cmd": "trace", "id": message}
    while call(hive.run_dir / "host.sock", wait)["message"]["state"] != "acked":
        time.sleep(0.01)
    return (asked.at - started) * 1000


async def ask(client: ClaudeSDKClient, endpoint: Endpoint) -> float:
    """Ask with the bare SDK and return the milliseconds until the model was asked."""
    before = len(endpoint.requests)
    started = time.monotonic()
    await client.query("go on")
    async for _ in client.receive_response():
        pass
    return (endpoint.requests[before].at - started) * 1000


def bare(endpoint: Endpoint, home: Path, cwd: Path) -> ClaudeAgentOptions:
    """Return the options of the bare SDK: those of the driver, tools included, and no hive."""
    settings = ClaudeConfig(model=MODEL)
    tools = for_kind(UNUSED, manager=False, mail=UNUSED)
    callbacks = Callbacks(mcp_server(tools), _nothing_to_add, lambda line: None)
    launch = LaunchOptions(None, None, system_prompt("alice", "agent", None))
    options = sdk_options(settings, launch, callbacks, cwd=cwd, environ={})
    return replace(options, env={**options.env, **endpoint.environment(str(home))})


async def _nothing_to_add(*_: object) -> HookJSONOutput:
    return {}


async def measure(turns: int, root: Path) -> Times:
    """Measure `turns` turns of each."""
    times = Times()
    hive = HiveOnDisk(root)
    homes = [root / "home-of-hive", root / "home-of-sdk"]
    for home in homes:
        home.mkdir()
    with Endpoint() as endpoint:
        try:
            start(hive, endpoint, homes[0])
            options = bare(endpoint, homes[1], root)
            async with ClaudeSDKClient(options) as client:
                for _ in range(WARM_UP + turns):
                    times.hive.append(await asyncio.to_thread(wake, hive, endpoint))
                    times.bare.append(await ask(client, endpoint))
        finally:
            hive.close()
    return Times(times.hive[WARM_UP:], times.bare[WARM_UP:])


@click.command()
@click.option("--turns", type=click.IntRange(10), default=50, show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write results here.")
def main(turns: int, json_file: Path | None) -> None:
    """Measure the time that the harness adds to a turn."""
    for name in [name for name in os.environ if name.startswith("ANTHROPIC_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="hive-bench-") as root:
        times = asyncio.run(measure(turns, Path(root)))
    if json_file is not None:
        json_file.write_text(json.dumps({"hive_ms": times.hive, "bare_ms": times.bare}) + "\n")
    click.echo(times.text())


if __name__ == "__main__":
    main()
