"""Handlers of mail administration: traces, dead letters, loops, groups, queues, search."""

from __future__ import annotations

from typing import ClassVar

from hive.broker.mail_admin import dead_letter_filter
from hive.clock import rfc3339
from hive.gateway.dispatch import Fields, serves
from hive.gateway.handlers.services import OperatorConnection
from hive.gateway.rows import inbox_row, step_rows
from hive.names import inbox_key
from hive.store.search import SearchCriteria, search
from hive.wire import host as wire
from hive.wire.base import Request


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
        return {"message": inbox_row(message), "steps": step_rows(steps)}

    @serves(wire.ListDeadLetters)
    async def _dead_letters(self, request: wire.ListDeadLetters) -> Fields:
        letters = dead_letter_filter(request, self.services.clock.now())
        found = await self.services.mail.dead_letters(letters, request.max)
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
        }

    @serves(wire.Search)
    async def _search(self, request: wire.Search) -> Fields:
        """Search all messages."""
        wanted = SearchCriteria(
            request.text,
            None if request.sender is None else inbox_key(request.sender),
            None if request.inbox is None else inbox_key(request.inbox),
            request.thread,
            request.since,
            request.until,
        )
        found = await search(self.services.store, wanted, request.max)
        return {"messages": [inbox_row(message) for message in found]}
