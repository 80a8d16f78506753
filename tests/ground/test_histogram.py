"""Histograms count each value in the first bucket whose bound it does not exceed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.histogram import Histogram

BOUNDS = (0.5, 1.0, 5.0)


@pytest.mark.parametrize(
    ("value", "bucket"), [(0.0, 0), (0.5, 0), (0.6, 1), (1.0, 1), (5.0, 2), (5.1, 3)]
)
def test_a_bound_belongs_to_its_bucket(value: float, bucket: int) -> None:
    histogram = Histogram(BOUNDS)
    histogram.observe(value)
    assert histogram.counts == [int(each == bucket) for each in range(4)]


@given(st.lists(st.floats(0, 10)))
def test_no_value_is_lost(values: list[float]) -> None:
    histogram = Histogram(BOUNDS)
    for value in values:
        histogram.observe(value)
    assert sum(histogram.counts) == len(values)
    assert histogram.sum == pytest.approx(sum(values))
