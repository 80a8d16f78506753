"""What a driver is that holds a conversation: it takes several messages in one turn.

A driver that works on one message at a time needs only `hive.harness.drivers.Driver`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from attrs import asdict, field, frozen

from hive.client.api import Identity, ManagerClient
from hive.harness.drivers import Done, Outcome
from hive.harness.gate import HoldOff
from hive.harness.reporting import Reporter
from hive.harness.turn import Turn
from hive.wire.enums import TurnOutcome
from hive.wire.harness import Order, TurnRecord


@frozen
class Usage:
    """What a turn used.

    Attributes:
        cost_usd: US dollars; None where nobody knows.
        tools: How often each tool was called.
    """

    model: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float | None = None
    tools: Mapping[str, int] = field(factory=dict)


@frozen
class TurnEnd:
    """How a turn ended.

    Attributes:
        outcome: What becomes of its messages. An answer in `Done` is not sent: a conversation
            answers by the hive's tools.
        word: What the record says.
        usage: What it used.
        hold_off: Why no further turn begins for now.
        shared: Whether that concerns everybody with the same account.
        note: One line for the record.
    """

    outcome: Outcome
    word: TurnOutcome
    usage: Usage = Usage()
    hold_off: HoldOff | None = None
    shared: bool = False
    note: str | None = None

    def recorded(
        self, started: float, ended: float, *, wake: str, messages: tuple[int, ...] = ()
    ) -> TurnRecord:
        """Return the record of the turn.

        Args:
            started: Unix time.
            ended: Unix time.
            wake: What began it.
            messages: Ids of what it was about.
        """
        reason = None if isinstance(self.outcome, Done) else self.outcome.reason
        return TurnRecord(
            started,
            ended,
            wake,
            self.word,
            messages=messages,
            note=self.note or reason,
            **asdict(self.usage),
        )


@frozen
class Surroundings:
    """What a driver works in.

    Attributes:
        client: The participant's connection, for the hive's tools. Mail is taken from the turn.
        me: Who the participant is.
        reporter: Takes what is to be told: live events, the model, the session, the account.
    """

    client: ManagerClient
    me: Identity
    reporter: Reporter


class TurnDriver(ABC):
    """Works on mail in turns, one at a time."""

    @abstractmethod
    async def open(self, surroundings: Surroundings) -> None:
        """Begin; called once, before the first turn."""

    @abstractmethod
    async def turn(self, turn: Turn) -> TurnEnd:
        """Work on the messages of one turn, and on what joins it.

        Cancelling means that the agent must end now: stop the work, leave nothing running. What it
        raises otherwise is a bug, and counts as a turn that failed.
        """

    @abstractmethod
    async def interrupt(self) -> None:
        """Make the turn that is under way end soon, as cancelled."""

    @abstractmethod
    async def close(self) -> None:
        """End; leave nothing running."""

    async def rest(self) -> None:
        """Tidy up between turns, while mail waits."""
        return

    async def recovered(self) -> None:
        """Wait until what made it hold off without a time is over."""
        return

    def begin_anew(self) -> None:
        """Begin the next turn without what was said before."""
        return

    def restarted(self, order: Order) -> None:
        """Take note that the agent was restarted, when and why."""
        return
