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


def asked(request: Request) -> dict[str, int | None]:
    """Return the fields of the request for the page of a list, and one row of the next page.

    `before`, in the address of a page, is the number of the last row of the page before.
    """
    before = number_of(request, "before")
    return {"max": PAGE + 1, "before": None if before is None else max(before, 1)}


def newest_first(request: Request, rows: Sequence[Row], key: str) -> ShownPage:
    """Return the page of rows that were `asked` for.

    Args:
        request: The request for the page.
        rows: The rows, the oldest first.
        key: The field with the number of a row.
    """
    shown = sorted(rows, key=lambda row: int(row[key]), reverse=True)[:PAGE]
    older = here(request, before=shown[-1][key]) if len(rows) > PAGE else None
    is_first = number_of(request, "before") is None
    return ShownPage(shown, older, None if is_first else here(request, before=None))


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
