"""Those who work on while another attacks: two neighbours and the operator, each on a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import Factory, define

from hive.client.blocking import BlockingClient
from hive.errors import HiveError

WHOAMI_SECONDS = 0.01
SEND_SECONDS = 0.15
"""Seconds between two sends: below the rate that a sender has."""

OPERATOR_SECONDS = 0.25
"""Seconds between two requests of the operator."""

PATIENCE = 20.0
"""Seconds after which a request has failed."""

RECV = {"cmd": "recv", "max": 32, "wait_seconds": 0.2}

OPERATOR_REQUESTS: tuple[dict[str, Any], ...] = (
    {"cmd": "agent_status"},
    {"cmd": "send", "to": "ben", "body": "of the operator"},
    {"cmd": "inbox"},
    {"cmd": "limits"},
    {"cmd": "events"},
    {"cmd": "questions"},
)


@define
class Observed:
    """What one of them has seen.

    Attributes:
        latencies: Seconds of each request, by verb.
        failures: Sentences of requests that failed or were refused.
    """

    latencies: dict[str, list[float]] = Factory(dict)
    failures: list[str] = Factory(list)

    def timed(self, verb: str, request: Callable[[], Any]) -> Any:
        """Run a request and record its time, or its failure."""
        begun = time.monotonic()
        try:
            return request()
        except HiveError as error:
            self.failures.append(f"{verb}: {error}")
            return None
        finally:
            self.latencies.setdefault(verb, []).append(time.monotonic() - begun)


@define
class Neighbours:
    """The threads of the neighbours and of the operator, and what they have seen.

    Attributes:
        acked: Bodies of the messages that ann sent to ben and that were stored, in order.
        received: Bodies of ann's messages that ben got, in order.
    """

    run_dir: Path
    observed: dict[str, Observed] = Factory(dict)
    acked: list[str] = Factory(list)
    received: list[str] = Factory(list)
    _ended: threading.Event = Factory(threading.Event)
    _sent: threading.Event = Factory(threading.Event)

    def whoami(self) -> None:
        """Ask who one is, a hundred times a second."""
        seen = self._observe("ann asks")
        with self._connected("ann") as ann:
            while not self._ended.wait(WHOAMI_SECONDS) and not seen.failures:
                seen.timed("whoami", lambda: ann.call({"cmd": "whoami"}, PATIENCE))

    def send(self) -> None:
        """Send to ben, and now and then to the operator."""
        seen = self._observe("ann sends")
        with self._connected("ann") as ann:
            number = 0
            while not self._ended.wait(SEND_SECONDS) and len(seen.failures) < 20:
                body = f"{number:06}"
                request = {"cmd": "send", "to": "ben", "body": body}
                if seen.timed("send", lambda each=request: ann.call(each, PATIENCE)) is not None:
                    self.acked.append(body)
                number += 1

    def receive(self) -> None:
        """Receive as ben until ann has ended and nothing is left."""
        seen = self._observe("ben receives")
        with self._connected("ben") as ben:
            while not seen.failures:
                has_all = self._sent.is_set()
                answer = seen.timed("recv", lambda: ben.call(RECV, PATIENCE))
                found = answer["messages"] if answer else []
                self.received += [each["body"] for each in found if each["from"] == "ann"]
                if found:
                    ids = [each["id"] for each in found]
                    ack = {"cmd": "ack", "ids": ids}
                    seen.timed("ack", lambda each=ack: ben.call(each, PATIENCE))
                elif has_all:
                    return

    def operate(self) -> None:
        """Ask as the operator, each time on a new connection."""
        seen = self._observe("operator")
        number = 0
        while not self._ended.wait(OPERATOR_SECONDS):
            request = OPERATOR_REQUESTS[number % len(OPERATOR_REQUESTS)]
            seen.timed(str(request["cmd"]), lambda each=request: self._ask_host(each))
            number += 1

    def last_words(self) -> None:
        """Send once to everyone, after the attack: nobody's inbox is blocked."""
        seen = self._observe("afterwards")
        with self._connected("ann") as ann:
            for to in ("operator", "alice", "hm1nd"):
                request = {"cmd": "send", "to": to, "body": "still there"}
                seen.timed(f"send to {to}", lambda each=request: ann.call(each, PATIENCE))
        for to in ("alice", "hm1nd", "mallory"):
            request = {"cmd": "send", "to": to, "body": "still there"}
            seen.timed(f"operator to {to}", lambda each=request: self._ask_host(each))

    def _ask_host(self, request: dict[str, Any]) -> Any:
        with BlockingClient(self.run_dir / "host.sock", PATIENCE) as client:
            return client.call(request, PATIENCE)

    def _observe(self, name: str) -> Observed:
        return self.observed.setdefault(name, Observed())

    @contextmanager
    def _connected(self, name: str) -> Iterator[BlockingClient]:
        with BlockingClient(self.run_dir / "agents" / name / "mcp.sock", PATIENCE) as client:
            yield client

    def start(self, work: Callable[[Neighbours], None]) -> threading.Thread:
        """Let one of them work on a thread of its own."""

        def run() -> None:
            try:
                work(self)
            except HiveError as error:
                self._observe(work.__name__).failures.append(f"connect: {error}")
            finally:
                if work is Neighbours.send:
                    self._sent.set()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def end(self) -> None:
        """End the work, apart from what is still to be received."""
        self._ended.set()


@contextmanager
def at_work(run_dir: Path) -> Iterator[Neighbours]:
    """Let them work; at the end ben still receives what is left."""
    made = Neighbours(run_dir)
    works = (Neighbours.whoami, Neighbours.send, Neighbours.receive, Neighbours.operate)
    threads = [made.start(work) for work in works]
    try:
        yield made
    finally:
        made.end()
        for thread in threads:
            thread.join(3 * PATIENCE)
