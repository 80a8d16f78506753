"""Following what the hive orders: pause, cancel, a new session, limits of the account."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Protocol

from hive.client.api import AgentClient
from hive.errors import BadRequestError
from hive.harness.gate import PAUSED, Gate, HoldOff
from hive.harness.patience import until_reachable
from hive.wire import WAIT_MAX
from hive.wire.enums import ActivityState, OrderKind
from hive.wire.harness import Order

logger = logging.getLogger(__name__)

OPERATOR = "operator"
ACCOUNT = "account"


class Obedient(Protocol):
    """What has turns that orders are about."""

    def cancel(self, reason: str) -> None:
        """Interrupt the turn that is under way; without one, do nothing."""
        ...

    def begin_anew(self) -> None:
        """Begin the next turn without what was said before."""
        ...

    def restarted(self, order: Order) -> None:
        """Take note that the agent was restarted."""
        ...


async def follow(client: AgentClient, gate: Gate, worker: Obedient, ordered: asyncio.Event) -> None:
    """Obey until cancelled; a daemon that gives no orders is left alone.

    `ordered` is set once it is known what holds already.
    """
    heard = 0
    while True:
        ask = partial(client.orders, wait=WAIT_MAX, after=heard)
        try:
            orders = await until_reachable(ask)
        except BadRequestError as refusal:
            logger.info("this daemon gives no orders: %s", refusal)
            ordered.set()
            return
        for order in orders:
            logger.info("ordered: %s", order.kind)
            obey(order, gate, worker)
            heard = order.seq
        ordered.set()


def obey(order: Order, gate: Gate, worker: Obedient) -> None:
    """Do what one order says."""
    match order.kind:
        case OrderKind.PAUSE:
            gate.shut(OPERATOR, PAUSED)
        case OrderKind.RESUME:
            gate.open(OPERATOR)
        case OrderKind.LIMITED:
            gate.shut(ACCOUNT, _limit(order))
        case OrderKind.UNLIMITED if order.at is not None:
            gate.shut(ACCOUNT, _limit(order))
        case OrderKind.UNLIMITED:
            gate.open(ACCOUNT)
        case OrderKind.CANCEL:
            worker.cancel(order.reason or "cancelled by the operator")
        case OrderKind.NEW_SESSION:
            worker.begin_anew()
        case OrderKind.RESTARTED:
            worker.restarted(order)


def _limit(order: Order) -> HoldOff:
    until = order.at if order.at is not None else order.until
    return HoldOff(ActivityState.LIMITED, order.reason or "the account is used up", until)
