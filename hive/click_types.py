"""A number of seconds on a command line."""

from __future__ import annotations

from typing import Any

import click

LONGEST = 10 * 365 * 86400.0
"""The most that is taken, ten years, as on the wire: a socket or a sleep cannot take any number."""


class Seconds(click.FloatRange):
    """Seconds of a range; neither infinity nor "not a number", which is in every range."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number that a word stands for."""
        number = float(super().convert(value, param, ctx))
        if not number <= LONGEST:
            self.fail(f"{value!r} is no number of seconds up to {LONGEST:.0f}.", param, ctx)
        return number
