"""Drivers: what works on mail, and how it says what became of it.

There are two kinds. A `MessageDriver` works on one message at a time. A `TurnDriver` holds a
conversation: it takes several messages in one turn and answers by the hive's tools. The worker
knows turn drivers only; `hive.harness.message_turns` makes one of a message driver.
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
from hive.wire.enums import ActivityState, NackMode, TurnOutcome
from hive.wire.harness import Order, TurnRecord

REASON_MAX = 4000
"""Characters of the longest reason, a little less than the wire takes."""


def reason_text(said: str) -> str:
    """Return a reason in a form that the wire accepts: encodable, and not too long.

    A reason comes from a driver or from what it ran. If the hive refused the nack that carries
    it, the message would stay leased although nothing works on it.
    """
    text = said.encode(errors="replace").decode()
    return text if len(text) <= REASON_MAX else f"{text[:REASON_MAX]}…"


@frozen
class SavedText:
    """An answer that is too long for a message, and the file that holds it.

    Attributes:
        path: The file.
        size: Its bytes.
    """

    path: Path
    size: int


@frozen
class Done:
    """The work is done: the messages are acked.

    Attributes:
        answer: Sent to the sender, by a message driver only; None for no answer.
    """

    word: ClassVar[TurnOutcome] = TurnOutcome.DONE

    answer: str | SavedText | None = None


@frozen
class Failed:
    """The work was tried and failed; a message is delivered again while it has attempts left."""

    word: ClassVar[TurnOutcome] = TurnOutcome.FAILED
    nack: ClassVar[NackMode] = NackMode.FAIL

    reason: str = field(converter=reason_text)


@frozen
class Deferred:
    """The work cannot be done now; the messages go back and no attempt is burned."""

    word: ClassVar[TurnOutcome] = TurnOutcome.DEFERRED
    nack: ClassVar[NackMode] = NackMode.DEFER

    reason: str = field(converter=reason_text)


@frozen
class Rejected:
    """The work will never be done: the messages become dead letters."""

    word: ClassVar[TurnOutcome] = TurnOutcome.FAILED
    nack: ClassVar[NackMode] = NackMode.REJECT

    reason: str = field(converter=reason_text)


@frozen
class Cancelled:
    """The operator has cancelled the work: the messages become dead letters."""

    word: ClassVar[TurnOutcome] = TurnOutcome.CANCELLED
    nack: ClassVar[NackMode] = NackMode.REJECT

    reason: str = field(default="cancelled by the operator", converter=reason_text)


Outcome = Done | Failed | Deferred | Rejected | Cancelled
"""The closed set of ways in which a turn ends: each names its nack and its word in the record."""


@frozen
class HoldOff:
    """Why no turn begins.

    Attributes:
        state: The state that the agent reports meanwhile.
        reason: Why, in words.
        until: Unix time; None if the end is not known.
    """

    state: ActivityState
    reason: str = field(converter=reason_text)
    until: float | None = None


@frozen
class Usage:
    """What a turn used.

    Attributes:
        cost_usd: US dollars; None if they are not known.
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
        outcome: What becomes of its messages.
        usage: What it used.
        hold_off: Why no further turn begins for now.
        shared: Whether that concerns everybody with the same account.
        note: One line for the record; the outcome's reason if there is none.
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
class DriverSetup:
    """What a driver is made of.

    Attributes:
        arguments: The words behind `--` on the command line.
        time_limit: Seconds for one message, or for one turn.
        state: Directory for what must last.
        settings: The driver's table in the agent's manifest, as JSON.
    """

    arguments: tuple[str, ...]
    time_limit: float
    state: Path
    settings: str | None = None


@frozen
class Surroundings:
    """What a driver works in.

    Attributes:
        client: The participant's connection, for the hive's tools. Mail is taken from the turn.
        me: Who the participant is.
        reporter: Reports live events, the model, the session, the account.
    """

    client: ManagerClient
    me: Identity
    reporter: Reporter


class MessageDriver(Protocol):
    """Works on single messages. It may be asked to work on several at once."""

    async def handle(self, message: Delivery) -> Outcome:
        """Work on one message.

        Cancelling means that the work must end now: stop it, leave nothing running. Any other
        exception is a bug, and counts as `Failed`.
        """
        ...


class TurnDriver(ABC):
    """Works on mail in turns, one at a time.

    Attributes:
        batch: Messages that a turn begins with at most. With more than one it is a conversation:
            further messages may join a turn that is under way.
    """

    batch: ClassVar[int] = BATCH

    @abstractmethod
    async def open(self, surroundings: Surroundings) -> None:
        """Begin; called once, before the first turn."""

    @abstractmethod
    async def turn(self, turn: Turn) -> TurnEnd:
        """Work on the messages of one turn, and on what joins it.

        Cancelling means that the work must end now: stop it, leave nothing running. Any other
        exception is a bug, and counts as `Failed`.
        """

    @abstractmethod
    async def interrupt(self) -> None:
        """Make the turn that is under way end soon, as `Cancelled`."""

    @abstractmethod
    async def close(self) -> None:
        """End; leave nothing running."""

    async def rest(self) -> None:
        """Tidy up between turns, while mail waits."""
        return

    async def recovered(self) -> None:
        """Wait until the cause of a hold-off without a time is over."""
        return

    def begin_anew(self) -> None:
        """Begin the next turn without what was said before."""
        return

    def restarted(self, order: Order) -> None:
        """Take note that the agent was restarted, when and why."""
        return
