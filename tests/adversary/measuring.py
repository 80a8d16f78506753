"""One attack and its figures; the bounds, and what of the figures breaks them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

from attrs import evolve, frozen

from hive.client.blocking import BlockingClient
from tests.adversary.attacks import Attack
from tests.adversary.confinement import ConfinedHive, disk_bound
from tests.adversary.neighbours import Neighbours, at_work

ROOT = Path(__file__).parents[2]

MIB = 1 << 20
CALM_SECONDS = 1.0
"""Seconds without an attack, in which the neighbours are measured first."""

CALM_FACTOR = 100
"""How many times slower than without an attack a neighbour may be on a shared machine."""

STREAMS = (
    {"cmd": "watch", "name": "mallory"},
    {"cmd": "subscribe_agent_status"},
    {"cmd": "events", "follow": True},
    {"cmd": "inbox", "follow": True},
    {"cmd": "inbox", "name": "mallory", "follow": True},
)

SETTLE_SECONDS = 10.0
"""Seconds after an attack in which the memory goes back."""


@frozen
class Bounds:
    """What an attack may cost the others.

    Attributes:
        memory: Most bytes of the daemon.
        kept: Most bytes that it has more than before, once the attacker has gone.
        whoami: Longest seconds of 99 of 100 `whoami` of a neighbour.
        send: Likewise of its durable `send`.
        operator: Longest seconds of any request of the operator.
    """

    memory: int = 300 * MIB
    kept: int = 100 * MIB
    whoami: float = 0.050
    send: float = 0.250
    operator: float = 1.0


STRICT = Bounds()
"""Those of a machine with a processor for each of attacker and daemon, and nothing else to do."""

SHARED = Bounds(whoami=1.0, send=2.0, operator=5.0)
"""Those of a machine that runs other tests at the same time: an order of magnitude."""


def relative(bounds: Bounds, before: dict[str, float]) -> Bounds:
    """Return bounds that are no closer than a factor of what was measured without an attack."""
    return evolve(
        bounds,
        whoami=max(bounds.whoami, CALM_FACTOR * before.get("whoami", 0.0)),
        send=max(bounds.send, CALM_FACTOR * before.get("send", 0.0)),
    )


@frozen
class Figures:
    """What was measured during one attack; times in seconds, sizes in bytes.

    Attributes:
        name: The attack.
        seconds: How long it took.
        before: The neighbours' p99 without an attack, by verb.
        p99: The neighbours' p99 during it, by verb.
        operator: The slowest request of the operator, and its verb.
        memory: Peak of the daemon's memory.
        kept: Its memory afterwards, less that before.
        disk: Growth of the state directory.
        disk_bound: Its bound.
        processor: Seconds of a processor that the daemon used.
        waited: Seconds for which it waited for a processor, which others had.
        sent: Bytes that the attacker sent.
        connects: Connections that it made.
        ended: How the daemon ended; None if it lives.
        failures: What failed for the others.
        lost: Messages that were stored and did not arrive in order.
        logged: Errors in the daemon's log.
    """

    name: str
    seconds: float
    before: dict[str, float]
    p99: dict[str, float]
    operator: tuple[float, str]
    memory: int
    kept: int
    disk: int
    disk_bound: int
    processor: float
    waited: float
    sent: int
    connects: int
    ended: str | None
    failures: tuple[str, ...]
    lost: int
    logged: tuple[str, ...]


def breaches(found: Figures, bounds: Bounds) -> list[str]:
    """Return what breaks a bound, each in a sentence with its figure."""
    if found.ended is not None:
        return [f"the daemon {found.ended}, with {found.memory // MIB} MiB"]
    checks = (
        ("memory", found.memory / MIB, bounds.memory / MIB, "MiB"),
        ("memory kept", found.kept / MIB, bounds.kept / MIB, "MiB"),
        ("whoami", found.p99.get("whoami", 0) * 1e3, bounds.whoami * 1e3, "ms"),
        ("send", found.p99.get("send", 0) * 1e3, bounds.send * 1e3, "ms"),
        (f"operator's {found.operator[1]}", found.operator[0] * 1e3, bounds.operator * 1e3, "ms"),
        ("disk", found.disk / MIB, found.disk_bound / MIB, "MiB"),
    )
    broken = [
        f"{what} {value:.0f} {unit}, bound {bound:.0f}"
        for what, value, bound, unit in checks
        if value > bound
    ]
    if found.lost:
        broken.append(f"{found.lost} messages lost or out of order")
    broken += [f"failed: {each}" for each in found.failures[:5]]
    return broken + [f"logged: {each}" for each in found.logged[:5]]


def percentile(values: list[float], share: float) -> float:
    """Return the value below which this share of the values is; 0 without any."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def measure(
    confined: ConfinedHive, attack: Attack, seconds: float, *, calm: float = CALM_SECONDS
) -> Figures:
    """Run an attack on a running hive, and return its figures.

    Args:
        confined: The hive.
        attack: The attack.
        seconds: How long it takes.
        calm: Seconds before it in which the neighbours are measured without it.
    """
    run_dir = confined.hive.run_dir
    with at_work(run_dir) as undisturbed:
        time.sleep(calm)
    memory, disk = confined.memory(), confined.disk()
    processor, waited = confined.processor_seconds(), confined.waited_seconds()
    confined.forget_peak()
    with _watched(confined, attack), at_work(run_dir) as neighbours:
        done = _attack(confined, attack, seconds)
        peak, grown = confined.peak_memory(), confined.disk()
    processor = confined.processor_seconds() - processor
    waited = confined.waited_seconds() - waited
    if confined.is_alive:
        neighbours.last_words()
    kept = _settled(confined, memory + STRICT.kept) - memory
    return Figures(
        attack.name,
        seconds,
        before=_p99(undisturbed),
        p99=_p99(neighbours),
        operator=_slowest(neighbours),
        memory=max(peak, confined.peak_memory()),
        kept=kept,
        disk=max(grown, confined.disk()) - disk,
        disk_bound=disk_bound(seconds, stores_text=attack.stores_text),
        processor=processor,
        waited=waited,
        sent=done.get("sent", 0),
        connects=done.get("connects", 0),
        ended=_end(confined),
        failures=tuple(_failures(neighbours)),
        lost=order_faults(neighbours.acked, neighbours.received),
        logged=tuple(confined.troubles()),
    )


def _attack(confined: ConfinedHive, attack: Attack, seconds: float) -> dict[str, int]:
    """Run the hostile participant as a process of its own."""
    run_dir = confined.hive.run_dir
    path = run_dir / "manager.sock" if attack.manager else confined.hive.socket_of("mallory")
    argv = [sys.executable, "-m", "tests.adversary.hostile", attack.name, str(path), str(seconds)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(argv, cwd=ROOT, env=environ, stdout=subprocess.PIPE)
    try:
        output, _ = process.communicate(timeout=seconds + 30)
    except subprocess.TimeoutExpired:
        return {}
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    found: dict[str, int] = json.loads(output)
    return found


@contextmanager
def _watched(confined: ConfinedHive, attack: Attack) -> Iterator[None]:
    """Open all streams of the operator, and read nothing of them: their terminals are stopped."""
    with ExitStack() as stack:
        for request in STREAMS if attack.is_watched else ():
            client = BlockingClient(confined.hive.run_dir / "host.sock", 20)
            stack.enter_context(client).call(request, 20)
        yield


def _p99(neighbours: Neighbours) -> dict[str, float]:
    return {
        verb: percentile(values, 0.99)
        for name, seen in neighbours.observed.items()
        if name.startswith("ann")
        for verb, values in seen.latencies.items()
    }


def _slowest(neighbours: Neighbours) -> tuple[float, str]:
    seen = neighbours.observed["operator"].latencies
    return max(((max(values), verb) for verb, values in seen.items()), default=(0.0, ""))


def _failures(neighbours: Neighbours) -> Iterator[str]:
    for name, seen in neighbours.observed.items():
        for failure in seen.failures:
            yield f"{name}: {failure}"


def order_faults(acked: list[str], received: list[str]) -> int:
    """Return how many stored messages did not arrive, or not in the order of their bodies."""
    first = list(dict.fromkeys(received))
    missing = len(set(acked) - set(first))
    return missing + sum(a > b for a, b in pairwise(first))


def _settled(confined: ConfinedHive, aim: int) -> int:
    """Return the memory once it is below the aim, or after `SETTLE_SECONDS`."""
    end = time.monotonic() + SETTLE_SECONDS
    while confined.memory() > aim and time.monotonic() < end:
        time.sleep(0.1)
    return confined.memory()


def _end(confined: ConfinedHive) -> str | None:
    if confined.is_alive:
        return None
    assert confined.hive.daemon is not None
    if confined.is_over:
        return "was ended, because it had more than 512 MiB"
    status = confined.hive.daemon.returncode
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with {status}"
