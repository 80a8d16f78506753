"""Handlers of mail administration: traces, dead letters, loops, groups, queues, search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from hive.broker.mail_admin import dead_letter_filter
from hive.clock import rfc3339
from hive.gateway.dispatch import Answer, Fields, serves
from hive.gateway.handlers.services import OperatorConnection
from hive.gateway.rows import inbox_row, progress_fields, step_rows, timeline_row
from hive.gateway.streams import answer_stream
from hive.names import OPERATOR, inbox_key
from hive.status.timeline_pages import read_page
from hive.store.search import SearchCriteria, search
from hive.store.timelines import Period, about_message
from hive.wire import host as wire
from hive.wire.base import Request
from hive.wire.timeline_rows import Timeline

AROUND_MAX = 100
"""Most turns and events in the trace of a message."""


class MailHandlers(OperatorConnection):
    """The verbs of host.sock about messages."""

    __slots__ = ()

    to_broker: ClassVar[tuple[type[Request], ...]] = (
        wire.OperatorSend,
        wire.Replay,
        wire.Discard,
        wire.ResetLoop,
        wire.ChangeGroup,
        wire.RemoveQueue,
    )

    @serves(wire.TraceMessage)
    async def _trace(self, request: wire.TraceMessage) -> Fields:
        message, steps = await self.services.mail.trace(request.id)
        around = await self.services.store.read(about_message(message, AROUND_MAX))
        return {
            "message": inbox_row(message),
            "steps": step_rows(steps),
            "around": list(map(timeline_row, around)),
        }

    @serves(Timeline)
    async def _timeline(self, request: Timeline) -> Fields:
        name = inbox_key(request.name)
        period = Period(request.since, request.until)
        logs = self.services.logs if request.output else None
        page = await read_page(self.services.store, logs, name, period, request.max)
        if not page.entries and name != OPERATOR:
            self.services.registry.get(name)
        missing = {"missing": page.missing} if page.missing else {}
        return {"entries": list(map(timeline_row, page.entries)), **missing}

    @serves(wire.Answers)
    def _answers(self, request: wire.Answers) -> Answer:
        if request.follow:
            return answer_stream(self.services.answers, request.ids)
        return self._look_for_answers(request)

    async def _look_for_answers(self, request: wire.Answers) -> Fields:
        return progress_fields(await self.services.answers.look(request.ids))

    @serves(wire.ListDeadLetters)
    async def _dead_letters(self, request: wire.ListDeadLetters) -> Fields:
        letters = dead_letter_filter(request, self.services.clock.now())
        found = await self.services.mail.dead_letters(letters, request.max, request.before)
        if not found and request.before is None:
            self.services.mail.check_known(request.inbox, request.sender)
        return {"messages": [inbox_row(each) for each in found]}

    @serves(wire.Loops)
    def _loops(self, request: wire.Loops) -> Fields:
        return {
            "loops": [
                {
                    "pair": list(each.pair),
                    "since": rfc3339(each.since),
                    "reason": each.why,
                    "parked": len(each.parked),
                }
                for each in self.services.mail.loops()
            ]
        }

    @serves(wire.Groups)
    def _groups(self, request: wire.Groups) -> Fields:
        groups = self.services.mail.groups()
        return {"groups": {name: sorted(who) for name, who in groups.items()}}

    @serves(wire.Queues)
    def _queues(self, request: wire.Queues) -> Fields:
        mail = self.services.mail
        turns = mail.turns()
        return {
            "queues": [
                {
                    "name": each.name,
                    "stored": each.counts.stored,
                    "leased": each.counts.leased,
                    "bytes": each.counts.size,
                    "receivers": each.receivers,
                }
                for each in mail.queues()
            ],
            "groups": [
                {
                    "name": name,
                    "members": sorted(members),
                    "unread": sum(map(mail.unread, members)),
                }
                for name, members in sorted(mail.groups().items())
            ],
            "turns": {
                "limit": turns.limit,
                "running": turns.running,
                "holding": _since_rows(mail.turn_holders()),
                "waiting": _since_rows(turns.waiting),
            },
        }

    @serves(wire.Search)
    async def _search(self, request: wire.Search) -> Fields:
        """Search all messages; a name that nobody has or had is refused."""
        wanted = SearchCriteria(
            request.text,
            None if request.sender is None else inbox_key(request.sender),
            None if request.inbox is None else inbox_key(request.inbox),
            request.thread,
            request.since,
            request.until,
            request.before,
        )
        found = await search(self.services.store, wanted, request.max)
        if not found and request.before is None:
            self.services.mail.check_known(request.inbox, request.sender)
        return {"messages": [inbox_row(message) for message in found]}


def _since_rows(agents: Mapping[str, float]) -> list[dict[str, str]]:
    """Return rows of agents with the time since which they hold or await a turn."""
    return [{"name": name, "since": rfc3339(since)} for name, since in agents.items()]
