"""Latency of an unrelated request while others commit."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from attrs import frozen

from benchmarks.delivery.loads import Meter
from benchmarks.delivery.measuring import SENDERS
from benchmarks.delivery.stats import Latency, latency
from benchmarks.delivery.systems.hyperhive import Hyperhive

BYSTANDER = "r0"
"""The participant that sends `whoami`; it receives nothing while the senders are busy."""

PAUSE = 0.002
"""Seconds between two of its requests."""


@frozen
class Isolation:
    """Latency of `whoami` on a separate socket, in microseconds: idle, and under load."""

    idle: Latency
    loaded: Latency


async def measure(hive: Hyperhive, count: int) -> Isolation:
    """Ask `whoami` `count` times without load and `count` times while 64 senders commit."""
    idle = await _probe(hive.socket(BYSTANDER), count)
    lanes = await hive.connect(SENDERS.lanes)
    flows = SENDERS.make(lanes, Meter())
    for flow in flows:
        flow.start()
    loaded = await _probe(hive.socket(BYSTANDER), count)
    await asyncio.gather(*(flow.drain() for flow in flows))
    await asyncio.gather(*(lane.close() for lane in lanes))
    return Isolation(idle, loaded)


async def _probe(path: Path, count: int) -> Latency:
    arguments = ("-m", "benchmarks.delivery.blocking", str(path), str(count), str(PAUSE))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"the probe ended with {process.returncode}")
    return latency(json.loads(output))
