"""Dispatch: the table of handlers of a class of connections, and the answers of handlers.

The table has the handler of each type of request. It is made once for a class, from the methods
marked with `serves` in the class and its bases, and from the types in `to_broker`, which the broker
answers itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from attrs import frozen

from hive.wire.base import Request

Fields = Mapping[str, Any]
"""The fields of a successful response, without the envelope."""

Push = Callable[[Fields], None]
"""Sends one more response on a streaming connection."""


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


def handler_table(cls: type, ask_broker: Handler) -> Mapping[type[Request], Handler]:
    """Return the handlers of a class of connections, those of its bases included.

    Args:
        cls: The class of connections.
        ask_broker: The handler of the requests in `to_broker`.
    """
    table: dict[type[Request], Handler] = {}
    for base in reversed(cls.__mro__):
        table.update(dict.fromkeys(vars(base).get("to_broker", ()), ask_broker))
        for attribute in vars(base).values():
            table.update(dict.fromkeys(getattr(attribute, _SERVES, ()), attribute))
    return table
