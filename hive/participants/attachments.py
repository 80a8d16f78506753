"""Attachments: an operator goes on with the conversation of an agent, whose turns wait meanwhile.

An attachment is in memory and ends with its connection: no program that is killed
and no daemon that ends can leave one behind. The agent's harness gets an order to pause, as under
pressure; its mail stays in its inbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from attrs import frozen

from hive.broker.queries import MailQueries
from hive.clock import Clock, rfc3339
from hive.errors import ConflictError, HiveError, NotAllowedError
from hive.event_log import EventKind
from hive.machines.entrance import Entrance, entrance_of
from hive.participants.agent_actor import AgentServices
from hive.participants.drains import LOOK_SECONDS, work_of
from hive.participants.freeze_rules import frozen_reason
from hive.participants.harnesses import Harnesses
from hive.participants.participant import Agent
from hive.store import Origin
from hive.wire.enums import ActivityState, OrderKind

DRIVER = "claude"
"""The driver whose conversation can be opened in a terminal."""

PAUSING_SECONDS = 3.0
"""Seconds that a harness which works on nothing may take to pause before that is said."""

_HELD = frozenset({ActivityState.PAUSED, ActivityState.LIMITED, ActivityState.NEEDS_LOGIN})
"""Activities in which a harness has no process of its driver, and begins no turn."""


@frozen
class Attachments:
    """Leads operators into agents.

    Attributes:
        services: The objects of the hive that it uses.
        harnesses: Orders turns to be cancelled.
        mail: Knows what agents hold.
        clock: Wall time.
    """

    services: AgentServices
    harnesses: Harnesses
    mail: MailQueries
    clock: Clock

    @property
    def runtime(self) -> str:
        """Name of the runtime."""
        return self.services.runtime.name

    def enter(self, name: str) -> tuple[Agent, Entrance]:
        """Return an agent that runs, with the entrance to it.

        Raises:
            UnknownNameError: There is no such participant.
            NotAllowedError: It is a peer, or has no machine of its own.
            ConflictError: It does not run, or is frozen.
        """
        agent = self.services.registry.to_enter(name)
        entrance = entrance_of(self.runtime, self.services.spec_of(agent))
        frozen_for = frozen_reason(agent.record)
        if frozen_for is not None:
            raise ConflictError(f"{agent.name!r} is {frozen_for}; nothing in it would answer")
        if not agent.is_up:
            raise ConflictError(
                f"{agent.name!r} does not run, so there is nothing to enter; "
                f"'hive-c0re why {agent.name}' says why, 'hive-c0re start {agent.name}' starts it"
            )
        return agent, entrance

    def enter_conversation(self, name: str) -> tuple[Agent, Entrance]:
        """Return an agent whose conversation can be opened, with the entrance to it.

        Raises:
            HiveError: As `enter`; and NotAllowedError for another driver, ConflictError if an
                operator is attached already, or if there is no conversation yet.
        """
        agent, entrance = self.enter(name)
        shell = f"'hive-c0re shell {agent.name}' opens a shell"
        if agent.settings.exec is not None:
            raise NotAllowedError(
                f"{agent.name!r} runs a program of its own, which has no conversation; {shell}"
            )
        if agent.settings.driver != DRIVER:
            raise NotAllowedError(
                f"only the driver {DRIVER!r} has a conversation to open, and {agent.name!r} has "
                f"the driver {agent.settings.driver!r}; {shell}"
            )
        if agent.attached_since is not None:
            raise ConflictError(
                f"an operator is attached to {agent.name!r} since {rfc3339(agent.attached_since)}; "
                f"{shell}"
            )
        if not self.session_of(agent) and self._work_of(agent) is None:
            raise no_conversation(agent)
        return agent, entrance

    @contextmanager
    def attached(self, agent: Agent, origin: Origin) -> Iterator[None]:
        """Hold the turns of an agent within the block.

        Args:
            agent: The agent.
            origin: The operator's program, for the event log.
        """
        agent.attached_since = self.clock.now()
        self.services.events.record(EventKind.ATTACHED, agent.name, pid=origin.pid, uid=origin.uid)
        self.services.registry.changed(agent)
        try:
            yield
        finally:
            seconds = round(self.clock.now() - agent.attached_since, 3)
            agent.attached_since = None
            self.services.events.record(EventKind.DETACHED, agent.name, seconds=seconds)
            self.services.registry.changed(agent)

    async def until_free(self, agent: Agent, *, now: bool) -> AsyncIterator[str]:
        """Wait until an attached agent works on nothing; yield what it works on, when that changes.

        Args:
            agent: The agent.
            now: Whether to cancel the turn that runs.
        """
        if now and agent.harnesses and self._work_of(agent) is not None:
            self.harnesses.give_order(agent.name, OrderKind.CANCEL)
        loop, said = asyncio.get_running_loop(), None
        begun = loop.time()
        while (work := self._hindrance(agent)) is not None:
            is_usual = self._work_of(agent) is None and loop.time() < begun + PAUSING_SECONDS
            if work != said and not is_usual:
                said = work
                yield work
            await asyncio.sleep(LOOK_SECONDS)

    def session_of(self, agent: Agent) -> str | None:
        """Return the conversation of an agent, as its harness has reported it; None if unknown."""
        reporter = agent.reporter
        return reporter.activity.session if reporter is not None and reporter.activity else None

    def record_shell(self, agent: Agent, origin: Origin) -> None:
        """Record that a shell is opened."""
        self.services.events.record(
            EventKind.SHELL_OPENED, agent.name, pid=origin.pid, uid=origin.uid
        )

    def _hindrance(self, agent: Agent) -> str | None:
        """Return what an agent works on, or that its harness has not paused yet."""
        work = self._work_of(agent)
        reporter = agent.reporter
        if work is not None or reporter is None or reporter.activity is None:
            return work
        state = reporter.activity.state
        return None if state in _HELD else f"is {state}, and has not paused yet"

    def _work_of(self, agent: Agent) -> str | None:
        return work_of(agent, self.mail.held(agent.name))


def no_conversation(agent: Agent) -> HiveError:
    """Return the error of an agent whose conversation is unknown."""
    if agent.reporter is None:
        return ConflictError(
            f"no harness of {agent.name!r} is connected, so its conversation is unknown; "
            f"'hive-c0re logs {agent.name}' shows what it prints"
        )
    return ConflictError(
        f"{agent.name!r} has no conversation yet: it begins with its first message "
        f"('hive-c0re send {agent.name} BODY')"
    )
