"""A host socket that answers with given rows, at any version of the requests."""

from __future__ import annotations

import json
import socketserver
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

from attrs import define, field

Row = dict[str, Any]


@define
class FakeHost:
    """A host socket that answers by the request's `cmd`, and keeps what it was asked."""

    path: Path
    answers: dict[str, Row] = field(factory=dict)
    requests: list[Row] = field(factory=list)

    def answer(self, line: bytes) -> bytes:
        """Return the line that answers a line."""
        request = json.loads(line)
        self.requests.append(request)
        found = self.answers.get(request["cmd"])
        if found is None:
            error = {"ok": False, "code": "bad_request", "error": f"unknown {request['cmd']}"}
            return json.dumps({"version": 1, **error}).encode() + b"\n"
        return json.dumps({"version": 1, "ok": True, **found}).encode() + b"\n"

    def asked(self, cmd: str) -> list[Row]:
        """Return the requests of a kind."""
        return [request for request in self.requests if request["cmd"] == cmd]


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False


def serve(host: FakeHost) -> Callable[[], None]:
    """Answer on the host's socket; return what ends that."""
    connections: list[Any] = []

    class Connection(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            connections.append(self.connection)
            try:
                for line in self.rfile:
                    self.wfile.write(host.answer(line))
            except OSError:
                return

    host.path.unlink(missing_ok=True)
    server = _Server(str(host.path), Connection)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def stop() -> None:
        server.shutdown()
        thread.join()
        server.server_close()
        for connection in connections:
            try:
                connection.shutdown(2)
            except OSError:
                continue
        host.path.unlink(missing_ok=True)

    return stop
