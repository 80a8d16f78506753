"""Measure `hive-c0re estop` and `thaw` of many process agents, as an operator runs them.

Each agent is a harness with a program that works on a message at the stop. Meanwhile each gets
another message, which must be answered after the thaw.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hive.client.blocking import call
from tests.support.daemons import HiveOnDisk, eventually

TARGET = 1.0
"""Seconds that the stop may take, from the request to the answer."""

WORK = "cat >/dev/null; while [ ! -e $GO ]; do sleep 0.2; done; echo done"


@click.command()
@click.option("--agents", default=50, show_default=True, help="Number of agents.")
@click.option("--json", "path", type=Path, help="Write the figures to a file.")
def main(agents: int, path: Path | None) -> None:
    """Print the seconds of the stop and of the thaw, and how the mail fared."""
    with tempfile.TemporaryDirectory() as root:
        hive = HiveOnDisk(Path(root))
        try:
            found = measure(hive, agents, Path(root) / "go")
        finally:
            hive.close()
    if path is not None:
        path.write_text(json.dumps(found, indent=2))
    print(f"estop of {agents} agents: {found['estop']:.2f} s (target: {TARGET:g} s)")
    print(f"the verb again, from its start: {found['verb']:.2f} s")
    print(f"thaw: {found['thaw']:.2f} s; all answered: {found['answered']}")


def measure(hive: HiveOnDisk, agents: int, go: Path) -> dict[str, Any]:
    """Run the hive once; return the seconds of both verbs, and whether all mail was answered."""
    names = [f"a{number}" for number in range(agents)]
    run = json.dumps(["sh", "-c", WORK.replace("$GO", str(go))])
    hive.configure("".join(f"[agents.{name}]\nrun = {run}\n" for name in names))
    hive.start()
    socket = hive.run_dir / "host.sock"
    eventually(lambda: _all(socket, "connected"), within=300, what="all harnesses")
    for name in names:
        call(socket, {"cmd": "send", "to": name, "body": "begun"})
    working = lambda: sum(row["activity"] == "working" for row in _rows(socket)) == agents  # noqa: E731
    eventually(working, within=120, what="all at work")
    request = _seconds(lambda: call(socket, {"cmd": "estop"}, 120.0))
    again = _seconds(lambda: hive.ok("estop", timeout=120))
    for name in names:
        call(socket, {"cmd": "send", "to": name, "body": "meanwhile"})
    go.touch()
    thaw = _seconds(lambda: hive.ok("thaw", timeout=300))
    inbox = {"cmd": "inbox", "name": "operator", "max": 2 * agents}
    answers = lambda: len(call(socket, inbox)["messages"]) == 2 * agents  # noqa: E731
    eventually(answers, within=300, what="all answers")
    return {"agents": agents, "estop": request, "verb": again, "thaw": thaw, "answered": True}


def _rows(socket: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = call(socket, {"cmd": "agent_status"})["agent_statuses"]
    return rows


def _all(socket: Path, flag: str) -> bool:
    return all(row.get(flag) for row in _rows(socket))


def _seconds(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


if __name__ == "__main__":
    main()
