"""A connection to a participant's socket: all its verbs together."""

from __future__ import annotations

from typing import ClassVar

from hive.gateway.dispatch import Fields, serves
from hive.gateway.handlers.agent import AgentHandlers
from hive.gateway.handlers.harness import HarnessHandlers
from hive.gateway.handlers.questions import QuestionHandlers
from hive.wire import agent as wire
from hive.wire.base import Request
from hive.wire.codec import RequestDecoder


class AgentConnection(AgentHandlers, QuestionHandlers, HarnessHandlers):
    """A connection to a participant's socket."""

    __slots__ = ()

    decoder: ClassVar[RequestDecoder[Request]] = RequestDecoder(wire.AgentRequest)

    def opened(self) -> None:
        """Note that the participant is there."""
        self.services.registry.seen(self.participant)

    def closed(self) -> None:
        """Forget what a harness has reported here."""
        self.leave()

    @serves(wire.Hello)
    def _hello(self, request: wire.Hello) -> Fields:
        if request.role == "harness":
            self.arrive()
        return self._whoami(request)
