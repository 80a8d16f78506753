"""Pages of timelines: what the store knows of a participant, and the lines that it printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

from hive.clock import rfc3339
from hive.errors import HiveError, NotAllowedError, UnknownNameError
from hive.machines.timed_output import LinesWanted, TimedLine, TimedLines
from hive.status.machine_logs import MachineLogs
from hive.store import Store
from hive.store.timelines import Period, TimelineEntry, cut_text, timeline

OUTPUT = "output"
"""Source of the entries of lines."""

_MILLISECOND = 0.001
"""Seconds; times are shown in whole milliseconds."""


@frozen
class TimelinePage:
    """A part of a timeline.

    Attributes:
        entries: What happened, oldest first.
        missing: Why lines of output may be missing, as a sentence; None if none are.
    """

    entries: Sequence[TimelineEntry]
    missing: str | None = None


async def read_page(
    store: Store, logs: MachineLogs | None, name: str, period: Period, most: int
) -> TimelinePage:
    """Read the newest entries about a participant within a period.

    Args:
        store: Has its events, mail, turns and the audit.
        logs: Have the lines that it printed; None leaves them out.
        name: The participant; one that has left the hive, too, whose lines are left out.
        period: The period.
        most: Most entries.
    """
    stored = await store.read(timeline(name, period, most + 1))
    wanted = LinesWanted(most + 1, period.since, period.until)
    printed, missing = await _printed(logs, name, wanted) if logs else (TimedLines(), None)
    entries = newest_entries([*stored, *map(_entry, printed.lines)], most)
    return TimelinePage(entries, missing)


def newest_entries(entries: Iterable[TimelineEntry], most: int) -> list[TimelineEntry]:
    """Return the newest entries, oldest first; the first one begins its millisecond.

    Times are shown in milliseconds, so its time as the end of a period gives just the page before.
    Of more than `most` within one millisecond, the newest are returned.
    """
    ordered = sorted(entries, key=lambda each: each.at)
    if len(ordered) <= most:
        return ordered
    page, left_out = ordered[-most:], ordered[-most - 1]
    return [each for each in page if _shown(each) != _shown(left_out)] or page


def _shown(entry: TimelineEntry) -> str:
    return rfc3339(entry.at)


def _entry(line: TimedLine) -> TimelineEntry:
    return TimelineEntry(line.at, OUTPUT, None, "printed", {"line": cut_text(line.text)})


async def _printed(
    logs: MachineLogs, name: str, wanted: LinesWanted
) -> tuple[TimedLines, str | None]:
    """Return lines that a participant printed, and why some may be missing."""
    try:
        found = await logs.timed_lines(name, wanted)
    except (UnknownNameError, NotAllowedError):  # it has left, or is a peer
        return TimedLines(), None
    except HiveError as error:
        return TimedLines(), f"the lines that {name} printed are missing: {error}"
    if found is None:
        return TimedLines(), (
            f"the lines that {name} printed have no times under its runtime; "
            f"'hive-c0re logs {name}' shows them"
        )
    return found, None if found.searched_from is None else _too_much(name, found.searched_from)


def _too_much(name: str, searched_from: float) -> str:
    before = rfc3339(searched_from + _MILLISECOND)  # not earlier, though it is cut
    return (
        f"lines that {name} printed before {before} may be missing: too much was printed since; "
        f"give 'hive-c0re timeline {name}' that time with --until"
    )
