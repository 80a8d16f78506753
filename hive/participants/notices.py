"""Mail from the daemon itself, about what somebody has to act on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from hive.broker.service import BrokerService
from hive.broker.values import event as event_post
from hive.event_log import EventKind
from hive.names import MANAGER, OPERATOR
from hive.participants.registry import Registry

logger = logging.getLogger(__name__)

LINES = 10
"""How many of the last lines go into a message; `hive-c0re logs` has the others."""

LINE_CHARACTERS = 400
"""Where a line in a message is cut, so that the whole is far below the limit of a body."""


class SystemNotices:
    """Sends system events to those who can act on them: the operator, and the manager agent.

    Args:
        broker: Where mail is sent.
        registry: Says whether there is a manager.
    """

    def __init__(self, broker: BrokerService, registry: Registry) -> None:
        self._broker = broker
        self._registry = registry

    def failed(self, name: str, why: Mapping[str, Any]) -> None:
        """Tell that an agent was parked and will not be started again by itself."""
        detail = {key: value for key, value in why.items() if value is not None}
        if "last_lines" in detail:
            lines = detail["last_lines"][-LINES:]
            detail["last_lines"] = [line[:LINE_CHARACTERS] for line in lines]
        for to in (OPERATOR, MANAGER):
            if to == OPERATOR or (to in self._registry and to != name):
                self._send(to, EventKind.FAILED, {"agent": name, **detail})

    def needs_login(self, name: str, about: str | None) -> None:
        """Tell the operator that an agent waits for a login."""
        detail = {"agent": name, "about": about}
        known = {key: value for key, value in detail.items() if value is not None}
        self._send(OPERATOR, EventKind.NEEDS_LOGIN, known)

    def _send(self, to: str, event: EventKind, detail: Mapping[str, Any]) -> None:
        def log_failure(sent: asyncio.Future[Any]) -> None:
            if not sent.cancelled() and (error := sent.exception()) is not None:
                logger.warning("%s could not be told: %s %s: %s", to, event.value, detail, error)

        sent = self._broker.ask(event_post(to, event.value, detail))
        sent.add_done_callback(log_failure)
