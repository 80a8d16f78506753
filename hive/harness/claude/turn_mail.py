"""The mail of the turn that is under way, as the model meets it: by tools, and between them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from attrs import define, field

from hive.client.api import Delivery
from hive.clock import Clock
from hive.errors import NotFoundError
from hive.harness.claude.prompt import urgent_note
from hive.harness.turn import Turn

WAIT_MAX = 30.0
"""Seconds that the tool `recv` waits in a turn; for longer the turn should end instead."""


@define(eq=False)
class TurnMail:
    """The tray of whichever turn is under way.

    Attributes:
        turn: None between turns: then there is no mail.
        mark: Stands around bodies; no sender can know it, since each turn has its own.
    """

    clock: Clock
    turn: Turn | None = field(default=None, init=False)
    mark: str = field(default="", init=False)

    def begin(self, turn: Turn) -> None:
        """Let a turn be under way."""
        self.turn = turn
        self.mark = f"-----{secrets.token_hex(8)}-----"

    def end(self) -> None:
        """Let no turn be under way."""
        self.turn = None

    def held(self) -> tuple[Delivery, ...]:
        """Return what the model was given and is not done with."""
        return () if self.turn is None else self.turn.held()

    async def take(self, most: int, wait: float) -> tuple[Delivery, ...]:
        """Let further messages join the turn."""
        return () if self.turn is None else await self.turn.take(most, min(wait, WAIT_MAX))

    async def done(self, ids: Sequence[int]) -> None:
        """Take note that the model is done with messages."""
        if self.turn is None:
            raise NotFoundError("you hold no messages in this turn")
        await self.turn.done(ids)

    def between_tools(self) -> str | None:
        """Return what is told after a tool call: the urgent mail that has come, if any."""
        urgent = () if self.turn is None else self.turn.urgent()
        return urgent_note(urgent, now=self.clock.now(), mark=self.mark) if urgent else None
