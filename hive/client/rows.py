"""From the rows of a response to typed values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from attrs import fields_dict

T = TypeVar("T")


def from_row(model: type[T], row: Mapping[str, Any]) -> T:
    """Make a typed value of a response's row; fields that are not known here are ignored."""
    known = fields_dict(model)  # type: ignore[arg-type]
    named = {"sender" if name == "from" else name: value for name, value in row.items()}
    return model(**{name: value for name, value in named.items() if name in known})


def from_rows(model: type[T], rows: Iterable[Mapping[str, Any]]) -> tuple[T, ...]:
    """Make typed values of a response's rows."""
    return tuple(from_row(model, row) for row in rows)
