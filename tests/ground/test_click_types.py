"""Parsing of a number of seconds."""

import click
import msgspec
import pytest

from hive.click_types import Seconds
from hive.wire import SECONDS_MAX, base


def test_seconds_that_the_wire_accepts_are_accepted():
    assert Seconds(min=0).convert("1.5", None, None) == 1.5
    assert msgspec.convert(Seconds(min=0).convert(str(SECONDS_MAX), None, None), base.Seconds)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(SECONDS_MAX + 1, base.Seconds)


@pytest.mark.parametrize(
    "word", ["nan", "inf", "-inf", "1e30", str(SECONDS_MAX + 1), "-1", "", "x"]
)
def test_values_out_of_range_are_refused(word):
    with pytest.raises(click.BadParameter):
        Seconds(min=0).convert(word, None, None)
