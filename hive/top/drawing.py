"""Lines of a list before they are put on the screen, each with the id that a click selects."""

from __future__ import annotations

from attrs import frozen

from hive.top.look import Fragment


@frozen
class Drawn:
    """One line.

    Attributes:
        fragments: Its parts.
        role: A role for all of it.
        chosen: The id that a click on it selects; empty for a title.
    """

    fragments: tuple[Fragment, ...]
    role: str = ""
    chosen: str = ""


@frozen
class Part:
    """A list with its rule.

    Attributes:
        title: The title.
        right: Words at the right end of the rule.
        lines: The lines below it.
    """

    title: str
    right: str
    lines: tuple[Drawn, ...]
