"""Mail of the current turn, as the hive's tools and hooks present it to the model."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from attrs import define, field

from hive.client.agent import Delivery
from hive.clock import Clock
from hive.errors import NotFoundError
from hive.harness.claude.prompt import urgent_note
from hive.harness.turn import Turn

TOOL_WAIT_MAX = 30.0
"""Seconds that the tool `recv` waits in a turn; for longer the turn should end instead."""


@define(eq=False)
class TurnMail:
    """Mail of the current turn; the hive's tools take messages from it.

    Attributes:
        turn: None between turns: there is no mail then.
        boundary: Line around each body. Each turn has a new one, so no sender can know it.
    """

    clock: Clock
    turn: Turn | None = field(default=None, init=False)
    boundary: str = field(default="", init=False)

    def begin(self, turn: Turn) -> None:
        """Set the current turn and choose its boundary."""
        self.turn = turn
        self.boundary = f"-----{secrets.token_hex(8)}-----"

    def end(self) -> None:
        """Clear the current turn."""
        self.turn = None

    def held(self) -> tuple[Delivery, ...]:
        """Return the messages that the model was given and has not finished."""
        return () if self.turn is None else self.turn.held()

    async def take(self, most: int, wait: float) -> tuple[Delivery, ...]:
        """Add up to `most` further messages to the turn, waiting up to `wait` seconds."""
        return () if self.turn is None else await self.turn.take(most, min(wait, TOOL_WAIT_MAX))

    async def done(self, ids: Sequence[int]) -> None:
        """Mark messages as finished by the model.

        Raises:
            NotFoundError: When there is no turn, or it does not hold one of them.
        """
        if self.turn is None:
            raise NotFoundError("you hold no messages in this turn")
        await self.turn.done(ids)

    def between_tools(self) -> str | None:
        """Return the note for the model after a tool call: urgent mail that arrived, if any."""
        urgent = () if self.turn is None else self.turn.urgent()
        if not urgent:
            return None
        return urgent_note(urgent, now=self.clock.now(), boundary=self.boundary)
