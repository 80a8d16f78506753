"""An account of the operator that no file keeps, for dashboards whose account does not matter."""

from __future__ import annotations

import ssl
from typing import Any

from hive.clock import Clock
from hive.web.login_sessions import SessionBook
from hive.web.operator_account import OperatorAccount
from hive.web.passkeys import PasskeyBook, PasskeySite
from hive.web.push_sending import PushSender, new_key
from hive.web.push_subscriptions import PushBook, SavedPush
from hive.web.push_watch import PushWatch

URL = "http://127.0.0.1:7000"

TLS = ssl.create_default_context()
"""One for all: reading the certificates of the machine takes tens of milliseconds."""


async def nothing() -> None:
    """Save nothing."""


def unsaved_account(client: Any, sessions: SessionBook, clock: Clock) -> OperatorAccount:
    """Return an account without passkeys and devices."""
    pushes = PushBook()
    pushes.restore(SavedPush(), new_key())
    sender = PushSender(pushes.key, URL, now=clock.now, tls=TLS)
    watch = PushWatch(client, sessions, pushes, sender, nothing, clock.now)
    return OperatorAccount(PasskeyBook(PasskeySite(URL)), pushes, sender, watch, ())
