"""A connection to the operator's socket: all its verbs together."""

from __future__ import annotations

from typing import ClassVar

from hive.gateway.handlers.host import HostHandlers
from hive.gateway.handlers.mail import MailHandlers
from hive.gateway.handlers.store import StoreHandlers
from hive.gateway.handlers.turns import TurnHandlers
from hive.wire.base import Request
from hive.wire.codec import RequestDecoder
from hive.wire.host import HostRequest


class HostConnection(HostHandlers, MailHandlers, TurnHandlers, StoreHandlers):
    """A connection to host.sock."""

    __slots__ = ()

    decoder: ClassVar[RequestDecoder[Request]] = RequestDecoder(HostRequest)
