"""What a harness tells the hive beside the mail: what it does, what happens, what a turn cost.

Nothing here holds up a turn: it is queued, and one task sends it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from attrs import define, field
from msgspec.structs import replace

from hive.client.agent import AgentClient, Delivery, until_reachable
from hive.clock import Clock
from hive.errors import HiveError
from hive.names import OPERATOR
from hive.wire.enums import ActivityState, LiveKind
from hive.wire.harness import Activity, TurnRecord

logger = logging.getLogger(__name__)

Tell = Callable[[], Awaitable[None]]

LIVE_KEPT = 200
"""Live events that wait at most; the oldest go first."""


@define(eq=False)
class Reporter:
    """Tells the hive what one participant does.

    Attributes:
        activity: What was said last.
    """

    client: AgentClient
    clock: Clock
    activity: Activity = field(init=False)
    _told: Activity | None = field(default=None, init=False)
    _live: deque[tuple[LiveKind, str]] = field(factory=lambda: deque(maxlen=LIVE_KEPT), init=False)
    _news: deque[Tell] = field(factory=deque, init=False)
    _more: asyncio.Event = field(factory=asyncio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._change(Activity(ActivityState.IDLE, self.clock.now()))

    def state(
        self, state: ActivityState, about: str | None = None, until: float | None = None
    ) -> None:
        """Say what the agent does from now on."""
        now = self.activity
        since = now.since if (now.state, now.about) == (state, about) else self.clock.now()
        self._change(replace(now, state=state, about=about, until=until, since=since))

    def begin(self, messages: Sequence[Delivery]) -> float:
        """Say that work on these messages begins; return when, as Unix time."""
        self.state(ActivityState.WORKING, about(messages))
        return self.clock.now()

    def uses(
        self,
        *,
        model: str | None = None,
        session: str | None = None,
        account: str | None = None,
    ) -> None:
        """Say what the agent works with; None leaves what was said before."""
        now = self.activity
        self._change(
            replace(
                now,
                model=model or now.model,
                session=session or now.session,
                account=account or now.account,
            )
        )

    def live(self, kind: LiveKind, text: str) -> None:
        """Show whoever watches what happens."""
        self._live.append((kind, text))
        self._more.set()

    def limited(self, until: float, reason: str) -> None:
        """Say that the account is used up until a Unix time; it must have been reported."""
        assert self.activity.account is not None, "a limit is that of an account"
        self._news.append(partial(self.client.limited, self.activity.account, until, reason))
        self._more.set()

    def turn(self, record: TurnRecord) -> None:
        """Have a finished turn recorded; it is told even if the daemon is away now."""
        self._news.append(partial(self.client.turn, record))
        self._more.set()

    async def run(self) -> None:
        """Send what is to be told, until cancelled."""
        while True:
            await self._more.wait()
            self._more.clear()
            await self.flush()

    async def flush(self) -> None:
        """Send everything that waits: what happened, what the agent does, what is to be kept."""
        while self._live:
            await self._tell(partial(self.client.live, *self._live.popleft()))
        if self._told != self.activity:
            self._told = self.activity
            await self._tell(partial(until_reachable, partial(self.client.report, self._told)))
        while self._news:
            await self._tell(partial(until_reachable, self._news[0]))
            self._news.popleft()

    def _change(self, activity: Activity) -> None:
        self.activity = activity
        self._more.set()

    async def _tell(self, say: Tell) -> None:
        try:
            await say()
        except HiveError as refusal:
            logger.info("the hive was not told: %s", refusal)


def about(messages: Sequence[Delivery]) -> str:
    """Return in words what a turn is about."""
    senders = ", ".join(dict.fromkeys(message.sender for message in messages))
    count = "a message" if len(messages) == 1 else f"{len(messages)} messages"
    return f"{count} from {senders}"[:200]


def wake_of(messages: Sequence[Delivery]) -> str:
    """Return what began a turn: the weightiest of its messages."""
    if any(message.kind == OPERATOR for message in messages):
        return OPERATOR
    return next((message.type for message in messages if message.type), "message")
