"""One measured run of one system."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import frozen

from benchmarks.delivery.loads import Flow, Meter, askers, pairs, ping_pong, senders
from benchmarks.delivery.stats import MICRO, Latency, latency
from benchmarks.delivery.systems.base import Driven, Embedded, Lane

DRAIN_SECONDS = 60.0
"""Seconds after the end of a run in which all messages must arrive."""


@frozen
class Timing:
    """Duration of a run: seconds that are not measured, then seconds that are."""

    warm_up: float
    measured: float


@frozen
class Result:
    """One run of one system.

    Attributes:
        rate: Messages per second.
        latency: How long one took.
        server_cpu: CPU of the server per message, in microseconds; of a library its own.
        client_cpu: CPU of the driving process per message, in microseconds; None for a library.
    """

    rate: float
    latency: Latency
    server_cpu: float
    client_cpu: float | None


@frozen
class Workload:
    """A load with a name and a number of lanes."""

    name: str
    lanes: int
    make: Callable[[Sequence[Lane], Meter], list[Flow]]


PING_PONG = Workload("ping-pong", 2, ping_pong)
ONE_SENDER = Workload("1 sender", 1, senders)
SENDERS = Workload("64 senders", 64, senders)
ONE_PAIR = Workload("1 pair", 1, pairs)
PAIRS_16 = Workload("16 pairs", 16, pairs)
PAIRS_128 = Workload("128 pairs", 128, pairs)
WHOAMI = Workload("whoami", 16, askers)

MAIL = (ONE_SENDER, SENDERS, PING_PONG, ONE_PAIR, PAIRS_16, PAIRS_128)
WORKLOADS = (*MAIL, WHOAMI)
"""In the order of a round: one sender is compared with the disk, which is measured just before."""


async def run(broker: Driven, workload: Workload, timing: Timing) -> Result:
    """Drive a server, and check that all messages have arrived.

    Raises:
        TimeoutError: When it has not.
    """
    lanes = await broker.connect(workload.lanes)
    meter = Meter()
    flows = workload.make(lanes, meter)
    for flow in flows:
        flow.start()
    await asyncio.sleep(timing.warm_up)
    result = await _measured(broker, meter, timing.measured)
    async with asyncio.timeout(DRAIN_SECONDS):
        await asyncio.gather(*(flow.drain() for flow in flows))
    await asyncio.gather(*(lane.close() for lane in lanes))
    return result


async def _measured(broker: Driven, meter: Meter, seconds: float) -> Result:
    server, client, began = broker.cpu_seconds(), time.process_time(), time.perf_counter()
    meter.is_open = True
    await asyncio.sleep(seconds)
    meter.is_open = False
    took = time.perf_counter() - began
    count = len(meter.samples)
    if not count:
        raise RuntimeError(f"{broker.name}: no message came through in {seconds:g} s")
    return Result(
        rate=count / took,
        latency=latency(meter.samples),
        server_cpu=(broker.cpu_seconds() - server) / count * MICRO,
        client_cpu=(time.process_time() - client) / count * MICRO,
    )


def run_embedded(queue: Embedded, directory: Path, timing: Timing) -> Result:
    """Drive a library on this thread."""
    put = queue.open(directory)
    _repeat(put, timing.warm_up)
    cpu = time.process_time()
    samples = _repeat(put, timing.measured)
    return Result(
        rate=len(samples) / sum(samples),
        latency=latency(samples),
        server_cpu=(time.process_time() - cpu) / len(samples) * MICRO,
        client_cpu=None,
    )


def _repeat(action: Callable[[], object], seconds: float) -> list[float]:
    samples: list[float] = []
    end = time.perf_counter() + seconds
    while not samples or time.perf_counter() < end:
        began = time.perf_counter()
        action()
        samples.append(time.perf_counter() - began)
    return samples
