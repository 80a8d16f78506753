"""Notifies the operator's devices of what needs them, while there is a device to notify."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, tzinfo
from typing import Protocol

from attrs import define, field, frozen

from hive.errors import HiveError
from hive.view.attention_lines import is_waiting
from hive.web.hive_client import HiveClient
from hive.web.login_sessions import SessionBook
from hive.web.push_rules import (
    Item,
    PushState,
    after_reading,
    farewell,
    greeting,
    is_ending,
    key_of,
    payload_of,
    seen_already,
)
from hive.web.push_sending import PushFailedError, SubscriptionGoneError
from hive.web.push_subscriptions import TROUBLE_MAX, PushBook, PushSubscription
from hive.web.web_settings import quiet_hours_of

LOG = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two looks at what needs the operator."""

RETRIES = (10.0, 30.0, 120.0, 600.0, 1800.0)
"""Seconds until a notification that did not arrive is sent again, each time; then it is dropped."""


class Sends(Protocol):
    """Sends notifications, see `hive.web.push_sending.PushSender`."""

    async def send(self, to: PushSubscription, payload: str) -> None:
        """Send one."""
        ...


@frozen
class OwedPush:
    """A notification that did not arrive.

    Attributes:
        tries: How often it was tried.
        due: When it is tried again, in wall seconds.
    """

    tries: int
    due: float


@define(eq=False)
class PushWatch:
    """Looks, decides by `hive.web.push_rules`, and sends.

    Attributes:
        client: Asks the daemon.
        sessions: The sessions, with which subscriptions end.
        book: The subscriptions.
        sender: Sends.
        save: Saves the book if it has changed.
        now: Returns wall seconds.
        zone: The time zone of quiet hours; None for that of this machine.
    """

    client: HiveClient
    sessions: SessionBook
    book: PushBook
    sender: Sends
    save: Callable[[], Awaitable[None]]
    now: Callable[[], float]
    zone: tzinfo | None = None
    _state: PushState = field(factory=PushState, init=False)
    _owed: dict[int, OwedPush] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._state = PushState(self.book.pushed)

    async def run(self) -> None:
        """Look again and again."""
        while True:
            try:
                await self.look()
            except HiveError as error:  # the daemon is away, or the disk is full
                LOG.debug("no notifications: %s", error)
            except Exception:
                LOG.exception("a notification failed; looking again in %.0f s", EVERY)
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Send what is due.

        Raises:
            HiveError: The daemon does not answer, or nothing can be saved.
        """
        self.book.keep_sessions({each.id for each in self.sessions.all(self.now())})
        if self.book.all():
            items = (await self.client.ask("attention"))["items"]
            due = await self._due(items)
            # Saved before anything is sent, so that nothing is sent twice.
            await self.save()
            await self._send_all(items, due)
            await self._warn_all()
        await self.save()

    async def greet(self, to: PushSubscription) -> None:
        """Notify a device that was added now.

        What the operator has on the screen is not sent to the first one.
        """
        with suppress(HiveError):  # without a daemon nothing is on the screen
            if self.book.all() == (to,):
                items = (await self.client.ask("attention"))["items"]
                self._keep(PushState(seen_already(items), last=self._state.last))
        await self._send(to, greeting())
        await self.save()

    async def _due(self, items: Sequence[Item]) -> Sequence[Item]:
        state, due = after_reading(self._state, items, self.now(), is_quiet=False)
        if due and await self._is_quiet():
            state, due = after_reading(self._state, items, self.now(), is_quiet=True)
        self._keep(state)
        return due

    async def _is_quiet(self) -> bool:
        """Return whether it is in the quiet hours, which the operator may have changed."""
        hours = quiet_hours_of((await self.client.ask("web_settings"))["web"])
        here = datetime.fromtimestamp(self.now(), self.zone)
        return hours is not None and hours.minutes_left(here.hour * 60 + here.minute) > 0

    def _keep(self, state: PushState) -> None:
        self._state = state
        self.book.pushed = state.pushed

    # Sending

    async def _send_all(self, items: Sequence[Item], due: Sequence[Item]) -> None:
        """Send what is due to all devices, or to some of them what did not arrive before."""
        receivers: Sequence[PushSubscription] = self.book.all()
        if due:
            self._owed.clear()
        elif receivers := self._late():
            due = () if await self._is_quiet() else self._sent_already(items)
        if due:
            payload = payload_of(due)
            await asyncio.gather(*(self._send(each, payload) for each in receivers))

    async def _warn_all(self) -> None:
        """Notify devices whose session is about to end, since nothing reaches them afterwards."""
        now = self.now()
        ending = {
            each.id for each in self.sessions.all(now) if is_ending(each.began, each.ends, now)
        }
        found = [each for each in self.book.all() if each.session in ending and not each.warned]
        if found and not await self._is_quiet():
            for each in found:
                self.book.warn(each.id)
            await self.save()
            await asyncio.gather(*(self._send(each, farewell()) for each in found))

    def _late(self) -> list[PushSubscription]:
        """Return the devices that it is time to try again."""
        now = self.now()
        return [
            each
            for each in self.book.all()
            if each.id in self._owed and self._owed[each.id].due <= now
        ]

    def _sent_already(self, items: Sequence[Item]) -> list[Item]:
        """Return what still waits of what was sent; if nothing does, nothing is owed."""
        left = [item for item in items if is_waiting(item) and key_of(item) in self._state.pushed]
        if not left:
            self._owed.clear()
        return left

    async def _send(self, to: PushSubscription, payload: str) -> None:
        tries = self._owed.pop(to.id, OwedPush(0, 0.0)).tries
        try:
            await self.sender.send(to, payload)
        except SubscriptionGoneError:
            self.book.forget(to.id)
        except PushFailedError as error:
            self.book.note(to.id, self.now(), str(error)[:TROUBLE_MAX])
            if tries < len(RETRIES):
                self._owed[to.id] = OwedPush(tries + 1, self.now() + RETRIES[tries])
        else:
            self.book.note(to.id, self.now(), None)
