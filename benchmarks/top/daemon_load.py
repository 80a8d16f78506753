"""A daemon under load: events that go on, and how long small requests take meanwhile."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path
from typing import Any

from hive.client.blocking import BlockingClient
from tests.support.daemons import eventually


class Changes:
    """Agents that are paused and resumed: an event each time."""

    def __init__(self, path: Path, agents: int, rate: int) -> None:
        self._path, self._agents, self._pause = path, agents, 1 / rate
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Changes:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        with BlockingClient(self._path) as client:
            for number in itertools.count():
                name, paused = f"a{number % self._agents}", number // self._agents % 2 == 0
                client.call({"cmd": "set_paused", "name": name, "paused": paused})
                due += self._pause
                if self._ended.wait(max(0.0, due - time.monotonic())):
                    return


def answer_times(path: Path, seconds: float) -> list[float]:
    """Ask a question with a small answer 50 times a second; return the milliseconds of each."""
    found, until = [], time.monotonic() + seconds
    with BlockingClient(path) as client:
        while time.monotonic() < until:
            began = time.perf_counter()
            client.call({"cmd": "urls"})
            found.append((time.perf_counter() - began) * 1000)
            time.sleep(0.02)
    return found


def _ask(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    with BlockingClient(path) as client:
        return client.call(request)


def _running(path: Path) -> int:
    rows = _ask(path, {"cmd": "agent_status"})["agent_statuses"]
    return sum(row["state"] == "running" for row in rows)


def newest_event(path: Path) -> int:
    """Return the number of the newest event."""
    return int(_ask(path, {"cmd": "events", "max": 1})["events"][-1]["seq"])


def until_running(path: Path, agents: int) -> None:
    """Wait until so many agents run."""
    eventually(lambda: _running(path) == agents, within=600, what="all agents")
