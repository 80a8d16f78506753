"""A connection to a participant's socket: all its verbs together."""

from __future__ import annotations

from typing import ClassVar

from hive.gateway.agent_verbs import AgentVerbs
from hive.gateway.handlers import Fields, serves
from hive.gateway.harness_verbs import HarnessVerbs
from hive.gateway.loose_end_verbs import LooseEndVerbs
from hive.wire import agent as wire
from hive.wire.base import Request
from hive.wire.codec import RequestDecoder


class AgentConnection(AgentVerbs, LooseEndVerbs, HarnessVerbs):
    """A connection to a participant's socket."""

    __slots__ = ()

    decoder: ClassVar[RequestDecoder[Request]] = RequestDecoder(wire.AgentRequest)

    def opened(self) -> None:
        """Note that the participant is there."""
        self.services.roster.seen(self.member)

    def closed(self) -> None:
        """Forget what a harness has reported here."""
        self.leave()

    @serves(wire.Hello)
    def _hello(self, request: wire.Hello) -> Fields:
        if request.role == "harness":
            self.arrive()
        return self._whoami(request)
