"""Sizes as people read them."""

import pytest

from hive.config import in_units

MIB = 1 << 20


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1536 * MIB, "1.5 GiB"),
        (5 * 1024**5, "5120 TiB"),
    ],
)
def test_sizes_have_the_largest_fitting_unit(amount: int, text: str) -> None:
    assert in_units(amount) == text


def test_what_is_below_a_limit_is_not_shown_as_the_limit() -> None:
    assert in_units(512 * MIB - 1) == "511 MiB"
    assert in_units(2 * MIB - 1) == "1.9 MiB"
