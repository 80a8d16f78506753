"""When a schedule is due: a pure function of its words, its beginning and the time.

    every 2h            an interval, counted from the beginning of the schedule
    0 9 * * 1-5         a cron expression of five fields, see crontab(5), in a time zone

What is due again and again while nobody looked (the daemon was down, the clock jumped) is due once.
Around a change to or from summer time, a time that does not exist is due right after the gap, and
one that exists twice is due once, as in the cron of Debian; an expression whose minute or hour
begins with `*` follows the real time that passes.
"""

from __future__ import annotations

import errno
from datetime import datetime
from math import floor
from typing import Protocol
from zoneinfo import ZoneInfo

from attrs import evolve, frozen
from cronsim import CronSim, CronSimError

from hive.config.readers import InvalidValueError, duration
from hive.errors import BadRequestError, UnavailableError
from hive.store.schedules import Schedule

SHORTEST = 60.0
"""Shortest interval in seconds; that of a cron expression is a minute, too."""

SET_BACK = 60.0
"""Seconds by which the clock may be set back before a schedule begins anew at the new time."""

EVERY = "every "
"""Beginning of an interval."""

CRON_FIELDS = 5

_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EINTR})
"""Errors of a file that say nothing about its name."""


class Recurrence(Protocol):
    """The times at which something is due."""

    def after(self, now: float, began: float) -> float:
        """Return the first time after `now`; all are wall seconds.

        Args:
            now: The present time.
            began: When the schedule began.
        """
        ...


@frozen
class Interval:
    """A time every so many seconds."""

    seconds: float

    def after(self, now: float, began: float) -> float:
        """Return the first time after `now`."""
        found = began + (floor((now - began) / self.seconds) + 1) * self.seconds
        return found if found > now else found + self.seconds


@frozen
class Cron:
    """The times of a cron expression in a time zone."""

    expression: str
    zone: ZoneInfo

    def after(self, now: float, began: float) -> float:
        """Return the first time after `now`.

        Raises:
            BadRequestError: There is none within 50 years.
        """
        del began
        for found in CronSim(self.expression, datetime.fromtimestamp(now, self.zone)):
            # The first of two equal local times may lie before the present, second one.
            if (at := found.timestamp()) > now:
                return at
        raise BadRequestError(f"{self.expression!r} is never due; give a day that exists")


def read_recurrence(words: str, timezone: str) -> Recurrence:
    """Return the recurrence that words stand for. Blocks: it may read the time zone.

    Args:
        words: An interval or a cron expression.
        timezone: The IANA name of a time zone.

    Raises:
        BadRequestError: They stand for none; the sentence says why.
    """
    if words.startswith(EVERY):
        return _interval(words.removeprefix(EVERY).strip())
    zone = read_zone(timezone)
    if len(words.split()) != CRON_FIELDS:
        raise BadRequestError(
            f"{words!r} is no schedule: write an interval such as 'every 2h', or the five fields "
            "of cron, minute, hour, day of month, month and day of week, such as '0 9 * * 1-5'"
        )
    try:
        CronSim(words, datetime(2000, 1, 1, tzinfo=zone))
    except CronSimError as error:
        raise BadRequestError(
            f"{words!r} is no cron expression: {str(error).lower()}; see crontab(5)"
        ) from None
    return Cron(words, zone)


def read_zone(timezone: str) -> ZoneInfo:
    """Return a time zone. Blocks: it may read it from the disk.

    Raises:
        BadRequestError: This machine knows none of that name.
        UnavailableError: It cannot be read just now.
    """
    try:
        return ZoneInfo(timezone)
    except (OSError, ValueError, KeyError) as error:  # ZoneInfoNotFoundError is a KeyError
        if isinstance(error, OSError) and error.errno in _PASSING:
            raise UnavailableError(
                f"the time zone {timezone!r} cannot be read just now: {error.strerror}"
            ) from None
        raise BadRequestError(
            f"this machine knows no time zone {timezone!r}; write a name such as 'Europe/Berlin' "
            "or 'UTC'"
        ) from None


def _interval(words: str) -> Interval:
    try:
        seconds = duration(words)
    except InvalidValueError as error:
        raise BadRequestError(f"'every {words}' is no interval: {error}") from None
    if seconds < SHORTEST:
        raise BadRequestError(
            f"'every {words}' is {seconds:g} s, and the shortest interval is {SHORTEST:g} s"
        )
    return Interval(seconds)


@frozen
class Due:
    """What a schedule has come to.

    Attributes:
        schedule: The schedule afterwards.
        at: The time that was due; the first one, if several have passed.
        missed: Whether more than one time has passed.
    """

    schedule: Schedule
    at: float
    missed: bool


def look(schedule: Schedule, recurrence: Recurrence, now: float) -> Due | Schedule:
    """Return what is due, or the schedule as it goes on: the same one, unless the clock went back.

    Args:
        schedule: A schedule.
        recurrence: Its recurrence.
        now: Wall seconds.

    Raises:
        BadRequestError: It is never due again.
    """
    began = schedule.created_at
    if now < schedule.last_at - SET_BACK:
        return evolve(schedule, last_at=now, next_at=recurrence.after(now, began))
    if now < schedule.next_at:
        return schedule
    following = recurrence.after(now, began)
    missed = recurrence.after(schedule.next_at, began) < following
    return Due(evolve(schedule, last_at=now, next_at=following), at=schedule.next_at, missed=missed)
