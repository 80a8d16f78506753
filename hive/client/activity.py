"""What a harness and its hive tell each other beside the mail. Times are Unix times, in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import asdict, field, frozen

from hive.wire.words import ActivityState, OrderKind, TurnOutcome

_ORDERS = frozenset(kind.value for kind in OrderKind)


@frozen
class Activity:
    """What an agent does now.

    Attributes:
        since: When it began.
        about: What it works on, whom it waits for, or why it is in that state.
        until: When the state is expected to end.
        model: The model in use.
        session: The session in use.
        account: Fingerprint of the credential; harnesses with the same one share its limits.
    """

    state: ActivityState
    since: float
    about: str | None = None
    until: float | None = None
    model: str | None = None
    session: str | None = None
    account: str | None = None

    def fields(self) -> dict[str, Any]:
        """Return the fields of a `report`."""
        return asdict(self)


@frozen
class TurnRecord:
    """A finished turn; it is known by its participant and `started_at`.

    Attributes:
        wake: What began it, for instance "message", "reminder", "operator" or "resume".
        messages: Ids of the messages that it was about.
        cost_usd: Cost in US dollars, as far as it is known.
        tools: How often each tool was called.
    """

    started_at: float
    ended_at: float
    wake: str
    outcome: TurnOutcome
    model: str | None = None
    messages: tuple[int, ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float | None = None
    tools: Mapping[str, int] = field(factory=dict)
    note: str | None = None

    def fields(self) -> dict[str, Any]:
        """Return the fields of a `turn`."""
        return asdict(self)


@frozen
class Order:
    """What the hive tells a harness to do or to know.

    Attributes:
        seq: Its number; the next poll says the highest one that was heard.
        until: When a limit ends.
        at: When this participant may begin a turn after a limit, or when it was restarted.
        reason: Why, in words.
    """

    seq: int
    kind: OrderKind
    until: float | None = None
    at: float | None = None
    reason: str | None = None


def orders_of(rows: Iterable[Mapping[str, Any]]) -> tuple[Order, ...]:
    """Return the orders of a response; kinds that this version does not know are left out."""
    return tuple(
        Order(
            row["seq"],
            OrderKind(row["order"]),
            row.get("until"),
            row.get("at"),
            row.get("reason"),
        )
        for row in rows
        if row["order"] in _ORDERS
    )
