"""The conditions of a list that are given, as SQL. Pure."""

from __future__ import annotations

from typing import Any


def where(*wanted: tuple[str, Any]) -> tuple[str, list[Any]]:
    """Return the clause of those conditions that have a value, with the values; None is none.

    Args:
        wanted: Conditions with one parameter each, and their values.
    """
    given = [(condition, value) for condition, value in wanted if value is not None]
    if not given:
        return "", []
    clause = " AND ".join(condition for condition, _ in given)
    return f" WHERE {clause}", [value for _, value in given]
