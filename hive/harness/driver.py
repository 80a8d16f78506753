"""The interfaces of drivers, and the outcome of a turn.

There are two kinds. A `MessageDriver` processes one message at a time. A `TurnDriver` has a
conversation: it takes several messages in one turn and answers with the hive's tools. The worker
uses turn drivers only; `hive.harness.message_turns` adapts a message driver.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Protocol

from attrs import asdict, field, frozen

from hive.client.agent import Delivery, Identity, ManagerClient
from hive.harness.leases import BATCH
from hive.harness.reporting import Reporter
from hive.harness.turn import Turn
from hive.wire.base import short_text
from hive.wire.enums import ActivityState, NackMode, TurnOutcome
from hive.wire.harness import Order, TurnRecord


@frozen
class SavedText:
    """A file with an answer that is too long for a message.

    Attributes:
        path: The file.
        size: Its size in bytes.
    """

    path: Path
    size: int


@frozen
class Done:
    """The work is done: the messages are acked.

    Attributes:
        answer: Reply to the sender, from a message driver only; None for no reply.
    """

    word: ClassVar[TurnOutcome] = TurnOutcome.DONE

    answer: str | SavedText | None = None


@frozen
class Failed:
    """The work failed; a message is redelivered while it has attempts left."""

    word: ClassVar[TurnOutcome] = TurnOutcome.FAILED
    nack: ClassVar[NackMode] = NackMode.FAIL

    reason: str = field(converter=short_text)


@frozen
class Deferred:
    """The work cannot be done now; the messages go back and no attempt is counted."""

    word: ClassVar[TurnOutcome] = TurnOutcome.DEFERRED
    nack: ClassVar[NackMode] = NackMode.DEFER

    reason: str = field(converter=short_text)


@frozen
class Rejected:
    """The work will never be done: the messages become dead letters."""

    word: ClassVar[TurnOutcome] = TurnOutcome.FAILED
    nack: ClassVar[NackMode] = NackMode.REJECT

    reason: str = field(converter=short_text)


@frozen
class Cancelled:
    """The operator cancelled the work: the messages become dead letters."""

    word: ClassVar[TurnOutcome] = TurnOutcome.CANCELLED
    nack: ClassVar[NackMode] = NackMode.REJECT

    reason: str = field(default="cancelled by the operator", converter=short_text)


Outcome = Done | Failed | Deferred | Rejected | Cancelled
"""The outcome of a turn. Each class names its nack and its word in the turn record."""


@frozen
class HoldOff:
    """A time in which no turn begins.

    Attributes:
        state: State that the agent reports meanwhile.
        reason: The cause, in words.
        until: Unix time of its end; None if unknown.
    """

    state: ActivityState
    reason: str = field(converter=short_text)
    until: float | None = None


@frozen
class Usage:
    """Tokens, cost and tool calls of a turn.

    Attributes:
        cost_usd: US dollars; None if unknown.
        tools: Number of calls of each tool.
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
    """The end of a turn.

    Attributes:
        outcome: Decides the acks and nacks of its messages.
        usage: Tokens, cost and tool calls.
        hold_off: Why no further turn begins for now.
        shared: Whether the hold-off applies to all participants with the same account.
        note: One line for the record; None for the outcome's reason.
    """

    outcome: Outcome
    usage: Usage = Usage()
    hold_off: HoldOff | None = None
    shared: bool = False
    note: str | None = None

    @property
    def word(self) -> TurnOutcome:
        """The outcome as the record names it."""
        if self.hold_off is not None and self.hold_off.state is ActivityState.LIMITED:
            return TurnOutcome.LIMITED
        return self.outcome.word

    def recorded(
        self, started: float, ended: float, *, wake: str, messages: tuple[int, ...] = ()
    ) -> TurnRecord:
        """Return the record of the turn.

        Args:
            started: Unix time.
            ended: Unix time.
            wake: What began it, as returned by `wake_of`.
            messages: Ids of its messages.
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
class DriverSetup:
    """The parameters of a driver's constructor.

    Attributes:
        arguments: Arguments after `--` on the command line.
        time_limit: Seconds for one message, or for one turn.
        state: Directory for files that survive a restart.
        settings: The driver's table in the agent's manifest, as JSON.
    """

    arguments: tuple[str, ...]
    time_limit: float
    state: Path
    settings: str | None = None


@frozen
class Surroundings:
    """The environment of a driver.

    Attributes:
        client: Connection of the participant, for the hive's tools. Mail is taken from the turn.
        me: Identity of the participant.
        reporter: Reports live events, the model, the session, the account.
    """

    client: ManagerClient
    me: Identity
    reporter: Reporter


class MessageDriver(Protocol):
    """Processes single messages; `handle` may be called concurrently."""

    async def handle(self, message: Delivery) -> Outcome:
        """Process one message.

        When cancelled, stop all work and leave no process running. Any other exception is a bug and
        counts as `Failed`.
        """
        ...


class TurnDriver(ABC):
    """Processes messages in turns, one at a time.

    Attributes:
        batch: Messages at the start of a turn, at most; more than `RECV_MAX` count as that many.
        converses: Whether the driver holds a conversation: urgent messages may join a running
            turn, acks are sent at its end, and `rest` is called between turns.
    """

    batch: ClassVar[int] = BATCH
    converses: ClassVar[bool] = True

    @abstractmethod
    async def open(self, surroundings: Surroundings) -> None:
        """Start the driver; called once, before the first turn."""

    @abstractmethod
    async def turn(self, turn: Turn) -> TurnEnd:
        """Process the messages of one turn, and those that join it.

        When cancelled, stop all work and leave no process running. Any other exception is a bug and
        counts as `Failed`.
        """

    @abstractmethod
    async def interrupt(self) -> None:
        """End the running turn soon, with the outcome `Cancelled`."""

    @abstractmethod
    async def close(self) -> None:
        """Stop the driver; leave no process running."""

    async def rest(self) -> None:
        """Do maintenance between turns, such as compacting the conversation; messages wait."""
        return

    async def paused(self) -> None:
        """Prepare for a pause, before it is reported: somebody else may go on with the work."""
        return

    async def recovered(self) -> None:
        """Wait for the end of a hold-off whose end is unknown."""
        return

    def new_session(self) -> None:
        """Start the next turn in a new conversation."""
        return

    async def choose_model(self, order: Order) -> None:
        """Use the model and the effort of an order from the next turn on."""
        return

    def restarted(self, order: Order) -> None:
        """Record that the agent was restarted; the order has time and reason."""
        return
