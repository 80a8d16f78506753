"""Reports of a harness to the hive: activity, live events, turn records, usage limits.

Reports are queued and sent by one task, so that no turn waits for them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from attrs import define, field
from msgspec.structs import replace

from hive.client.agent import AgentClient, Delivery, until_taken
from hive.clock import Clock
from hive.errors import HiveError
from hive.names import OPERATOR
from hive.quantities import counted
from hive.wire.enums import ActivityState, LiveKind
from hive.wire.harness import Activity, TurnRecord

logger = logging.getLogger(__name__)

Request = Callable[[], Awaitable[None]]
"""Sends one report."""

LIVE_MAX = 200
"""Pending live events; above it, the oldest are dropped."""


@define(eq=False)
class Reporter:
    """Queues and sends the reports of one participant.

    Attributes:
        client: Connection of the participant.
        clock: Wall time.
        activity: Latest activity.
    """

    client: AgentClient
    clock: Clock
    activity: Activity = field(init=False)
    _reported: Activity | None = field(default=None, init=False)
    _live: deque[tuple[LiveKind, str]] = field(factory=lambda: deque(maxlen=LIVE_MAX), init=False)
    _durable: deque[Request] = field(factory=deque, init=False)
    _pending: asyncio.Event = field(factory=asyncio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._change(Activity(ActivityState.IDLE, self.clock.now()))

    def state(
        self, state: ActivityState, about: str | None = None, until: float | None = None
    ) -> None:
        """Report what the agent does now.

        Args:
            state: Its state.
            about: The subject, in words.
            until: Unix time at which the state is expected to end.
        """
        now = self.activity
        since = now.since if (now.state, now.about) == (state, about) else self.clock.now()
        self._change(replace(now, state=state, about=about, until=until, since=since))

    def begin(self, messages: Sequence[Delivery]) -> float:
        """Report that work on these messages begins; return its start as Unix time."""
        self.state(ActivityState.WORKING, about(messages))
        return self.clock.now()

    def uses(
        self,
        *,
        model: str | None = None,
        session: str | None = None,
        account: str | None = None,
        effort: str | None = None,
    ) -> None:
        """Report what the agent uses; None leaves a value as it is."""
        now = self.activity
        self._change(
            replace(
                now,
                model=model or now.model,
                session=session or now.session,
                account=account or now.account,
                effort=effort or now.effort,
            )
        )

    def chosen(self, *, model: str | None, effort: str | None) -> None:
        """Report what the operator has chosen; None is what the configuration says."""
        self._change(replace(self.activity, chosen_model=model, chosen_effort=effort))

    def context(self, fill: float | None) -> None:
        """Report the fill of the model's context, from 0 to 1; None while it is unknown."""
        at = None if fill is None else self.clock.now()
        if fill is not None or self.activity.context_fill is not None:
            self._change(replace(self.activity, context_fill=fill, context_at=at))

    def live(self, kind: LiveKind, text: str) -> None:
        """Send an event to the turn feed; it is dropped if it cannot be sent."""
        self._live.append((kind, text))
        self._pending.set()

    def limited(self, until: float, reason: str) -> None:
        """Report that the account is used up until a Unix time.

        The account must have been reported by `uses`.
        """
        assert self.activity.account is not None, "a limit is that of an account"
        self._durable.append(partial(self.client.limited, self.activity.account, until, reason))
        self._pending.set()

    def turn(self, record: TurnRecord) -> None:
        """Report a finished turn; retried until the daemon is reachable."""
        self._durable.append(partial(self.client.turn, record))
        self._pending.set()

    async def run(self) -> None:
        """Send reports until cancelled."""
        while True:
            await self._pending.wait()
            self._pending.clear()
            await self.flush()

    async def flush(self) -> None:
        """Send all pending reports: live events, then the activity, then turns and limits."""
        while self._live:
            await self._send(partial(self.client.live, *self._live.popleft()))
        if self._reported != self.activity:
            self._reported = self.activity
            await self._send(partial(until_taken, partial(self.client.report, self._reported)))
        while self._durable:
            await self._send(partial(until_taken, self._durable[0]))
            self._durable.popleft()

    def _change(self, activity: Activity) -> None:
        self.activity = activity
        self._pending.set()

    async def _send(self, request: Request) -> None:
        try:
            await request()
        except HiveError as refusal:
            logger.info("a report was refused: %s", refusal)


def about(messages: Sequence[Delivery]) -> str:
    """Return a description of the messages of a turn, at most 200 characters."""
    senders = ", ".join(dict.fromkeys(message.sender for message in messages))
    count = "a message" if len(messages) == 1 else counted(len(messages), "message")
    return f"{count} from {senders}"[:200]


def wake_of(messages: Sequence[Delivery]) -> str:
    """Return what began a turn: "operator", else the first type of a message, else "message"."""
    if any(message.kind == OPERATOR for message in messages):
        return OPERATOR
    return next((message.type for message in messages if message.type), "message")
