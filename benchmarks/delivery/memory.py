"""Memory of our daemon: for parked `recv`s, and after many messages."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import select
import socket
from collections.abc import Iterator, Sequence

from attrs import frozen

from benchmarks.delivery.loads import Meter
from benchmarks.delivery.measuring import DRAIN_SECONDS, PAIRS_128
from benchmarks.delivery.systems.hyperhive import Hyperhive
from benchmarks.delivery.systems.lines import WAIT

INBOXES = 50
"""Number of inboxes of the parked `recv`s."""

SPARE_FILES = 500
"""Descriptors that we and the daemon need besides parked connections."""

CHECK_INTERVAL = 0.2
"""Seconds between two checks of the number of arrived messages."""

_RECV = json.dumps({"cmd": "recv", "wait_seconds": WAIT}).encode() + b"\n"


@frozen
class Endurance:
    """Resident bytes of a daemon at rest after so many messages, few and many."""

    few: int
    many: int


def allow_files(count: int) -> str | None:
    """Raise the limit of file descriptors for `count` connections; return why it failed, if so."""
    wanted = count + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        return f"{wanted:,} open files are needed, and `ulimit -Hn` allows {hard:,}"
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return None


async def parked(hive: Hyperhive, count: int) -> float:
    """Park `count` connections in `recv`, and return the bytes by which the daemon grew for each.

    One for each inbox comes before, so that what is made only once is there. Let the daemon have
    done nothing yet: memory that it has given up would be taken first.

    Raises:
        RuntimeError: When a `recv` was answered.
    """
    with contextlib.ExitStack() as stack:
        first = [*_parked(hive, INBOXES, stack)]
        before = await hive.memory_at_rest()
        more = [*_parked(hive, count, stack)]
        grown = await hive.memory_at_rest() - before
        check_silent([*first, *more])
    return grown / count


def _parked(hive: Hyperhive, count: int, stack: contextlib.ExitStack) -> Iterator[socket.socket]:
    for number in range(count):
        one = stack.enter_context(socket.socket(socket.AF_UNIX))
        one.connect(str(hive.socket(f"r{number % INBOXES}")))
        one.sendall(_RECV)
        yield one


def check_silent(connections: Sequence[socket.socket]) -> None:
    """Check that no connection has an answer.

    Raises:
        RuntimeError: Some were answered or closed.
    """
    poll = select.poll()
    for one in connections:
        poll.register(one, select.POLLIN)
    if answered := poll.poll(0):
        raise RuntimeError(f"{len(answered)} parked recvs were answered or closed")


async def endure(hive: Hyperhive, few: int, many: int) -> Endurance:
    """Send `few` messages, then more up to `many`; measure the memory after each."""
    await _send(hive, few)
    first = await hive.memory_at_rest()
    await _send(hive, many - few)
    return Endurance(first, await hive.memory_at_rest())


async def _send(hive: Hyperhive, count: int) -> None:
    lanes = await hive.connect(PAIRS_128.lanes)
    meter = Meter(is_open=True)
    flows = PAIRS_128.make(lanes, meter)
    for flow in flows:
        flow.start()
    while count > 0:
        await asyncio.sleep(CHECK_INTERVAL)
        count -= len(meter.samples)
        meter.samples.clear()
    async with asyncio.timeout(DRAIN_SECONDS):
        await asyncio.gather(*(flow.drain() for flow in flows))
    await asyncio.gather(*(lane.close() for lane in lanes))
