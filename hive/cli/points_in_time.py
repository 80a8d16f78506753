"""Types of options for points in time: an age, a date, or a place in the event log."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any

import click

from hive.click_types import NumberType

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DIGITS_MAX = 18


class PointInTime(NumberType):
    """A point in time: an age (`90m`, `2h`, `3d`), or a date with or without a time."""

    name = "when"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds since the epoch; a time without a zone is local."""
        ago = _AGO.fullmatch(value)
        if ago:
            return time.time() - float(ago[1]) * _SECONDS[ago[2]]
        try:
            return datetime.fromisoformat(value).timestamp()
        except ValueError:
            self.fail(f"{value!r} is no time; write 2h, 3d, 2026-05-01 or 2026-05-01T14:00", param)


class EventPlace(PointInTime):
    """A point in time, or the number of an event."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds since the epoch, or a number as an `int`."""
        if isinstance(value, str) and value.isdecimal() and len(value) <= _DIGITS_MAX:
            return int(value)
        return super().convert(value, param, ctx)
