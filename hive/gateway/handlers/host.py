"""Handlers of host.sock, the socket of the operator.

Only this socket has operator authority; no other socket reaches these handlers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar

from hive.broker.values import MarkRead
from hive.clock import rfc3339
from hive.config import AgentManifest
from hive.errors import BadRequestError, HiveError, NotAllowedError, NotFoundError
from hive.gateway.dispatch import Answer, Fields, Stream, serves
from hive.gateway.handlers.mail import MailHandlers
from hive.gateway.handlers.services import OperatorConnection
from hive.gateway.handlers.turns import TurnHandlers
from hive.gateway.rows import inbox_row
from hive.gateway.streams import event_stream, log_stream, mail_stream, next_mail, status_stream
from hive.names import OPERATOR
from hive.store.database import DURABILITY
from hive.wire import host as wire
from hive.wire.base import Request
from hive.wire.codec import RequestDecoder
from hive.wire.host import HostRequest


class HostHandlers(OperatorConnection):
    """The verbs about agents and peers, inboxes, the store and the daemon itself."""

    __slots__ = ()

    @serves(wire.ListAgents)
    def _list(self, request: wire.ListAgents) -> Fields:
        return {
            "agents": [participant.name for participant in self.services.registry.agents],
            "peers": [participant.name for participant in self.services.registry.peers],
        }

    @serves(wire.AgentStatus)
    async def _agent_status(self, request: wire.AgentStatus) -> Fields:
        found = self.services.store.health.trouble
        trouble = None if found is None else str(found.refusal())
        return {"agent_statuses": await self.services.snapshot.rows(), "trouble": trouble}

    @serves(wire.SubscribeAgentStatus)
    def _subscribe(self, request: wire.SubscribeAgentStatus) -> Stream:
        return status_stream(self.services.registry, self.services.snapshot)

    @serves(wire.Urls)
    def _urls(self, request: wire.Urls) -> Fields:
        return {"urls": {}}

    @serves(wire.SetPaused)
    async def _set_paused(self, request: wire.SetPaused) -> Fields:
        await self.services.lifecycle.set_paused(request.name, paused=request.paused)
        return {}

    @serves(wire.Restart)
    async def _restart(self, request: wire.Restart) -> Fields:
        await self.services.lifecycle.restart(request.name)
        return {}

    @serves(wire.Rebuild)
    async def _rebuild(self, request: wire.Rebuild) -> Fields:
        await self.services.lifecycle.rebuild(request.name)
        return {}

    @serves(wire.Start)
    async def _start(self, request: wire.Start) -> Fields:
        await self._each(request.scope, self.services.lifecycle.start)
        return {}

    @serves(wire.Stop)
    async def _stop(self, request: wire.Stop) -> Fields:
        force = not request.graceful
        await self._each(
            request.scope, lambda name: self.services.lifecycle.stop(name, force=force)
        )
        return {}

    async def _each(self, scope: wire.Scope, verb: Callable[[str], Awaitable[None]]) -> None:
        """Apply a verb to all named agents concurrently, if every name is an agent's."""
        if not scope.agent_names:
            raise BadRequestError("the scope names no agent; an empty scope never means everyone")
        for name in scope.agent_names:
            self.services.registry.agent(name)
        names = dict.fromkeys(scope.agent_names)
        outcomes = await asyncio.gather(*map(verb, names), return_exceptions=True)
        _raise_together([each for each in outcomes if isinstance(each, BaseException)])

    @serves(wire.Spawn)
    async def _spawn(self, request: wire.Spawn) -> Fields:
        await self.services.lifecycle.spawn(request.name, _manifest(request))
        return {}

    @serves(wire.Kill)
    async def _kill(self, request: wire.Kill) -> Fields:
        await self.services.lifecycle.stop(request.name, force=request.force)
        return {}

    @serves(wire.Destroy)
    async def _destroy(self, request: wire.Destroy) -> Fields:
        if request.dry_run:
            self.services.lifecycle.destroyable(request.name)
        else:
            await self.services.lifecycle.destroy(request.name, purge=request.purge)
        return {}

    @serves(wire.Pending)
    def _pending(self, request: wire.Pending) -> Fields:
        return {"approvals": []}

    @serves(wire.Approve, wire.Deny)
    def _decide(self, request: wire.Approve | wire.Deny) -> Fields:
        raise NotFoundError(f"there is no approval {request.id}; nothing waits for a decision")

    @serves(wire.RegisterPeer)
    async def _register_peer(self, request: wire.RegisterPeer) -> Fields:
        participant = await self.services.lifecycle.register_peer(
            request.name,
            broadcast=request.broadcast,
            description=request.description,
            observe=request.observe,
        )
        return {"socket": str(self.services.paths.agent_socket(participant.name))}

    @serves(wire.UnregisterPeer)
    async def _unregister_peer(self, request: wire.UnregisterPeer) -> Fields:
        await self.services.lifecycle.unregister_peer(request.name, force=request.force)
        return {}

    @serves(wire.ShowInbox)
    def _inbox(self, request: wire.ShowInbox) -> Answer:
        name = (
            request.name
            if request.name == OPERATOR
            else self.services.registry.get(request.name).name
        )
        if request.ack and name != OPERATOR:
            raise NotAllowedError(f"only {name!r} itself can ack its mail; looking needs no ack")
        if (request.follow or request.after) and (request.ack or request.unread):
            raise BadRequestError(
                "'after' and 'follow' show all mail, so leave out 'ack', 'unread'"
            )
        if request.follow:
            return mail_stream(self.services.store, name, request.max, request.after)
        if request.after:
            return next_mail(self.services.store, name, request.after)
        return self._look(name, request)

    async def _look(self, name: str, request: wire.ShowInbox) -> Fields:
        entries = await self.services.mail.inbox(name, request.max, unread_only=request.unread)
        if request.ack:
            read = MarkRead(name, tuple(entry.id for entry in entries))
            await self.services.broker.ask(read)
        return {"messages": [inbox_row(entry) for entry in entries]}

    @serves(wire.Tree)
    def _tree(self, request: wire.Tree) -> Fields:
        return {"tree": self.services.tree()}

    @serves(wire.Events)
    def _events(self, request: wire.Events) -> Answer:
        if request.follow:
            return event_stream(self.services.events, request.max, request.after)
        return self._recent_events(request)

    async def _recent_events(self, request: wire.Events) -> Fields:
        if request.after:
            return {"events": await self.services.events.following(request.max, request.after)}
        return {"events": await self.services.events.recent(request.max)}

    @serves(wire.Logs)
    def _logs(self, request: wire.Logs) -> Answer:
        self.services.registry.agent(request.name)
        if request.follow:
            return log_stream(self.services.logs.follow(request.name, request.lines))
        return self._last_lines(request)

    async def _last_lines(self, request: wire.Logs) -> Fields:
        return {"lines": await self.services.logs.last_lines(request.name, request.lines)}

    @serves(wire.StoreState)
    def _store_state(self, request: wire.StoreState) -> Fields:
        """Return whether the store takes writes."""
        store = self.services.store
        found = store.health.trouble
        return {
            "path": str(store.path),
            "writable": found is None,
            "durability": DURABILITY,
            "trouble": None if found is None else str(found.error),
            "since": None if found is None else rfc3339(found.since),
        }

    @serves(wire.RuntimeState)
    def _runtime_state(self, request: wire.RuntimeState) -> Fields:
        return self.services.runtime()

    @serves(wire.Shutdown)
    def _shutdown(self, request: wire.Shutdown) -> Fields:
        self.services.shutdown(request.keep_agents)
        return {}


class HostConnection(HostHandlers, MailHandlers, TurnHandlers):
    """A connection to host.sock."""

    __slots__ = ()

    decoder: ClassVar[RequestDecoder[Request]] = RequestDecoder(HostRequest)


def _raise_together(errors: list[BaseException]) -> None:
    """Raise the errors of several agents as one error with the sentences of all."""
    if not errors:
        return
    first = errors[0]
    if len(errors) > 1 and all(isinstance(error, HiveError) for error in errors):
        raise type(first)("; ".join(map(str, errors)))
    raise first


def _manifest(request: wire.Spawn) -> AgentManifest:
    """Return the manifest of an agent that `spawn` creates.

    Raises:
        BadRequestError: The request names no program, or two.
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
    """Return the working directory of a request; a relative one would be the daemon's."""
    if path is None:
        return None
    directory = Path(path)
    if not directory.is_absolute():
        raise BadRequestError(f"'cwd' must be an absolute path, {path!r} is not")
    return directory
