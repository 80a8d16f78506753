"""System notices: mail from the daemon about what a person or the manager has to act on.

A newer notice about the same agent replaces the unread one; see `hive.broker.notices`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from hive.broker.service import BrokerService
from hive.broker.values import Notify
from hive.broker.values import event as event_post
from hive.event_log import EventKind
from hive.names import MANAGER, OPERATOR
from hive.participants.registry import Registry

logger = logging.getLogger(__name__)

LINES = 10
"""Lines of output in a message, at most; `hive-c0re logs` shows all."""

LINE_CHARACTERS = 400
"""Characters of such a line, at most, so that a body stays far below its limit."""


class SystemNotices:
    """Sends system notices to the operator and to the manager agent.

    Args:
        broker: Takes the messages.
        registry: Has the manager, if there is one.
    """

    def __init__(self, broker: BrokerService, registry: Registry) -> None:
        self._broker = broker
        self._registry = registry

    def failed(self, name: str, why: Mapping[str, Any]) -> None:
        """Notify operator and manager that an agent was parked, with the reason."""
        detail = {key: value for key, value in why.items() if value is not None}
        if "last_lines" in detail:
            lines = detail["last_lines"][-LINES:]
            detail["last_lines"] = [line[:LINE_CHARACTERS] for line in lines]
        for to in (OPERATOR, MANAGER):
            if to == OPERATOR or (to in self._registry and to != name):
                self._send(to, EventKind.FAILED, {"agent": name, **detail})

    def needs_login(self, name: str, about: str | None) -> None:
        """Notify the operator that an agent needs a login."""
        detail = {"agent": name, "about": about}
        known = {key: value for key, value in detail.items() if value is not None}
        self._send(OPERATOR, EventKind.NEEDS_LOGIN, known)

    def _send(self, to: str, event: EventKind, detail: Mapping[str, Any]) -> None:
        def log_failure(sent: asyncio.Future[Any]) -> None:
            if not sent.cancelled() and (error := sent.exception()) is not None:
                logger.warning("no system notice to %s: %s %s: %s", to, event.value, detail, error)

        post = event_post(to, event.value, detail, about=str(detail["agent"]))
        sent = self._broker.ask(Notify(post))
        sent.add_done_callback(log_failure)
