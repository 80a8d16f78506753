"""How the verbs of a socket are put together, and what a verb may answer with.

A class of connections has one table, from each type of request to the method that handles it. It is
made once, of the methods marked with `serves` in the class and its bases, and of the requests named
in `to_broker`, which the broker answers by itself.
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
    """The answer of a verb that goes on talking: a bare ok, then whatever `run` pushes.

    `run` is cancelled when the client goes; the connection is closed when `run` ends.
    """

    run: Callable[[Push], Coroutine[Any, Any, None]]


@frozen
class LongPoll:
    """The answer that a future will have; it does not hold up later requests."""

    future: asyncio.Future[Fields]


Answer = Fields | Coroutine[Any, Any, Fields] | Stream | LongPoll | None
"""What a handler returns; None if the broker answers by itself."""

Handler = Callable[[Any, Any], Answer]

M = TypeVar("M", bound=Handler)

_SERVES = "serves"


def serves(*requests: type[Request]) -> Callable[[M], M]:
    """Mark a method as the handler of these requests."""

    def mark(method: M) -> M:
        setattr(method, _SERVES, requests)
        return method

    return mark


def table_of(cls: type, ask_broker: Handler) -> Mapping[type[Request], Handler]:
    """Return the handlers of a class of connections, those of its bases included.

    Args:
        cls: Whose methods are looked through, and whose `to_broker`.
        ask_broker: Handles what is in there.
    """
    table: dict[type[Request], Handler] = {}
    for base in reversed(cls.__mro__):
        table.update(dict.fromkeys(vars(base).get("to_broker", ()), ask_broker))
        for participant in vars(base).values():
            table.update(dict.fromkeys(getattr(participant, _SERVES, ()), participant))
    return table
