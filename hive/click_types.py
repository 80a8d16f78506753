"""A number of seconds on a command line."""

from __future__ import annotations

from typing import Any

import click

from hive.wire import SECONDS_MAX


class Seconds(click.FloatRange):
    """Seconds of a range, at most `hive.wire.SECONDS_MAX`; "not a number" is refused."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number that a word stands for."""
        number = float(super().convert(value, param, ctx))
        if not number <= SECONDS_MAX:
            self.fail(f"{value!r} is no number of seconds up to {SECONDS_MAX:.0f}.", param, ctx)
        return number
