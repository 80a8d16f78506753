"""What host.sock answers: everything an operator may ask for.

Only this socket carries operator authority; nothing here can be reached from an agent's socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from hive.config import AgentManifest
from hive.core.lifecycle import Lifecycle
from hive.core.machine_logs import MachineLogs
from hive.errors import BadRequestError, HiveError, NotAllowedError, NotFoundError
from hive.events import EventLog
from hive.gateway.agent_verbs import AgentServices, draft_of, stored
from hive.gateway.answers import Answer, Fields, Stream, later
from hive.gateway.mail_verbs import MailVerbs
from hive.gateway.oversight_verbs import OversightVerbs
from hive.gateway.rows import inbox_row
from hive.gateway.store_verbs import StoreVerbs
from hive.gateway.streams import event_stream, log_stream, status_stream
from hive.names import OPERATOR
from hive.paths import Paths
from hive.store import Kind, Origin
from hive.wire import host as wire
from hive.wire.base import Request
from hive.wire.rows import TreeRow


@frozen
class HostServices:
    """What the operator's verbs need.

    Attributes:
        runtime: What agents run in, and how their ends are learned of.
        shutdown: Begins the daemon's orderly end; takes whether the agents keep running.
    """

    agent: AgentServices
    lifecycle: Lifecycle
    events: EventLog
    logs: MachineLogs
    store: StoreVerbs
    runtime: Callable[[], Fields]
    tree: Callable[[], TreeRow]
    paths: Paths
    shutdown: Callable[[bool], None]


class HostVerbs:
    """The verbs of one connection to host.sock."""

    def __init__(self, origin: Origin, services: HostServices) -> None:
        self._origin = origin
        self._services = services
        self._lifecycle = services.lifecycle
        self._router = services.agent.router
        self._roster = services.agent.roster
        self._snapshot = services.agent.snapshot
        oversight = OversightVerbs(
            origin,
            roster=self._roster,
            router=self._router,
            harnesses=services.agent.harnesses,
            clock=services.agent.clock,
        )
        self._mail = MailVerbs(services.agent.router, services.agent.clock)
        self._table: Mapping[type[Request], Callable[[Any], Answer]] = {
            wire.ListAgents: self._list,
            wire.AgentStatus: self._agent_status,
            wire.SubscribeAgentStatus: self._subscribe,
            wire.Urls: self._urls,
            wire.SetPaused: self._set_paused,
            wire.Restart: self._restart,
            wire.Rebuild: self._rebuild,
            wire.Start: self._start,
            wire.Stop: self._stop,
            wire.Spawn: self._spawn,
            wire.Kill: self._kill,
            wire.Destroy: self._destroy,
            wire.Pending: self._pending,
            wire.Approve: self._decide,
            wire.Deny: self._decide,
            wire.RegisterPeer: self._register_peer,
            wire.UnregisterPeer: self._unregister_peer,
            wire.OperatorSend: self._send,
            wire.Inbox: self._inbox,
            wire.Tree: self._tree,
            wire.Events: self._events,
            wire.Logs: self._logs,
            wire.Search: services.store.search,
            wire.StoreState: services.store.state,
            wire.RuntimeState: lambda request: services.runtime(),
            wire.Shutdown: self._shutdown,
            **oversight.table,
        }

    def handle(self, request: Request) -> Answer:
        """Answer one request."""
        found = self._table.get(type(request))
        return found(request) if found is not None else self._mail.handle(request)

    def close(self) -> None:
        """Nothing is held for an operator's connection."""

    def _list(self, request: wire.ListAgents) -> Fields:
        return {
            "agents": [member.name for member in self._roster.agents],
            "peers": [member.name for member in self._roster.peers],
        }

    async def _agent_status(self, request: wire.AgentStatus) -> Fields:
        trouble = self._services.store.trouble
        return {"agent_statuses": await self._snapshot.rows(), "trouble": trouble}

    def _subscribe(self, request: wire.SubscribeAgentStatus) -> Stream:
        return status_stream(self._roster, self._snapshot)

    def _urls(self, request: wire.Urls) -> Fields:
        return {"urls": {}}

    async def _set_paused(self, request: wire.SetPaused) -> Fields:
        await self._lifecycle.set_paused(request.name, paused=request.paused)
        return {}

    async def _restart(self, request: wire.Restart) -> Fields:
        await self._lifecycle.restart(request.name)
        return {}

    async def _rebuild(self, request: wire.Rebuild) -> Fields:
        await self._lifecycle.rebuild(request.name)
        return {}

    async def _start(self, request: wire.Start) -> Fields:
        await self._each(request.scope, self._lifecycle.start)
        return {}

    async def _stop(self, request: wire.Stop) -> Fields:
        force = not request.graceful
        await self._each(request.scope, lambda name: self._lifecycle.stop(name, force=force))
        return {}

    async def _each(self, scope: wire.Scope, verb: Callable[[str], Awaitable[None]]) -> None:
        """Apply a verb to every named agent at once, after all names were found to be agents."""
        if not scope.agent_names:
            raise BadRequestError("the scope names no agent; an empty scope never means everyone")
        for name in scope.agent_names:
            self._roster.agent(name)
        names = dict.fromkeys(scope.agent_names)
        outcomes = await asyncio.gather(*map(verb, names), return_exceptions=True)
        _raise_together([each for each in outcomes if isinstance(each, BaseException)])

    async def _spawn(self, request: wire.Spawn) -> Fields:
        await self._lifecycle.spawn(request.name, _manifest(request))
        return {}

    async def _kill(self, request: wire.Kill) -> Fields:
        await self._lifecycle.stop(request.name, force=request.force)
        return {}

    async def _destroy(self, request: wire.Destroy) -> Fields:
        await self._lifecycle.destroy(request.name, purge=request.purge)
        return {}

    def _pending(self, request: wire.Pending) -> Fields:
        return {"approvals": []}

    def _decide(self, request: wire.Approve | wire.Deny) -> Fields:
        raise NotFoundError(f"there is no approval {request.id}; nothing waits for a decision")

    async def _register_peer(self, request: wire.RegisterPeer) -> Fields:
        member = await self._lifecycle.register_peer(
            request.name,
            broadcast=request.broadcast,
            description=request.description,
            observe=request.observe,
        )
        return {"socket": str(self._services.paths.agent_socket(member.name))}

    async def _unregister_peer(self, request: wire.UnregisterPeer) -> Fields:
        await self._lifecycle.unregister_peer(request.name, force=request.force)
        return {}

    def _send(self, request: wire.OperatorSend) -> Answer:
        draft = draft_of(request, OPERATOR, Kind.OPERATOR, self._origin)
        return later(self._router.send(draft), stored)

    def _inbox(self, request: wire.Inbox) -> Answer:
        name = request.name if request.name == OPERATOR else self._roster.get(request.name).name
        if request.ack and name != OPERATOR:
            raise NotAllowedError(f"only {name!r} itself can ack its mail; looking needs no ack")
        if (request.follow or request.after) and (request.ack or request.unread):
            raise BadRequestError(
                "'after' and 'follow' show all mail, so leave out 'ack', 'unread'"
            )
        if request.follow:
            return self._services.store.mail_stream(name, request.max, request.after)
        if request.after:
            return self._services.store.mail_after(name, request.after)
        return self._look(name, request)

    async def _look(self, name: str, request: wire.Inbox) -> Fields:
        entries = await self._router.inbox(name, request.max, unread_only=request.unread)
        if request.ack:
            await self._router.mark_read(name, [entry.id for entry in entries])
        return {"messages": [inbox_row(entry) for entry in entries]}

    def _tree(self, request: wire.Tree) -> Fields:
        return {"tree": self._services.tree()}

    def _events(self, request: wire.Events) -> Answer:
        if request.follow:
            return event_stream(self._services.events, request.max, request.after)
        return self._recent_events(request)

    async def _recent_events(self, request: wire.Events) -> Fields:
        if request.after:
            return {"events": await self._services.events.following(request.max, request.after)}
        return {"events": await self._services.events.recent(request.max)}

    def _logs(self, request: wire.Logs) -> Answer:
        self._roster.agent(request.name)
        if request.follow:
            return log_stream(self._services.logs.follow(request.name, request.lines))
        return self._last_lines(request)

    async def _last_lines(self, request: wire.Logs) -> Fields:
        return {"lines": await self._services.logs.last_lines(request.name, request.lines)}

    def _shutdown(self, request: wire.Shutdown) -> Fields:
        self._services.shutdown(request.keep_agents)
        return {}


def _raise_together(errors: list[BaseException]) -> None:
    """Raise the errors of several agents as one that has the sentences of all."""
    if not errors:
        return
    first = errors[0]
    if len(errors) > 1 and all(isinstance(error, HiveError) for error in errors):
        raise type(first)("; ".join(map(str, errors)))
    raise first


def _manifest(request: wire.Spawn) -> AgentManifest:
    """Return the manifest of an agent that is created by command.

    Raises:
        BadRequestError: When the request names no program, or two.
    """
    if (request.run is None) == (request.exec is None):
        raise BadRequestError(
            "'spawn' needs one of 'run' (a program for each message) and 'exec' (a program that is "
            "the agent itself)"
        )
    program = request.run or request.exec
    if not program:
        raise BadRequestError("the program to run is empty")
    return AgentManifest(
        run=tuple(request.run) if request.run else None,
        exec=tuple(request.exec) if request.exec else None,
        env=request.env,
        cwd=_directory(request.cwd),
    )


def _directory(path: str | None) -> Path | None:
    """Return the working directory of a request; a relative one would mean the daemon's own."""
    if path is None:
        return None
    directory = Path(path)
    if not directory.is_absolute():
        raise BadRequestError(f"'cwd' must be an absolute path, {path!r} is not")
    return directory
