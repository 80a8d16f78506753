"""Lines of agents' output with their times, for runtimes whose output has times. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen


@frozen
class TimedLine:
    """A line of an agent's output.

    Attributes:
        at: Wall time in seconds at which this host received it.
        text: The line, clean as `hive.machines.output_log.clean_line` does it.
    """

    at: float
    text: str


@frozen
class LinesWanted:
    """The lines of a period that are asked for.

    Attributes:
        most: Most lines, the newest.
        since: Wall time in seconds of the earliest; None is no limit.
        until: Wall time in seconds before which all were received; None is no limit.
    """

    most: int
    since: float | None = None
    until: float | None = None

    def has(self, at: float) -> bool:
        """Return whether a time is within the period."""
        return (self.since or 0.0) <= at and (self.until is None or at < self.until)


@frozen
class TimedLines:
    """Lines that were found, oldest first.

    Attributes:
        lines: The lines.
        searched_from: If there was too much to search, the time from which on it was searched;
            older lines are missing.
    """

    lines: tuple[TimedLine, ...] = ()
    searched_from: float | None = None


def newest_of(lines: Iterable[TimedLine], wanted: LinesWanted) -> TimedLines:
    """Return those that are wanted of all lines, oldest first."""
    return TimedLines(tuple(each for each in lines if wanted.has(each.at))[-wanted.most :])
