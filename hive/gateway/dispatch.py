"""Dispatch: the table of handlers of a class of connections, and the answers of handlers.

The table has the handler of each type of request. It is made once for a class, from the methods
marked with `serves` in the class and its bases, and from the types in `to_broker`, which the broker
answers itself. On a participant's socket each handler has its meter in front, so that no verb can
be without one by mistake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from attrs import frozen

from hive.gateway.metering import ALLOWED_IN_SHORTAGE, cost_of
from hive.wire.base import Request

Fields = Mapping[str, Any]
"""The fields of a successful response, without the envelope."""

Push = Callable[[Fields], Awaitable[None]]
"""Sends one more response on a streaming connection; it is done when the client takes the next.

What happens meanwhile must not be collected without a limit: read on from a cursor, combine it, or
count it and say how much is skipped.
"""


@frozen
class Stream:
    """An answer of many lines: an empty ok, then each response that `run` pushes.

    `run` is cancelled when the client disconnects; the connection is closed when `run` ends.
    """

    run: Callable[[Push], Coroutine[Any, Any, None]]


@frozen
class LongPoll:
    """An answer that is the result of a future, and does not delay later answers."""

    future: asyncio.Future[Fields]


@frozen
class Large:
    """An answer of many rows, which `make` reads from the store.

    A participant's large answers are made one at a time, and none while its connections hold more
    than their budget.
    """

    make: Callable[[], Coroutine[Any, Any, Fields]]


Answer = Fields | Coroutine[Any, Any, Fields] | Large | Stream | LongPoll | None
"""The answer of a handler; None if the broker answers itself."""

Handler = Callable[[Any, Any], Answer]

M = TypeVar("M", bound=Handler)

_SERVES = "serves"


def serves(*requests: type[Request]) -> Callable[[M], M]:
    """Mark a method as the handler of these requests."""

    def mark(method: M) -> M:
        setattr(method, _SERVES, requests)
        return method

    return mark


def handler_table(
    cls: type, ask_broker: Handler, *, is_metered: bool
) -> Mapping[type[Request], Handler]:
    """Return the handlers of a class of connections, those of its bases included.

    Args:
        cls: The class of connections.
        ask_broker: The handler of the requests in `to_broker`.
        is_metered: Whether each request is paid for before it is handled, as `cost_of` says.
    """
    table: dict[type[Request], Handler] = {}
    for base in reversed(cls.__mro__):
        table.update(dict.fromkeys(vars(base).get("to_broker", ()), ask_broker))
        for attribute in vars(base).values():
            table.update(dict.fromkeys(getattr(attribute, _SERVES, ()), attribute))
    return {each: _metered(each, table[each]) for each in table} if is_metered else table


def _metered(request: type[Request], handler: Handler) -> Handler:
    """Return the handler of a verb with its meter in front; one that is free stays as it is."""
    cost = cost_of(request)
    if not cost:
        return handler

    def pay_and_handle(connection: Any, request: Any) -> Answer:
        connection.pay(cost)
        return handler(connection, request)

    return pay_and_handle


def in_shortage(table: Mapping[type[Request], Handler]) -> Mapping[type[Request], Handler]:
    """Return the handlers while the disk is short: verbs that would store something refuse."""
    return {each: table[each] if each in ALLOWED_IN_SHORTAGE else _refuse for each in table}


def _refuse(connection: Any, request: Any) -> Answer:
    raise connection.shortage_refusal()
