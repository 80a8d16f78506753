"""Results as text for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from benchmarks.delivery.book import Book
from benchmarks.delivery.measuring import WORKLOADS, Result
from benchmarks.delivery.stats import Spread, spread
from benchmarks.delivery.targets import Verdict, targets

Cells = Sequence[str]

_WHOLE = 100
"""Numbers from here on are shown without decimals."""


def as_json(book: Book) -> dict[str, Any]:
    """Return all measurements and verdicts."""
    return {**attrs.asdict(book), "targets": [attrs.asdict(each) for each in _verdicts(book)]}


def as_text(book: Book) -> str:
    """Return the tables: each number is the median over rounds, with the extremes in brackets."""
    parts = [f"{len(book.rounds)} rounds; medians [lowest .. highest]", _disk(book)]
    parts += [f"skipped: {name}: {why}" for name, why in book.skipped.items()]
    parts += [_workload(book, workload.name) for workload in WORKLOADS]
    parts += [*_isolation(book), *_growth(book), *_memory(book), _targets(book)]
    return "\n\n".join(part for part in parts if part)


def _disk(book: Book) -> str:
    rows = [
        [
            "4 KiB appended",
            _of(book.each(lambda one: one.disk.append.p50)),
            _of(book.each(lambda one: one.disk.append.p99)),
        ],
        [
            "4 KiB overwritten",
            _of(book.each(lambda one: one.disk.overwrite.p50)),
            _of(book.each(lambda one: one.disk.overwrite.p99)),
        ],
    ]
    return table(["raw fdatasync", "p50 us", "p99 us"], rows)


def _workload(book: Book, name: str) -> str:
    systems = list(dict.fromkeys(each for one in book.rounds for each in one.runs.get(name, {})))
    rows = [[system, *_cells(book.results(name, system))] for system in systems]
    heads = [name, "msg/s", "p50 us", "p99 us", "server CPU us/msg", "client CPU us/msg"]
    return table(heads, rows) if rows else ""


def _cells(results: Sequence[Result]) -> Iterator[str]:
    numbers: tuple[Callable[[Result], float | None], ...] = (
        lambda result: result.rate,
        lambda result: result.latency.p50,
        lambda result: result.latency.p99,
        lambda result: result.server_cpu,
        lambda result: result.client_cpu,
    )
    for number in numbers:
        yield _of([found for result in results if (found := number(result)) is not None])


def _isolation(book: Book) -> Iterator[str]:
    found = [one.isolation for one in book.rounds if one.isolation is not None]
    if found:
        rows = [
            [
                "idle",
                _of([each.idle.p50 for each in found]),
                _of([each.idle.p99 for each in found]),
            ],
            [
                "64 senders",
                _of([each.loaded.p50 for each in found]),
                _of([each.loaded.p99 for each in found]),
            ],
        ]
        yield table(["whoami of a bystander", "p50 us", "p99 us"], rows)


def _growth(book: Book) -> Iterator[str]:
    found = [one.growth for one in book.rounds if one.growth is not None]
    if found:
        few, many = book.rows
        rows = [
            [
                f"{few:,}",
                _of([each.few.full for each in found]),
                _of([each.few.empty for each in found]),
            ],
            [
                f"{many:,}",
                _of([each.many.full for each in found]),
                _of([each.many.empty for each in found]),
            ],
        ]
        yield table(["delivered rows", "recv of 16, p50 us", "empty recv, p50 us"], rows)


def _memory(book: Book) -> Iterator[str]:
    parked = book.each(lambda one: one.parked)
    if parked:
        yield table(["memory of the daemon", "bytes"], [["a parked recv", _of(parked)]])
    for found in (one.endurance for one in book.rounds if one.endurance is not None):
        looks = zip(book.long, (found.few, found.many), strict=True)
        rows = [[f"{messages:,}", f"{size / 1e6:.1f}"] for messages, size in looks]
        yield table(["delivered since its start", "memory at rest, MB"], rows)


def _targets(book: Book) -> str:
    rows = [
        [
            verdict.title,
            _bound(verdict, verdict.goal),
            _bound(verdict, verdict.aim) if verdict.aim is not None else "-",
            f"{_number(verdict.found)} {verdict.unit}",
            "ok" if verdict.ok else "missed",
            f"{_number(verdict.allowed)} {verdict.unit}" if verdict.allowed else "-",
        ]
        for verdict in _verdicts(book)
    ]
    return table(["target", "goal", "aim", "measured", "", "bare stack"], rows) if rows else ""


def _bound(verdict: Verdict, number: float) -> str:
    return f"{'>=' if verdict.at_least else '<='} {number:g} {verdict.unit}"


def _verdicts(book: Book) -> list[Verdict]:
    judged = (target.judge(book) for target in targets(book.rows, book.long))
    return [verdict for verdict in judged if verdict is not None]


def _of(values: Sequence[float]) -> str:
    return _number(spread(values)) if values else "-"


def _number(found: Spread) -> str:
    return f"{_short(found.median)} [{_short(found.low)} .. {_short(found.high)}]"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= _WHOLE else f"{value:.3g}"


def table(heads: Cells, rows: Sequence[Cells]) -> str:
    """Return a table with its columns aligned."""
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    lines = [heads, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
