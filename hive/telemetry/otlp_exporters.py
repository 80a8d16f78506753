"""The exporters of OpenTelemetry: they send metrics and spans by OTLP over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from hive.store import Message
from hive.store.usage import StoredTurn
from hive.telemetry.otlp_metrics import metrics_data
from hive.telemetry.turn_spans import SpanMaker
from hive.version import VERSION
from hive.wire.metric_rows import FamilyRow


class OtlpExporters:
    """Makes and sends what is exported; all methods run on the export thread and may block.

    Args:
        endpoint: The base URL of the collector; `/v1/metrics` and `/v1/traces` are appended.
        host: The name of this machine.
        hive: What distinguishes this hive from others on the machine.
        timeout: Most seconds of one export.
    """

    def __init__(self, endpoint: str, host: str, hive: str, timeout: float) -> None:
        # They log each failure with a traceback; `Telemetry` logs the first one.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        base = endpoint.rstrip("/")
        self._timeout = timeout
        self._metrics = OTLPMetricExporter(endpoint=f"{base}/v1/metrics", timeout=timeout)
        self._spans = OTLPSpanExporter(endpoint=f"{base}/v1/traces", timeout=timeout)
        self._resource = Resource.create(
            {
                "service.name": "hyperhive",
                "service.version": VERSION,
                "service.instance.id": f"{host}:{hive}",
                "host.name": host,
            }
        )
        self._scope = InstrumentationScope("hyperhive", VERSION)
        self._maker = SpanMaker(f"{host}:{hive}", self._resource, self._scope)

    def export_metrics(self, families: Sequence[FamilyRow], since: float, now: float) -> bool:
        """Send a reading; return whether the collector has taken it."""
        data = metrics_data(families, self._resource, self._scope, since=since, now=now)
        result = self._metrics.export(data, timeout_millis=self._timeout * 1000)
        return result is MetricExportResult.SUCCESS

    def export_turns(
        self, turns: Sequence[tuple[str, StoredTurn]], messages: Mapping[int, Message]
    ) -> bool:
        """Send the spans of turns; return whether the collector has taken them."""
        result = self._spans.export(self._maker.spans(turns, messages))
        return result is SpanExportResult.SUCCESS

    def close(self) -> None:
        """Close the connections."""
        self._metrics.shutdown()
        self._spans.shutdown()  # type: ignore[no-untyped-call]
