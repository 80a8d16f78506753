"""The export of metrics and turns, where hive.toml asks for it."""

from __future__ import annotations

import socket

from hive.clock import Clock
from hive.config.model import OpenTelemetryConfig
from hive.metrics.metrics_source import MetricsSource
from hive.store import Store
from hive.telemetry.telemetry import Exporters, Telemetry


def telemetry_of(
    config: OpenTelemetryConfig, metrics: MetricsSource, store: Store, clock: Clock
) -> Telemetry | None:
    """Return what exports; None without an endpoint."""
    endpoint = config.endpoint
    if endpoint is None:
        return None

    def make() -> Exporters:
        # Imported on the export thread: it takes some hundred milliseconds.
        from hive.telemetry.otlp_exporters import OtlpExporters

        return OtlpExporters(endpoint, socket.gethostname(), str(store.path), config.timeout)

    return Telemetry(endpoint, config.interval, make, metrics.read, store, clock, metrics.exports)
