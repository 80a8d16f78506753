"""A collector of OpenTelemetry inside a test: it takes OTLP over HTTP and decodes it."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from attrs import define, field
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

Labels = frozenset[tuple[str, str]]

KINDS: dict[str, Any] = {
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/traces": ExportTraceServiceRequest,
}


@define(eq=False)
class Collector:
    """What has arrived.

    Attributes:
        url: The base URL.
        status: The status of its answers.
        gate: Answers wait until it is set.
        requests: The decoded requests by path.
    """

    url: str = ""
    status: int = 200
    gate: threading.Event = field(factory=threading.Event)
    requests: dict[str, list[Any]] = field(factory=lambda: {path: [] for path in KINDS})

    def metrics(self) -> dict[str, Any]:
        """Return the metrics of the newest request by name."""
        newest = self.requests["/v1/metrics"][-1]
        return {
            metric.name: metric
            for resource in newest.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def spans(self) -> dict[str, Any]:
        """Return all spans by name."""
        return {
            span.name: span
            for request in self.requests["/v1/traces"]
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }


def labels(attributes: Any) -> dict[str, Any]:
    """Return the attributes of a point or a span."""
    return {
        each.key: getattr(each.value, str(each.value.WhichOneof("value"))) for each in attributes
    }


@contextmanager
def collecting(*, is_open: bool = True) -> Iterator[Collector]:
    """Run a collector; one that is not open hangs until its gate is set."""
    collector = Collector()
    if is_open:
        collector.gate.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.gate.wait(30)
            collector.requests[self.path].append(KINDS[self.path].FromString(body))
            self.send_response(collector.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            collector.gate.set()
            server.shutdown()
            thread.join()
