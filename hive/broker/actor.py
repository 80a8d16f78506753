"""The broker as a supervised actor: its life is one exchange's life.

A bug that escapes from the rules crashes the actor; its supervisor starts it again, and it takes
over what is on disk. Those who waited hear that it died.
"""

from __future__ import annotations

from actors import DEFERRED, Actor, ActorError, ExitReason, Request
from hive.broker import requests
from hive.broker.board import Board
from hive.broker.exchange import Exchange
from hive.broker.news import Tell, ignore
from hive.clock import Clock
from hive.config import Limits
from hive.errors import HiveError, UnavailableError
from hive.store import Store

Message = Request[object] | requests.Note


class Broker(Actor[Message]):
    """Serves the requests of `hive.broker.requests`.

    Args:
        store: An open store.
        limits: What senders may store and how long a lease lasts.
        clock: Wall time.
        board: Where it shows its numbers while it runs.
        tell: Takes what is to be told beside the answers.
    """

    def __init__(
        self, store: Store, limits: Limits, clock: Clock, board: Board, tell: Tell = ignore
    ) -> None:
        self._store = store
        self._limits = limits
        self._clock = clock
        self._board = board
        self._tell = tell
        self._exchange: Exchange | None = None

    async def on_start(self) -> None:
        """Take over the mail on disk; all leases of an earlier life are over."""
        exchange = Exchange(self._store, self._limits, self._clock, self._tell)
        await exchange.open()
        self._board.show(exchange.rules, exchange.loose_ends)
        self._exchange = exchange

    def receive(self, message: Message) -> object:
        """Serve one request or note, without a task."""
        assert self._exchange is not None
        if not isinstance(message, Request):
            self._exchange.note(message)
            return None
        self._exchange.handle(message, self.context.reply())
        return DEFERRED

    async def on_stop(self, reason: ExitReason) -> None:
        """Write what is decided and answer everyone who waits."""
        del reason
        self._board.clear()
        if self._exchange is not None:
            await self._exchange.close()


def as_hive_error(error: BaseException) -> HiveError:
    """Return what to tell a participant whose request the broker did not answer."""
    if isinstance(error, HiveError):
        return error
    if isinstance(error, ActorError):
        return UnavailableError(
            f"the broker did not answer, so look before repeating the request: {error}"
        )
    raise error
