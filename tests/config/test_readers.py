"""Readers of single values: what they accept, what they refuse, and their sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.config.readers import (
    InvalidValueError,
    boolean,
    choice,
    cpu,
    duration,
    integer,
    memory,
    memory_share,
    number,
    positive_duration,
    size,
    tasks_share,
    text,
    unless_off,
    variables,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (90, 90.0),
        (0.25, 0.25),
        ("250ms", 0.25),
        ("90s", 90.0),
        ("1.5s", 1.5),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("1h30m", 5400.0),
        ("1d", 86400.0),
        ("0s", 0.0),
    ],
)
def test_durations(written, seconds):
    assert duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written", ["", "90", "s", "5 m", "5min", "-5s", "5m!", "1e3s", True, None, [5], -1, 1e9]
)
def test_an_invalid_duration_is_refused(written):
    with pytest.raises(InvalidValueError, match="duration"):
        duration(written)


@pytest.mark.parametrize("written", [float("nan"), float("inf")])
def test_a_duration_is_a_finite_number(written):
    with pytest.raises(InvalidValueError):
        duration(written)


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from("smh")), min_size=1, max_size=4))
def test_a_compound_duration_is_the_sum_of_its_parts(parts):
    written = "".join(f"{amount}{unit}" for amount, unit in parts)
    assert duration(written) == sum(
        amount * {"s": 1, "m": 60, "h": 3600}[unit] for amount, unit in parts
    )


def test_a_positive_duration_is_not_zero():
    with pytest.raises(InvalidValueError, match="zero"):
        positive_duration("0s")


@pytest.mark.parametrize(
    ("written", "count"), [(1, 1), ("64K", 65536), ("64M", 1 << 26), ("4G", 1 << 32), ("7", 7)]
)
def test_sizes(written, count):
    assert size(written) == count


@pytest.mark.parametrize("written", [0, -1, True, 1.5, "64k", "64KB", "", "K", "9999T", "9" * 5000])
def test_an_invalid_size_is_refused(written):
    with pytest.raises(InvalidValueError):
        size(written)


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (integer(0), True),
        (integer(0), 1.0),
        (integer(3), 2),
        (number(0, 1), True),
        (number(0, 1), 1.5),
        (boolean, 1),
        (boolean, "true"),
        (text, 5),
        (text, "a\0b"),
        (memory, "4GB"),
        (memory, 4),
        (memory, "0"),
        (cpu, "200"),
        (cpu, "0%"),
        (variables, {"A B": "x"}),
        (variables, {"A": 1}),
        (variables, {"HIVE_NAME": "x"}),
        (variables, "A=1"),
    ],
)
def test_types_and_ranges_are_strict(read, value):
    with pytest.raises(InvalidValueError):
        read(value)


def test_the_nearest_word_is_named():
    with pytest.raises(InvalidValueError, match="did you mean 'transient'"):
        choice(("permanent", "transient"))("transien")


def test_limits_keep_the_notation_of_systemd():
    assert [memory("512M"), memory("infinity"), cpu("50%")] == ["512M", "infinity", "50%"]


@pytest.mark.parametrize("written", ["80%", "1%", "100%", "4G", "infinity"])
def test_memory_of_the_machine_may_be_a_percentage(written):
    assert memory_share(written) == written


@pytest.mark.parametrize("written", ["0%", "101%", "80 %", "4X", "", 80])
def test_an_invalid_share_of_memory_is_refused(written):
    with pytest.raises(InvalidValueError, match="or a percentage from"):
        memory_share(written)


@pytest.mark.parametrize(
    ("written", "read"), [(1, "1"), (20_000, "20000"), ("50%", "50%"), ("infinity", "infinity")]
)
def test_tasks_of_the_machine(written, read):
    assert tasks_share(written) == read


@pytest.mark.parametrize("written", [0, "0%", "20000", "", True, 1.5, None])
def test_an_invalid_number_of_tasks_is_refused(written):
    with pytest.raises(InvalidValueError):
        tasks_share(written)


def test_a_value_that_may_be_off_is_none_then_and_its_error_says_so():
    read = unless_off(number(1, 100))
    assert (read("off"), read(40)) == (None, 40.0)
    with pytest.raises(InvalidValueError, match='from 1 to 100, or "off"'):
        read(101)
