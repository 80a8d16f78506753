"""Which lines with times are wanted."""

from __future__ import annotations

import pytest

from hive.machines.timed_output import LinesWanted, TimedLine, newest_of

LINES = tuple(TimedLine(float(at), f"line {at}") for at in range(1, 6))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (LinesWanted(2), (4, 5)),
        (LinesWanted(9), (1, 2, 3, 4, 5)),
        (LinesWanted(9, since=4.0), (4, 5)),
        (LinesWanted(9, until=4.0), (1, 2, 3)),
        (LinesWanted(1, since=2.0, until=4.0), (3,)),
        (LinesWanted(9, since=4.0, until=4.0), ()),
    ],
)
def test_the_newest_of_a_period(wanted: LinesWanted, expected: tuple[int, ...]) -> None:
    found = newest_of(LINES, wanted)
    assert tuple(each.at for each in found.lines) == expected
    assert found.searched_from is None
