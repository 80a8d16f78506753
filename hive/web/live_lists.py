"""The parts of a page that change, and how two pictures of them differ. Pure.

A live page is made of lists. Each part of a list has a key, so that the script of the page can put
a new one in its place and leave the others, what is typed in them and what has the focus alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from attrs import define, field
from markupsafe import Markup

T = TypeVar("T")

Lists = Mapping[str, Mapping[str, Markup]]
"""The parts of each list, by their keys in their order."""

Change = dict[str, Any]
"""How a list differs, as the script of the page takes it: the `list`, its new `parts` by key, and
if that is another one, the `order` of all keys."""


def differences(before: Lists, after: Lists) -> list[Change]:
    """Return what a page that shows the one has to change to show the other."""
    return [
        change
        for name, parts in after.items()
        if (change := _difference(name, before.get(name), parts)) is not None
    ]


def _difference(
    name: str, before: Mapping[str, Markup] | None, after: Mapping[str, Markup]
) -> Change | None:
    old = before or {}
    change: Change = {"list": name}
    new = {key: str(part) for key, part in after.items() if old.get(key) != part}
    if new:
        change["parts"] = new
    if before is None or [*old] != [*after]:
        change["order"] = [*after]
    return change if len(change) > 1 else None


@define(eq=False)
class MadeOnce(Generic[T]):
    """Makes the lists of a value once for all pages that show it.

    Attributes:
        make: Returns the lists of a value.
    """

    make: Callable[[T], Lists]
    _value: T | None = field(default=None, init=False)
    _lists: Lists = field(factory=dict, init=False)

    def __call__(self, value: T) -> Lists:
        """Return the lists of a value."""
        if value is not self._value:
            self._value, self._lists = value, self.make(value)
        return self._lists
