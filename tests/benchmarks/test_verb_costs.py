"""The report about verbs: medians, and their ratios to the empty Python."""

from __future__ import annotations

from benchmarks.verbs.costs import EMPTY, Costs, report


def test_the_report_compares_medians_with_the_empty_python() -> None:
    costs = {EMPTY: Costs([10.0, 12.0, 99.0], [20.0] * 3), "send": Costs([30.0] * 3, [25.0] * 3)}

    empty, send = report(costs).splitlines()

    assert " ".join(empty.split()) == "python -c pass cpu 12.0 ms 1.00x wall 20.0 ms 1.00x"
    assert " ".join(send.split()) == "send cpu 30.0 ms 2.50x wall 25.0 ms 1.25x"
