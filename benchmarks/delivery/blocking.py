"""A bare blocking connection to one of our sockets, with times.

As a program (`python -m benchmarks.delivery.blocking SOCKET COUNT PAUSE`) it sends `whoami` COUNT
times with PAUSE seconds between, and prints the durations as a JSON list of seconds. As a separate
process it does not wait for the one that makes the load.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from pathlib import Path
from typing import Any


class BlockingConnection:
    """One connection."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")

    def ask(self, **request: object) -> dict[str, Any]:
        """Send a request and return its answer.

        Raises:
            RuntimeError: It is refused.
        """
        return self.timed(**request)[1]

    def timed(self, **request: object) -> tuple[float, dict[str, Any]]:
        """Like `ask`, with the seconds until the answer."""
        began = time.perf_counter()
        self.send(**request)
        line = self._lines.readline()
        return time.perf_counter() - began, _checked(line)

    def send(self, **request: object) -> None:
        """Send a request, whose answer `receive` returns."""
        self._socket.sendall(json.dumps(request).encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        """Return the next answer.

        Raises:
            RuntimeError: It is a refusal.
        """
        return _checked(self._lines.readline())

    def close(self) -> None:
        """Disconnect."""
        self._lines.close()
        self._socket.close()


def _checked(line: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(line)
    if not answer["ok"]:
        raise RuntimeError(f"hive-c0re refused a request: {answer['error']}")
    return answer


def main(path: str, count: str, pause: str) -> None:
    """Send `whoami` repeatedly and print the times."""
    connection = BlockingConnection(Path(path))
    samples = []
    for _ in range(int(count)):
        samples.append(connection.timed(cmd="whoami")[0])
        time.sleep(float(pause))
    connection.close()
    print(json.dumps(samples))


if __name__ == "__main__":
    main(*sys.argv[1:])
