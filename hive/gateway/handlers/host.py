"""Handlers of host.sock, the socket of the operator.

Only this socket has operator authority; no other socket reaches these handlers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar

from hive.broker.values import MarkRead
from hive.clock import rfc3339
from hive.config.existence import LocalLookup
from hive.errors import BadRequestError, NotAllowedError
from hive.gateway.dispatch import Answer, Fields, Push, Stream, serves
from hive.gateway.handlers.attach_handlers import AttachHandlers
from hive.gateway.handlers.attention_handlers import AttentionHandlers
from hive.gateway.handlers.changes import ChangeHandlers
from hive.gateway.handlers.freeze_handlers import FreezeHandlers
from hive.gateway.handlers.input_handlers import InputHandlers
from hive.gateway.handlers.mail import MailHandlers
from hive.gateway.handlers.move_handlers import MoveHandlers
from hive.gateway.handlers.operator_audit import audited
from hive.gateway.handlers.schedules import ScheduleHandlers
from hive.gateway.handlers.services import OperatorConnection
from hive.gateway.handlers.several import check_names, raise_together
from hive.gateway.handlers.spawning import requested_manifest, shown_manifest
from hive.gateway.handlers.turns import TurnHandlers
from hive.gateway.handlers.web_handlers import WebHandlers
from hive.gateway.rows import inbox_row, restarted_fields
from hive.gateway.streams import (
    event_stream,
    log_stream,
    mail_stream,
    next_mail,
    status_stream,
    while_member,
)
from hive.names import OPERATOR
from hive.participants.moving import advice_after_registration, advice_after_removal
from hive.status.overview import store_problem
from hive.store.database import DURABILITY
from hive.store.events import EventFilter
from hive.version import VERSION
from hive.wire import host as wire
from hive.wire.base import Request
from hive.wire.codec import RequestDecoder
from hive.wire.host import HostRequest
from hive.wire.metric_rows import ShowMetrics
from hive.wire.overview_rows import ShowOverview


class HostHandlers(OperatorConnection):
    """The verbs about agents and peers, inboxes, the store and the daemon itself."""

    __slots__ = ()

    @serves(wire.ListAgents)
    def _list(self, request: wire.ListAgents) -> Fields:
        registry = self.services.registry
        projects = {agent.name: agent.settings.project for agent in registry.agents}
        return {
            "agents": [participant.name for participant in registry.agents],
            "peers": [participant.name for participant in registry.peers],
            "strays": [agent.name for agent in registry.agents if agent.stray] or None,
            "queued": [agent.name for agent in registry.agents if agent.queued_for] or None,
            "projects": {name: project for name, project in projects.items() if project} or None,
            "descriptions": {
                each.name: each.record.description for each in registry if each.record.description
            }
            or None,
            "conflicts": {
                each.name: sentence
                for each in registry
                if (sentence := self.services.snapshot.conflict_of(each.record)) is not None
            }
            or None,
        }

    @serves(wire.AgentStatus)
    async def _agent_status(self, request: wire.AgentStatus) -> Fields:
        return {
            "agent_statuses": await self.services.snapshot.rows(),
            "trouble": store_problem(self.services.store, self.services.disk_reserve),
            "stopping": self.services.stopping(),
            "daemon_version": VERSION,
        }

    @serves(wire.SubscribeAgentStatus)
    def _subscribe(self, request: wire.SubscribeAgentStatus) -> Stream:
        return status_stream(self.services.registry, self.services.snapshot)

    @serves(ShowOverview)
    async def _overview(self, request: ShowOverview) -> Fields:
        return {"overview": await self.services.overview.row()}

    @serves(wire.SetPaused)
    async def _set_paused(self, request: wire.SetPaused) -> Fields:
        changed = await self.services.lifecycle.set_paused(request.name, paused=request.paused)
        return {} if changed else {"changed": False}

    @serves(wire.Restart)
    async def _restart(self, request: wire.Restart) -> Fields:
        await self.services.lifecycle.restart(request.name)
        return restarted_fields(await self.services.not_in_force(request.name))

    @serves(wire.Rebuild)
    async def _rebuild(self, request: wire.Rebuild) -> Fields:
        notice = await self.services.lifecycle.rebuild(request.name)
        further = restarted_fields(await self.services.not_in_force(request.name))
        return {**further, "notice": notice}

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
        if scope.classes:
            raise BadRequestError(
                f"the scope has the class {' and '.join(map(repr, scope.classes))}, and this hive "
                "has no classes; set it to false, and name the agents in 'agent_names'"
            )
        if not scope.agent_names:
            raise BadRequestError("the scope names no agent; an empty scope never means everyone")
        check_names(scope.agent_names, self.services.registry.agent)
        names = dict.fromkeys(scope.agent_names)
        outcomes = await asyncio.gather(*map(verb, names), return_exceptions=True)
        raise_together([each for each in outcomes if isinstance(each, BaseException)])

    @serves(wire.CheckNames)
    def _check_names(self, request: wire.CheckNames) -> Fields:
        services = self.services
        look = services.harnesses.connected if request.orders else services.registry.agent
        check_names(request.names, look)
        return {}

    @serves(wire.Spawn)
    async def _spawn(self, request: wire.Spawn) -> Fields:
        services = self.services
        manifest = await asyncio.to_thread(
            requested_manifest,
            request,
            services.registry,
            services.config(),
            str(services.runtime()["runtime"]),
            LocalLookup(services.search_path),
        )
        if request.dry_run:
            return {"manifest": shown_manifest(manifest)}
        await services.lifecycle.spawn(request.name, manifest)
        return {}

    @serves(wire.Kill)
    async def _kill(self, request: wire.Kill) -> Fields:
        await self.services.lifecycle.stop(request.name, force=request.force)
        return {}

    @serves(wire.Destroy)
    async def _destroy(self, request: wire.Destroy) -> Fields:
        if request.dry_run:
            await self.services.lifecycle.check_destroy(request.name, purge=request.purge)
            return {}
        await self.services.lifecycle.destroy(request.name, purge=request.purge)
        return await self._removed(request.name)

    @serves(wire.RegisterPeer)
    async def _register_peer(self, request: wire.RegisterPeer) -> Fields:
        participant = await self.services.lifecycle.register_peer(
            request.name,
            broadcast=request.broadcast,
            description=request.description,
            observe=request.observe,
        )
        answer = {"socket": str(self.services.paths.agent_socket(participant.name))}
        advice = advice_after_registration(request, await self.services.present())
        return answer if advice is None else {**answer, "advice": advice}

    @serves(wire.UnregisterPeer)
    async def _unregister_peer(self, request: wire.UnregisterPeer) -> Fields:
        await self.services.lifecycle.unregister_peer(request.name, force=request.force)
        return await self._removed(request.name)

    async def _removed(self, name: str) -> Fields:
        """Return the fields of the answer after a removal."""
        advice = advice_after_removal(name, await self.services.present())
        return {} if advice is None else {"advice": advice}

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
            stream = mail_stream(self.services.store, name, request.max, request.after)
            if name == OPERATOR:
                return stream
            return while_member(self.services.registry, self.services.registry.get(name), stream)
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
            return self._follow_events(request)
        return self._recent_events(request)

    def _follow_events(self, request: wire.Events) -> Stream:
        events, since = self.services.events, request.since
        after = request.after or None
        if since is None:
            return event_stream(events, request.max, after, _fitting(request))

        async def run(push: Push) -> None:
            cursor = max(request.after, await events.before(since))
            await event_stream(events, request.max, cursor, _fitting(request)).run(push)

        return Stream(run)

    async def _recent_events(self, request: wire.Events) -> Fields:
        events, only = self.services.events, _fitting(request)
        if request.after or request.since is not None:
            return {"events": await events.following(request.max, request.after, only)}
        return {"events": await events.recent(request.max, only)}

    @serves(wire.Logs)
    def _logs(self, request: wire.Logs) -> Answer:
        agent = self.services.registry.agent(request.name)
        if request.follow:
            lines = self.services.logs.follow(request.name, request.lines)
            return while_member(self.services.registry, agent, log_stream(lines))
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
            "shortage": self._shortage(),
        }

    def _shortage(self) -> str | None:
        found = self.services.disk_reserve.shortage
        return None if found is None else str(found)

    @serves(wire.RuntimeState)
    def _runtime_state(self, request: wire.RuntimeState) -> Fields:
        return self.services.runtime()

    @serves(ShowMetrics)
    async def _metrics(self, request: ShowMetrics) -> Fields:
        return {"metrics": await self.services.metrics()}

    @serves(wire.Shutdown)
    def _shutdown(self, request: wire.Shutdown) -> Fields:
        self.services.shutdown(request.keep_agents)
        return {}


def _fitting(request: wire.Events) -> EventFilter:
    """Return the filter of a request for events."""
    kinds = None if request.kinds is None else tuple(str(each) for each in request.kinds)
    return EventFilter(kinds, request.name, request.since, before=request.before)


@audited
class HostConnection(
    HostHandlers,
    FreezeHandlers,
    AttachHandlers,
    MailHandlers,
    TurnHandlers,
    ChangeHandlers,
    MoveHandlers,
    ScheduleHandlers,
    InputHandlers,
    AttentionHandlers,
    WebHandlers,
):
    """A connection to host.sock."""

    __slots__ = ()

    decoder: ClassVar[RequestDecoder[Request]] = RequestDecoder(HostRequest)
