"""Parameter types of click: a number of seconds."""

from __future__ import annotations

from typing import Any

import click

from hive.wire import SECONDS_MAX


class Seconds(click.FloatRange):
    """A number of seconds in a range, at most `hive.wire.SECONDS_MAX`, not NaN."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Convert a word to a number, or fail with a usage error."""
        number = float(super().convert(value, param, ctx))
        if not number <= SECONDS_MAX:
            self.fail(f"{value!r} is no number of seconds up to {SECONDS_MAX:.0f}.", param, ctx)
        return number
