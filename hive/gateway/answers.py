"""What a verb may answer with, and the interface of the object that knows the verbs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol, TypeVar

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
class OutOfOrder:
    """An answer that must not hold up later requests of its connection: a parked `recv`."""

    future: asyncio.Future[Fields]


Answer = Fields | asyncio.Future[Fields] | Coroutine[Any, Any, Fields] | Stream | OutOfOrder

R_contra = TypeVar("R_contra", bound=Request, contravariant=True)


class Verbs(Protocol[R_contra]):
    """One connection's view of the hive. `handle` may raise `hive.errors.HiveError`."""

    def handle(self, request: R_contra) -> Answer:
        """Answer one request."""
        ...

    def close(self) -> None:
        """The connection is gone: let go of everything it held."""
        ...


def chain(source: asyncio.Future[Any], fields: Callable[[Any], Fields]) -> asyncio.Future[Fields]:
    """Return a future with the fields made of another future's result.

    Cancelling it cancels the source.
    """
    target: asyncio.Future[Fields] = source.get_loop().create_future()

    def deliver(done: asyncio.Future[Any]) -> None:
        if target.done():
            done.cancelled() or done.exception()
        elif done.cancelled():
            target.cancel()
        elif (error := done.exception()) is not None:
            target.set_exception(error)
        else:
            target.set_result(fields(done.result()))

    def forward_cancel(done: asyncio.Future[Fields]) -> None:
        if done.cancelled():
            source.cancel()

    source.add_done_callback(deliver)
    target.add_done_callback(forward_cancel)
    return target
