"""The other process: peers on raw sockets that carry out commands, one a line.

    python -m benchmarks.trace.peers RUN_DIR

It reads one command a line from standard input and answers each with a number when it is done:
`park` lets the receiver ack its messages and wait in `recv`; `send` sends it a message and takes
that; `pairs N` lets all pairs exchange at least N messages, and answers with their number.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import uvloop

from benchmarks.delivery.blocking import BlockingConnection
from benchmarks.delivery.loads import Meter, pairs
from benchmarks.delivery.systems.base import BODY, TAKE, Lane
from benchmarks.delivery.systems.lines import LineReceiver, sender_to
from benchmarks.delivery.systems.wire import WireLane, connected
from hive.paths import Paths

PAIRS = 16
SENDERS = tuple(f"s{number}" for number in range(PAIRS))
RECEIVERS = tuple(f"r{number}" for number in range(PAIRS))

WAIT = 60.0
"""Seconds of one long poll."""

CHECK_INTERVAL = 0.005
"""Seconds between two checks of the number of arrived messages."""


class Couple:
    """One sender and one receiver, a step at a time.

    Args:
        run_dir: Directory with the sockets.
    """

    def __init__(self, run_dir: Path) -> None:
        paths = Paths(run_dir, run_dir)
        self._sender = BlockingConnection(paths.agent_socket(SENDERS[0]))
        self._receiver = BlockingConnection(paths.agent_socket(RECEIVERS[0]))
        self._taken: list[int] = []

    def park(self) -> int:
        """Ack the messages that were taken and wait for more."""
        self._receiver.send(cmd="recv", max=TAKE, wait_seconds=WAIT, ack=self._taken)
        self._taken = []
        return 1

    def send(self) -> int:
        """Send one message and take it."""
        self._sender.ask(cmd="send", to=RECEIVERS[0], body=BODY)
        self._taken = [message["id"] for message in self._receiver.receive()["messages"]]
        return len(self._taken)

    def close(self) -> None:
        """Disconnect."""
        self._sender.close()
        self._receiver.close()


async def exchange(run_dir: Path, count: int) -> int:
    """Let all pairs exchange `count` messages or a few more; return their number."""
    paths = Paths(run_dir, run_dir)
    lanes: list[Lane] = [
        WireLane(
            await connected(sender_to(receiver), paths.agent_socket(sender)),
            await connected(LineReceiver(), paths.agent_socket(receiver)),
        )
        for sender, receiver in zip(SENDERS, RECEIVERS, strict=True)
    ]
    meter = Meter(is_open=True)
    flows = pairs(lanes, meter)
    for flow in flows:
        flow.start()
    missing = count
    while missing > 0:
        await asyncio.sleep(CHECK_INTERVAL)
        missing = count - len(meter.samples)
    await asyncio.gather(*(flow.drain() for flow in flows))
    await asyncio.gather(*(lane.close() for lane in lanes))
    return len(meter.samples)


def main(run_dir: Path) -> None:
    """Carry out the commands on standard input."""
    couple: Couple | None = None
    for line in sys.stdin:
        command, *words = line.split()
        if command == "pairs":
            if couple is not None:
                couple.close()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                done = runner.run(exchange(run_dir, int(words[0])))
        else:
            couple = couple or Couple(run_dir)
            done = couple.park() if command == "park" else couple.send()
        print(json.dumps(done), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
