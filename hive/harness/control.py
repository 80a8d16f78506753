"""Control orders of the hive: pause, cancel, new session, usage limits of the account."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Protocol

from hive.client.agent import AgentClient, until_taken
from hive.errors import BadRequestError
from hive.harness.driver import HoldOff
from hive.harness.pause import Pause
from hive.wire import WAIT_MAX
from hive.wire.enums import ActivityState, OrderKind
from hive.wire.harness import Order

logger = logging.getLogger(__name__)

OPERATOR = "operator"
"""Source of a pause by the operator, or because the machine is under pressure."""

ACCOUNT = "account"
"""Source of a pause because the account is used up."""

PAUSED = "paused by the operator"
"""Reason of a pause without one, from a daemon of an earlier version."""


class Controlled(Protocol):
    """Receiver of control orders that concern turns."""

    def cancel(self, reason: str) -> None:
        """Interrupt the running turn, if there is one."""
        ...

    def new_session(self) -> None:
        """Start the next turn in a new conversation."""
        ...

    async def choose_model(self, order: Order) -> None:
        """Use the model and the effort of an order from the next turn on."""
        ...

    def restarted(self, order: Order) -> None:
        """Record that the agent was restarted."""
        ...


async def follow(
    client: AgentClient, pause: Pause, turns: Controlled, known: asyncio.Event
) -> None:
    """Fetch control orders and carry them out, until cancelled.

    Returns if the daemon does not support control orders. `known` is set after the first answer,
    which has the orders that are in effect, such as a pause.

    Raises:
        HiveError: The daemon refuses this harness.
    """
    after = 0
    while True:
        ask = partial(client.orders, wait=WAIT_MAX, after=after)
        try:
            orders = await until_taken(ask)
        except BadRequestError as refusal:
            logger.info("this daemon does not support control orders: %s", refusal)
            known.set()
            return
        for order in orders:
            logger.info("ordered: %s", order.kind)
            await obey(order, pause, turns)
            after = order.seq
        known.set()


async def obey(order: Order, pause: Pause, turns: Controlled) -> None:
    """Carry out one control order."""
    match order.kind:
        case OrderKind.PAUSE:
            pause.begin(OPERATOR, HoldOff(ActivityState.PAUSED, order.reason or PAUSED))
        case OrderKind.RESUME if order.at is not None:
            pause.begin(OPERATOR, HoldOff(ActivityState.PAUSED, order.reason or PAUSED, order.at))
        case OrderKind.RESUME:
            pause.end(OPERATOR)
        case OrderKind.LIMITED:
            pause.begin(ACCOUNT, _limit(order))
        case OrderKind.UNLIMITED if order.at is not None:
            pause.begin(ACCOUNT, _limit(order))
        case OrderKind.UNLIMITED:
            pause.end(ACCOUNT)
        case OrderKind.CANCEL:
            turns.cancel(order.reason or "cancelled by the operator")
        case OrderKind.NEW_SESSION:
            turns.new_session()
        case OrderKind.MODEL:
            await turns.choose_model(order)
        case OrderKind.RESTARTED:
            turns.restarted(order)


def _limit(order: Order) -> HoldOff:
    until = order.at if order.at is not None else order.until
    return HoldOff(ActivityState.LIMITED, order.reason or "the account is used up", until)
