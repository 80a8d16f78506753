"""The operator's care of mail: traces, dead letters, loops, groups, queues."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hive.broker.router import Router
from hive.clock import Clock, rfc3339
from hive.gateway.answers import Answer, Fields, later
from hive.gateway.rows import inbox_row, step_rows
from hive.names import GROUP_PREFIX, QUEUE_PREFIX, check_group_name, inbox_key
from hive.store.dead_letters import DeadLetters
from hive.wire import host as wire
from hive.wire.base import Request


class MailVerbs:
    """The verbs of host.sock that are about mail that was sent before."""

    def __init__(self, router: Router, clock: Clock) -> None:
        self._router = router
        self._clock = clock
        self._table: Mapping[type[Request], Callable[[Any], Answer]] = {
            wire.Trace: self._trace,
            wire.ListDeadLetters: self._dead_letters,
            wire.Replay: self._replay,
            wire.Discard: self._discard,
            wire.ResetLoop: self._reset_loop,
            wire.Loops: self._loops,
            wire.ChangeGroup: self._change_group,
            wire.Groups: self._groups,
            wire.Queues: self._queues,
            wire.RemoveQueue: self._remove_queue,
        }

    def handle(self, request: Request) -> Answer:
        """Answer one request."""
        return self._table[type(request)](request)

    async def _trace(self, request: wire.Trace) -> Fields:
        message, steps = await self._router.trace(request.id)
        return {"message": inbox_row(message), "steps": step_rows(steps)}

    async def _dead_letters(self, request: wire.ListDeadLetters) -> Fields:
        found = await self._router.dead_letters(self._chosen(request), request.max)
        return {"messages": [inbox_row(each) for each in found]}

    def _replay(self, request: wire.Replay) -> Answer:
        return later(self._router.replay(self._chosen(request)), _ids)

    def _discard(self, request: wire.Discard) -> Answer:
        return later(self._router.discard(self._chosen(request)), _ids)

    def _chosen(self, request: wire.Chosen) -> DeadLetters:
        age = request.older_than_seconds
        return DeadLetters(
            ids=tuple(request.ids) if request.ids is not None else None,
            inbox=_key(request.inbox),
            sender=_key(request.sender),
            before=None if age is None else self._clock.now() - age,
        )

    def _reset_loop(self, request: wire.ResetLoop) -> Answer:
        reset = self._router.reset_loop(*request.names)
        return later(reset, lambda released: {"released": released})

    def _loops(self, request: wire.Loops) -> Fields:
        return {
            "loops": [
                {
                    "pair": list(each.pair),
                    "since": rfc3339(each.since),
                    "reason": each.why,
                    "parked": len(each.parked),
                }
                for each in self._router.loops()
            ]
        }

    def _change_group(self, request: wire.ChangeGroup) -> Answer:
        name = check_group_name(request.name.removeprefix(GROUP_PREFIX))
        changed = self._router.change_group(name, add=request.add, remove=request.remove)
        return later(changed, lambda _: {})

    def _groups(self, request: wire.Groups) -> Fields:
        return {"groups": {name: sorted(who) for name, who in self._router.groups().items()}}

    def _queues(self, request: wire.Queues) -> Fields:
        return {
            "queues": [
                {
                    "name": each.name,
                    "stored": each.counts.stored,
                    "leased": each.counts.leased,
                    "bytes": each.counts.size,
                    "receivers": each.receivers,
                }
                for each in self._router.queues()
            ],
            "groups": [
                {
                    "name": name,
                    "members": sorted(members),
                    "unread": sum(map(self._router.unread, members)),
                }
                for name, members in sorted(self._router.groups().items())
            ],
        }

    def _remove_queue(self, request: wire.RemoveQueue) -> Answer:
        name = request.name.removeprefix(QUEUE_PREFIX)
        removed = self._router.remove_queue(name, force=request.force)
        return later(removed, lambda ended: {"dead_letters": ended})


def _key(name: str | None) -> str | None:
    return None if name is None else inbox_key(name)


def _ids(ids: tuple[int, ...]) -> Fields:
    return {"ids": list(ids)}
