"""Retry until the daemon is reachable."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from hive.errors import TimedOutError, UnavailableError

T = TypeVar("T")

logger = logging.getLogger(__name__)


async def until_reachable(ask: Callable[[], Awaitable[T]]) -> T:
    """Repeat a request until the daemon answers it.

    The client itself waits between its attempts to connect, and long before it gives up; a daemon
    that is upgraded or that starts late is no reason for a harness to end.
    """
    while True:
        try:
            return await ask()
        except (UnavailableError, TimedOutError) as error:
            logger.warning("%s; trying again", error)
