"""The audit of the operator's verbs: each one that changes what agents are leaves an entry.

So does each that leads an operator into one; `attach` records itself, since it is a stream. The
entry of a success is written by the verb itself, in the transaction of what it decides, if
`AUDITED` says so; that of any other, and that of every refusal, here. A request that only looks has
none, and one that is no valid request is about nothing.

A connection that acts for a session of the dashboard leaves an entry of all that it does: also of
the verbs of `ACTS`, which leave none otherwise.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from typing import TypeVar

from hive.broker.local_session import LocalSession
from hive.errors import HiveError, NotFoundError
from hive.gateway.connection import Connection
from hive.gateway.dispatch import Answer, Fields, Handler
from hive.gateway.handlers.services import HostServices, OperatorConnection
from hive.gateway.stopping import while_stopping
from hive.names import OPERATOR
from hive.store import Kind, audit
from hive.store.audit import AuditEntry
from hive.wire import attach, attention, host, schedules
from hive.wire import change_requests as change
from hive.wire import web_requests as web
from hive.wire.base import Request
from hive.wire.metric_rows import ShowMetrics
from hive.wire.overview_rows import ShowOverview
from hive.wire.timeline_rows import Timeline
from hive.wire.turn_rows import ChooseModel

logger = logging.getLogger(__name__)

C = TypeVar("C", bound=OperatorConnection)


class Success(Enum):
    """Who writes the entry of a success."""

    ITSELF = "the verb itself, with what it decides"
    HERE = "this module, afterwards"


AUDITED: Mapping[type[Request], Success] = {
    host.Spawn: Success.HERE,
    host.Destroy: Success.HERE,
    host.Rebuild: Success.HERE,
    host.RegisterPeer: Success.HERE,
    host.UnregisterPeer: Success.HERE,
    attach.OpenShell: Success.HERE,
    change.Reload: Success.HERE,
    change.Release: Success.ITSELF,
    change.Adopt: Success.ITSELF,
    change.Rename: Success.ITSELF,
    change.Approve: Success.ITSELF,
    change.Deny: Success.ITSELF,
    change.RequestSpawn: Success.ITSELF,
    change.InitConfig: Success.HERE,
    change.CancelDeploy: Success.HERE,
    change.Rollback: Success.HERE,
    change.UpdateInputs: Success.ITSELF,
    schedules.CreateSchedule: Success.ITSELF,
    schedules.CancelSchedule: Success.ITSELF,
}
"""The verbs that change what agents are."""

ACTS: frozenset[type[Request]] = frozenset(
    {
        *(host.Start, host.Stop, host.Restart, host.Kill, host.SetPaused),
        *(host.Estop, host.Thaw, host.Drain, host.CancelTurn, host.NewSession, host.ClearLimit),
        ChooseModel,
        *(host.OperatorSend, host.AnswerQuestion, host.Replay, host.Discard, host.ResetLoop),
        *(host.ChangeGroup, host.RemoveQueue, host.Shutdown),
        *(attention.SetMark, attention.ReadMail),
    }
)
"""The verbs that change something else; recorded for a connection that acts for a session."""

ONLY_LOOK: frozenset[type[Request]] = frozenset(
    {
        *(change.ShowSettings, change.Pending, change.ShowApproval, change.ShowDiff),
        *(change.Audit, change.ListDeploys, change.FollowDeploy, change.History),
        *(change.ListInputs, schedules.ListSchedules, attention.ShowAttention, Timeline),
        *(host.ListAgents, host.AgentStatus, host.SubscribeAgentStatus, host.CheckNames),
        *(host.TraceMessage, host.ListDeadLetters, host.Loops, host.Groups, host.Queues),
        *(host.ShowInbox, host.Answers, host.Search, host.Events, host.Logs, host.Tree),
        *(host.Turns, host.Watch, host.ListQuestions, host.ListLimits),
        *(host.StoreState, host.RuntimeState, ShowMetrics, ShowOverview),
        *(web.Urls, web.ShowWebSettings, web.ActFor),
    }
)
"""The verbs that change nothing that is recorded."""

_REASON_MAX = 1000
"""Characters of a refusal that are kept."""


def audited(cls: type[C]) -> type[C]:
    """Put the audit around the handlers of a class of connections; a decorator."""
    cls.handlers = cls.handlers_in_shortage = {
        each: _audited(each, handler) for each, handler in cls.handlers.items()
    }
    cls.handlers_while_stopping = while_stopping(cls.handlers)
    return cls


def _audited(verb: type[Request], handler: Handler) -> Handler:
    """Return the handler of a verb with its audit around it, if it has one."""
    if verb in ACTS:
        return _audited_act(_ask_broker if handler is Connection.ask_broker else handler, handler)
    if verb not in AUDITED:
        return handler
    success = AUDITED[verb]

    def handle(connection: OperatorConnection, request: Request) -> Answer:
        if getattr(request, "dry_run", False):
            return handler(connection, request)
        return _recorded(connection, request, handler, success)

    return handle


def _audited_act(act: Handler, otherwise: Handler) -> Handler:
    """Return the handler of a verb that is recorded only for a connection that acts for someone."""

    def handle(connection: OperatorConnection, request: Request) -> Answer:
        if connection.origin.via is None:
            return otherwise(connection, request)
        return _recorded(connection, request, act, Success.HERE)

    return handle


async def _ask_broker(connection: OperatorConnection, request: Request) -> Fields:
    """Return the answer of a request that the broker answers by itself."""
    broker = connection.services.broker
    session = LocalSession(broker, OPERATOR, Kind.OPERATOR, connection.origin)
    try:
        fields: Fields = await session.request(request)
    finally:
        session.close()
    return fields


async def _recorded(
    connection: OperatorConnection, request: Request, handler: Handler, success: Success
) -> Fields:
    """Return the answer of a handler when the entry about it is on disk."""
    names = _names(connection.services, request)
    try:
        answer = handler(connection, request)
        assert asyncio.iscoroutine(answer) or isinstance(answer, Mapping)
        fields: Fields = await answer if asyncio.iscoroutine(answer) else answer
    except Exception as error:
        await record(connection, request, done=False, reason=str(error), names=names)
        raise
    if success is Success.HERE:
        await record(connection, request, done=True, reason=_items(request), names=names)
    return fields


async def record(
    connection: OperatorConnection,
    request: Request,
    *,
    done: bool,
    reason: str | None = None,
    names: Sequence[str] = (),
) -> None:
    """Write an entry about a request; a store that takes no writes reports itself.

    Args:
        connection: The operator's connection.
        request: The request.
        done: Whether it was done; refused otherwise.
        reason: Why it was refused, or which items it was about; cut.
        names: The participants that it is about, an entry for each; found if there are none.
    """
    services = connection.services
    approval = request.id if isinstance(request, change.Approve | change.Deny) else None
    try:
        subjects = names or [await _subject(services, request)]
        entries = [
            AuditEntry(
                services.clock.now(),
                request.verb,
                done=done,
                subject=subject,
                actor=OPERATOR,
                origin=connection.origin,
                approval=approval,
                sha=getattr(request, "sha", None) or getattr(request, "commit_ref", None),
                reason=reason[:_REASON_MAX] if reason else None,
            )
            for subject in subjects
        ]
        await services.store.write(lambda opened: _append_all(opened, entries))
    except HiveError as error:
        logger.warning("the audit has no entry about %r: %s", request.verb, error)


def _append_all(opened: sqlite3.Connection, entries: Iterable[AuditEntry]) -> None:
    for entry in entries:
        audit.append(opened, entry)


def _names(services: HostServices, request: Request) -> Sequence[str]:
    """Return the participants of a request that names several, or that ends what names it."""
    if isinstance(request, host.AnswerQuestion):
        return [each.asker for each in services.mail.open_questions() if each.id == request.id]
    if isinstance(request, host.Start | host.Stop):
        return request.scope.agent_names
    return getattr(request, "names", ())


def _items(request: Request) -> str | None:
    """Return which question, messages or mark an act was about, as the operator sees them."""
    if isinstance(request, host.AnswerQuestion):
        return f"question {request.id}"
    if isinstance(request, attention.SetMark):
        return request.key
    if isinstance(request, host.Replay | host.Discard | attention.ReadMail) and request.ids:
        return ("message " if len(request.ids) == 1 else "messages ") + ", ".join(
            map(str, request.ids)
        )
    return None


async def _subject(services: HostServices, request: Request) -> str:
    """Return the participant that a request is about; empty if it names none that is known."""
    if isinstance(request, change.Approve | change.Deny):
        approval = await services.approvals.find(request.id)
        return "" if approval is None else approval.name
    if isinstance(request, change.CancelDeploy):
        with suppress(NotFoundError):
            return (await services.deploys.get(request.id)).name
        return ""
    return str(getattr(request, "name", None) or getattr(request, "to", ""))
