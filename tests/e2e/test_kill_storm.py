"""Repeated kill -9 of the daemon under load loses no message that was answered `ok`."""

from __future__ import annotations

import sys
import threading
from collections import defaultdict
from pathlib import Path
from random import Random

import pytest
from attrs import define, field

from hive.client.blocking import BlockingClient, call
from hive.errors import HiveError
from tests.support.daemons import HiveOnDisk, eventually, pids_of

KILLS = 100
SENDERS = tuple(f"sender{number}" for number in range(8))
SINKS = ("sink-a", "sink-b")
AGENTS = ("alice", "bob")

CONFIG = "\n".join(
    [
        *(f'[agents.{name}]\nexec = ["sleep", "100000"]' for name in AGENTS),
        *(f"[peers.{name}]" for name in (*SENDERS, *SINKS)),
    ]
)


@define
class Sender:
    """Sends numbered messages to both sinks in turn; an unanswered one may or may not exist."""

    path: Path
    name: str
    stop: threading.Event
    tried: dict[str, list[int]] = field(factory=lambda: defaultdict(list))
    answered: dict[str, list[int]] = field(factory=lambda: defaultdict(list))

    def run(self) -> None:
        """Send until the event is set."""
        number = 0
        while not self.stop.is_set():
            sink = SINKS[number % len(SINKS)]
            self.tried[sink].append(number)
            try:
                call(self.path, {"cmd": "send", "to": sink, "body": f"{self.name} {number}"}, 10)
            except HiveError:
                self.stop.wait(0.01)
            else:
                self.answered[sink].append(number)
            number += 1


@define
class Sink:
    """Receives and acks; records the order of first deliveries per sender."""

    path: Path
    stop: threading.Event
    first: dict[str, list[int]] = field(factory=lambda: defaultdict(list))
    repeats: int = 0
    unmarked_repeats: int = 0

    def run(self) -> None:
        """Receive until the event is set."""
        while not self.stop.is_set():
            try:
                self.receive()
            except HiveError:
                self.stop.wait(0.01)

    def receive(self) -> None:
        """Receive and ack on one connection, since a lease lives as long as it does."""
        with BlockingClient(self.path) as connection:
            recv = {"cmd": "recv", "max": 32, "wait_seconds": 1}
            if messages := connection.call(recv)["messages"]:
                for message in messages:
                    self.take(message["body"], redelivered=message["redelivered"])
                connection.call({"cmd": "ack_turn"})

    def take(self, body: str, *, redelivered: bool) -> None:
        """Record one delivery."""
        sender, number = body.split()
        if int(number) in self.first[sender]:
            self.repeats += 1
            self.unmarked_repeats += not redelivered
        else:
            self.first[sender].append(int(number))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_hundred_kills_lose_nothing_and_disturb_no_agent(
    hive: HiveOnDisk, capsys: pytest.CaptureFixture[str]
) -> None:
    hive.configure(CONFIG)
    hive.start()
    for name in AGENTS:
        hive.until_state(name, "running")
    before = pids_of(hive.state_dir)
    stop_sending, stop_receiving = threading.Event(), threading.Event()
    senders = [Sender(hive.socket_of(name), name, stop_sending) for name in SENDERS]
    sinks = {name: Sink(hive.socket_of(name), stop_receiving) for name in SINKS}
    threads = [threading.Thread(target=each.run) for each in (*senders, *sinks.values())]
    for thread in threads:
        thread.start()
    try:
        random = Random(4)
        for _ in range(KILLS):
            hive.kill()
            hive.launch()
            eventually(lambda: is_served(hive.socket_of(SENDERS[-1])), what="the sockets")
            stop_sending.wait(random.random() * 0.3)
        eventually(hive.answers, what="the last daemon")
        stop_sending.set()
        for thread in threads[: len(senders)]:
            thread.join()
        eventually(
            lambda: all(hive.status(name)["unread"] == 0 for name in SINKS), what="empty inboxes"
        )
    finally:
        stop_sending.set()
        stop_receiving.set()
        for thread in threads:
            thread.join()

    answered, repeats = check_history(senders, sinks), sum(s.repeats for s in sinks.values())
    with capsys.disabled():
        sys.stdout.write(
            f"\n{KILLS} kills: {answered} sends answered ok, {repeats} repeats, 0 lost\n"
        )
    assert pids_of(hive.state_dir) == before, "no agent was ended, doubled or orphaned"
    for name in AGENTS:
        row = hive.until_state(name, "running")
        assert (row["pid"], row["restarts"]) == (before[name], 0)


def check_history(senders: list[Sender], sinks: dict[str, Sink]) -> int:
    """Check that no message is lost or invented; first deliveries in order, repeats marked."""
    total = 0
    for sink_name, sink in sinks.items():
        for sender in senders:
            delivered = sink.first[sender.name]
            assert set(sender.answered[sink_name]) <= set(delivered), "an answered send was lost"
            assert set(delivered) <= set(sender.tried[sink_name]), "a message was invented"
            assert delivered == sorted(delivered), "first deliveries are out of order"
            total += len(sender.answered[sink_name])
        assert sink.unmarked_repeats == 0, "a repeat was not marked as redelivered"
    assert total > 0
    return total


def is_served(path: Path) -> bool:
    """Whether a socket accepts connections; its file may outlive its process."""
    try:
        call(path, {"cmd": "status"}, 5)
    except HiveError:
        return False
    return True
