"""A daemon that answers what a test says, in place of host.sock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from attrs import define, field

from hive.errors import HiveError, NotFoundError

Fields = dict[str, Any]

Answering = Mapping[str, Any] | Callable[[Fields], Mapping[str, Any]] | HiveError


@define(eq=False)
class ScriptedHive:
    """Answers requests.

    Attributes:
        answers: The answer to each verb: its fields, a function that returns them for those of the
            request, or the error that it is refused with.
        asked: The requests that came, in their order.
        acted: Those that were made for a session, with it.
        streams: What each stream has to say after its first answer; it stays open.
    """

    answers: dict[str, Answering] = field(factory=dict)
    asked: list[Fields] = field(factory=list)
    acted: list[tuple[str, Fields]] = field(factory=list)
    streams: dict[str, asyncio.Queue[Fields]] = field(factory=dict)

    async def ask(self, cmd: str, **fields: Any) -> Fields:
        self.asked.append({"cmd": cmd, **fields})
        return self._answer(cmd, fields)

    async def act(self, session: str, cmd: str, **fields: Any) -> Fields:
        self.acted.append((session, {"cmd": cmd, **fields}))
        return self._answer(cmd, fields)

    async def follow(self, cmd: str, **fields: Any) -> AsyncGenerator[Fields, None]:
        self.asked.append({"cmd": cmd, **fields})
        queue = self.streams.setdefault(cmd, asyncio.Queue())
        while True:
            yield await queue.get()

    def _answer(self, cmd: str, fields: Fields) -> Fields:
        found = self.answers.get(cmd, NotFoundError(f"no answer to {cmd}"))
        if isinstance(found, HiveError):
            raise found
        if callable(found):
            found = found(fields)
        return {"version": 1, "ok": True, **found}
