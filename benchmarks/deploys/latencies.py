"""Latencies of requests, and of a server beside the daemon that does nothing else."""

from __future__ import annotations

import socketserver
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field

from hive.client.blocking import call


@define
class Latencies:
    """Milliseconds of each `whoami`, taken in a thread with a connection for each request."""

    socket: Path
    times: list[float] = field(factory=list)
    _stop: threading.Event = field(factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> Latencies:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.005):
            started = time.perf_counter()
            call(self.socket, {"cmd": "whoami"})
            self.times.append((time.perf_counter() - started) * 1000)

    def p99(self) -> float:
        """Return the time that one in a hundred exceeds."""
        return statistics.quantiles(self.times, n=100)[-1]


class Bare(socketserver.StreamRequestHandler):
    """Answers each line with the same one, as a daemon would that did nothing."""

    def handle(self) -> None:
        """Answer the lines of one connection."""
        for _ in self.rfile:
            self.wfile.write(b'{"version":1,"ok":true}\n')


@contextmanager
def bare_server(socket: Path) -> Iterator[None]:
    """Run a server of its own process; what its answers take is the machine's part."""
    argv = [sys.executable, "-m", "benchmarks.deploys.latencies", str(socket)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        try:
            yield
        finally:
            server.kill()


def main() -> None:
    """Be the bare server."""
    with socketserver.UnixStreamServer(sys.argv[1], Bare) as server:
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
