"""Telemetry: exports metrics and spans of turns by OTLP, where `[otel]` of hive.toml says so.

`telemetry` has the tasks, `export_thread` the thread on which everything slow runs. `otlp_metrics`
and `turn_spans` make what OpenTelemetry exports (pure), and `otlp_exporters` sends it.

Needs the extra `hyperhive[otel]`; without `[otel]` nothing of OpenTelemetry is imported.
"""
