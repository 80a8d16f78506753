"""Processor time, memory and file descriptors of the daemon's own process.

The names are those of Prometheus' client libraries, after our prefix. Its library for Python could
read them, too, but its import delays the loop by some hundred milliseconds, even on a thread.
"""

from __future__ import annotations

import resource
from pathlib import Path

from hive.metrics import families as metric
from hive.metrics.metrics_reading import Reading

_PROC = Path("/proc/self")
_PAGE = resource.getpagesize()


def add_process(reading: Reading) -> None:
    """Add the numbers of this process; reads /proc, so it belongs on a thread.

    Raises:
        OSError: /proc cannot be read.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    reading.add(metric.CPU_SECONDS, used.ru_utime + used.ru_stime)
    virtual, resident = (_PROC / "statm").read_text().split()[:2]
    reading.add(metric.VIRTUAL_BYTES, int(virtual) * _PAGE)
    reading.add(metric.RESIDENT_BYTES, int(resident) * _PAGE)
    reading.add(metric.OPEN_FDS, sum(1 for _ in (_PROC / "fd").iterdir()))
    reading.add(metric.MAX_FDS, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
