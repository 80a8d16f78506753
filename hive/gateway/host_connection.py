"""A connection to the operator's socket: all its verbs together."""

from __future__ import annotations

from typing import ClassVar

from hive.gateway.host_verbs import HostVerbs
from hive.gateway.mail_verbs import MailVerbs
from hive.gateway.oversight_verbs import OversightVerbs
from hive.gateway.store_verbs import StoreVerbs
from hive.wire.base import Request
from hive.wire.codec import RequestDecoder
from hive.wire.host import HostRequest


class HostConnection(HostVerbs, MailVerbs, OversightVerbs, StoreVerbs):
    """A connection to host.sock."""

    __slots__ = ()

    decoder: ClassVar[RequestDecoder[Request]] = RequestDecoder(HostRequest)
