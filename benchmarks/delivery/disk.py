"""Time of the disk for a durable write, the lower bound for every durable queue."""

from __future__ import annotations

import os
import time
from pathlib import Path

from benchmarks.delivery.stats import Latency, latency

BLOCK = b"x" * 4096


def fdatasync_append(directory: Path, count: int) -> Latency:
    """Time `count` writes of 4 KiB with fdatasync at the end of a file that grows."""
    return _fdatasync(directory / "append", count)


def fdatasync_overwrite(directory: Path, count: int) -> Latency:
    """Time the same within a file that is already that long, as in a recycled log."""
    path = directory / "overwrite"
    path.write_bytes(BLOCK * count)
    os.sync()
    return _fdatasync(path, count)


def _fdatasync(path: Path, count: int) -> Latency:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    samples = []
    try:
        for number in range(count):
            began = time.perf_counter()
            os.pwrite(descriptor, BLOCK, number * len(BLOCK))
            os.fdatasync(descriptor)
            samples.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    return latency(samples)
