"""What responses become that are more than rows of the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hive.wire.codec import value_of
from hive.wire.rows import Order
from hive.wire.words import OrderKind

_KINDS = frozenset(OrderKind)


def orders_of(rows: Iterable[Mapping[str, Any]]) -> tuple[Order, ...]:
    """Return the orders of a response; kinds that this version does not know are left out."""
    return value_of(tuple[Order, ...], [row for row in rows if row["order"] in _KINDS])
