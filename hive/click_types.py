"""Parameter types of click: names, whole numbers, and numbers of seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hive.wire import SECONDS_MAX

if TYPE_CHECKING:
    TextType = click.ParamType[str]
    """A type of option or argument whose value is a text."""

    NumberType = click.ParamType[float]
    """A type of option or argument whose value is a number."""
else:
    TextType = NumberType = click.ParamType  # not generic before click 8.4


class Whole(click.IntRange):
    """A whole number in a range; its help shows the range."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Convert a word to a number, or fail with a usage error."""
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is no whole number.", param, ctx)
        if self.min is not None and number < self.min:
            self.fail(f"{number} is too small, at least {self.min:g} is needed.", param, ctx)
        if self.max is not None and number > self.max:
            self.fail(f"{number} is too large, at most {self.max:g} is allowed.", param, ctx)
        return number


class Name(TextType):
    """A name of a participant or of what else receives mail: any text that is not empty."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or fail with a usage error."""
        if not value:
            self.fail("it is empty.", param, ctx)
        return str(value)


class Seconds(click.FloatRange):
    """A number of seconds in a range, at most `hive.wire.SECONDS_MAX`, not NaN."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Convert a word to a number, or fail with a usage error."""
        try:
            number = float(super().convert(float(value), param, ctx))
        except ValueError:
            self.fail(f"{value!r} is no number of seconds.", param, ctx)
        if not number <= SECONDS_MAX:
            self.fail(f"{value!r} is no number of seconds up to {SECONDS_MAX:.0f}.", param, ctx)
        return number


class WallTime(NumberType):
    """A point in time: a Unix time, or a date with a time; without a zone it is local."""

    name = "when"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds since the epoch, or fail with a usage error."""
        try:
            return float(value)
        except ValueError:
            pass
        from datetime import datetime

        try:
            return datetime.fromisoformat(value).timestamp()
        except ValueError:
            self.fail(f"{value!r} is no time; write 2026-05-01T14:00, or a Unix time.", param, ctx)


class WaitSeconds(Seconds):
    """Seconds of an option whose value is optional; its error says how to write the value."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number that a word stands for."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            option = "--wait" if param is None else param.opts[0]
            raise click.BadParameter(
                f"{error.message} Write {option}=60, or put {option} last.", ctx, param
            ) from None


class TextCommand(click.Command):
    """A command whose last argument is a text of any kind, which may begin with a dash.

    Such a text looks like an option, so it must come after `--`; an error about it says so. The
    help is refused after the first argument: there it may be a text that was meant to be sent.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse a command line.

        Raises:
            click.UsageError: It is wrong; the sentence names `--` where that may be the remedy.
        """
        if not ctx.resilient_parsing:
            self._require_no_late_help(ctx, args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise click.UsageError(f"{error.format_message()} {_remedy(ctx)}", ctx) from None

    def _require_no_late_help(self, ctx: click.Context, args: list[str]) -> None:
        words = args[: args.index("--")] if "--" in args else args
        asked = [place for place, word in enumerate(words) if word in ctx.help_option_names]
        if asked and self._has_argument(ctx, words[: asked[0]]):
            word = words[asked[0]]
            raise click.UsageError(f"{word!r} comes after an argument. {_remedy(ctx)}", ctx)

    def _has_argument(self, ctx: click.Context, words: list[str]) -> bool:
        """Return whether words have the first argument of the command."""
        first = next(each for each in self.params if isinstance(each, click.Argument))
        try:
            found, _, _ = self.make_parser(ctx).parse_args(list(words))
        except click.UsageError:
            return False
        return isinstance(found.get(first.name or ""), str)


def _remedy(ctx: click.Context) -> str:
    return f"Write -- before a text that begins with a dash: '{ctx.command_path} … -- TEXT'"
