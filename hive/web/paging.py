"""Long lists, a page at a time, the newest entries first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen
from starlette.requests import Request

from hive.errors import NotFoundError
from hive.web.page_answers import here

PAGE = 50
"""Entries of one page."""

DIGITS_MAX = 18
"""Digits of a number of the query."""

Row = Mapping[str, Any]


@frozen
class ShownPage:
    """A page of a list.

    Attributes:
        rows: Its rows, the newest first.
        older: The address of the next page; None if this is the last one.
        newest: The address of the first page; None if this is it.
    """

    rows: Sequence[Row]
    older: str | None
    newest: str | None


def newest_first(
    request: Request, rows: Sequence[Row], key: str, size: int = PAGE, *, has_more: bool = False
) -> ShownPage:
    """Return the page of rows that a request asks for.

    Args:
        request: Its `before` is the number of the last row of the page before.
        rows: The rows, the oldest first.
        key: The field with the number of a row.
        size: Entries of a page.
        has_more: Whether there are older rows than these.
    """
    before = number_of(request, "before")
    earlier = [row for row in rows if before is None or row[key] < before]
    shown = earlier[::-1][:size]
    is_last = len(earlier) <= size and not has_more
    older = None if is_last or not shown else here(request, before=shown[-1][key])
    return ShownPage(shown, older, here(request, before=None) if before is not None else None)


def number_of(request: Request, key: str) -> int | None:
    """Return a number of the query; None if there is none, or it is no number."""
    return _number(request.query_params.get(key, ""))


def number_in_path(request: Request) -> int:
    """Return the number in the address of a page.

    Raises:
        NotFoundError: It is none, or has too many digits.
    """
    found = _number(request.path_params["number"])
    if found is None:
        raise NotFoundError("there is no such page: its address ends with a number")
    return found


def _number(text: str) -> int | None:
    is_number = text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX
    return int(text) if is_number else None
