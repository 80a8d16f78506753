"""What a verb may answer with, and the interface of the object that knows the verbs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar

from attrs import frozen

from actors import ReplyTo
from hive.errors import UnavailableError
from hive.wire.base import Request, Response

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


class Asked:
    """An answer that is made of somebody else's.

    Attributes:
        ask: Asks them, once; they tell whoever it is given.
        fields: Makes the response of what they told.
        ordered: Whether later requests of the connection are answered after this one; not so for a
            parked `recv`, which must not hold them up.
    """

    __slots__ = ("ask", "fields", "ordered")

    def __init__(
        self,
        ask: Callable[[ReplyTo[Any]], object],
        fields: Callable[[Any], Fields | Response],
        *,
        ordered: bool = True,
    ) -> None:
        self.ask = ask
        self.fields = fields
        self.ordered = ordered


Answer = Fields | Coroutine[Any, Any, Fields] | Stream | Asked

R_contra = TypeVar("R_contra", bound=Request, contravariant=True)


class Verbs(Protocol[R_contra]):
    """One connection's view of the hive. `handle` may raise `hive.errors.HiveError`."""

    def handle(self, request: R_contra) -> Answer:
        """Answer one request."""
        ...

    def close(self) -> None:
        """The connection is gone: let go of everything it held."""
        ...


def later(
    future: asyncio.Future[Any],
    fields: Callable[[Any], Fields | Response],
    *,
    ordered: bool = True,
) -> Asked:
    """Return the answer that is made of a future's result."""
    return Asked(partial(pass_on, future), fields, ordered=ordered)


def pass_on(future: asyncio.Future[Any], reply_to: ReplyTo[Any]) -> None:
    """Tell somebody what comes of a future."""
    future.add_done_callback(partial(_tell, reply_to))


def _tell(reply_to: ReplyTo[Any], done: asyncio.Future[Any]) -> None:
    if done.cancelled():
        reply_to.set_exception(UnavailableError("hive-c0re is shutting down"))
    elif (error := done.exception()) is not None:
        reply_to.set_exception(error)
    else:
        reply_to.set_result(done.result())
