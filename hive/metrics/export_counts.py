"""Counts of what telemetry has exported."""

from __future__ import annotations

from collections import Counter

METRICS, TRACES = "metrics", "traces"
"""Signals of OpenTelemetry."""

SENT, FAILED, DROPPED = "sent", "failed", "dropped"
"""Outcomes: the collector has taken it, it has not, or it was not tried for want of room."""


class ExportCounts:
    """Readings and turns by signal and outcome.

    Attributes:
        counts: Their numbers.
    """

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter(
            {(signal, outcome): 0 for signal in (METRICS, TRACES) for outcome in (SENT, FAILED)}
            | {(TRACES, DROPPED): 0}
        )

    def add(self, signal: str, outcome: str, count: int = 1) -> None:
        """Count readings or turns."""
        self.counts[signal, outcome] += count
