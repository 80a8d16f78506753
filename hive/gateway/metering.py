"""Metering: the tokens that requests of a participant cost, and the bucket that they come from.

A verb costs one token unless `COSTS` or `UNMETERED` has it, so that a new verb is metered without
any word about it. A long line costs more. `hive.gateway.dispatch.handler_table` puts the meter in
front of each handler; the operator's verbs have none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from attrs import define, field

from hive.clock import MINUTE
from hive.errors import RateLimitedError
from hive.quantities import counted
from hive.wire import agent as wire
from hive.wire import harness, operator_asks
from hive.wire.base import Request

REQUESTS = 6000
"""Tokens of one participant within a minute, unless `requests` of `[limits]` says otherwise."""

TOKEN_BYTES = 1024
"""Bytes of a line that one token pays for."""

CONNECTION_COST = 5
"""Tokens for a new connection: it causes events and a row in the store."""

DISK_READ = 10
"""Tokens for a request that may read many rows from the disk."""

AGENT_OPERATION = 100
"""Tokens for a request that starts or ends an agent: 60 within a minute.

It forks processes or asks systemd, and causes events, notices and new connections: tens of
milliseconds of the machine, and some of the daemon's own.
"""
IMPORT = 100
"""Tokens for a request that runs git on what a participant wrote, some seconds of a processor."""


LOCK_INPUTS = 1000
"""Tokens for a request that fetches inputs from the network: 6 within a minute."""

COSTS: Mapping[type[Request], int] = {
    wire.StartAgent: AGENT_OPERATION,
    wire.KillAgent: AGENT_OPERATION,
    wire.RestartAgent: AGENT_OPERATION,
    wire.UpdateAgent: AGENT_OPERATION,
    wire.Recent: DISK_READ,
    wire.Receipts: DISK_READ,
    wire.ListOpenItems: DISK_READ,
    wire.GetLogs: DISK_READ,
    wire.RequestSpawnAgent: IMPORT,
    wire.RequestApplyCommit: IMPORT,
    operator_asks.RequestInitConfig: DISK_READ,
    operator_asks.RequestSchedule: DISK_READ,
    operator_asks.RequestAdopt: AGENT_OPERATION,
    operator_asks.RequestRelease: DISK_READ,
    operator_asks.RequestUpdateInputs: LOCK_INPUTS,
}
"""Verbs that cost more than one token."""

UNMETERED: Mapping[type[Request], str] = {
    wire.Send: "it has a rate of its own: `rate` and `rate_bytes` of [limits]",
    wire.Recv: "it delivers what was sent or returned, and that is metered; an empty one writes "
    "nothing",
    wire.Ack: "it ends a message that was delivered; ids of others are charged for afterwards",
    wire.AckTurn: "as `ack`",
    wire.Whoami: "it reads a few values in memory",
    wire.Status: "it reads a number in memory",
}
"""Verbs that cost nothing, and why."""


ALLOWED_IN_SHORTAGE: frozenset[type[Request]] = frozenset(
    {
        *(wire.Whoami, wire.Status, wire.Who, wire.Recent, wire.Receipts, wire.Verify),
        *(wire.ListOpenItems, wire.GetLogs),
        *(wire.Recv, wire.Ack, wire.AckTurn, wire.Heartbeat, wire.Cancel),
        *(wire.Hello, harness.Activity, harness.Live, harness.PollOrders, harness.Unlimited),
        *(wire.KillAgent, wire.StartAgent, wire.RestartAgent, wire.UpdateAgent),
    }
)
"""Verbs that are served while the disk has less than its reserve left.

They read, end what is stored, or change rows in their place.
"""


def cost_of(request: type[Request]) -> int:
    """Return the tokens that a verb costs; 0 for none."""
    return 0 if request in UNMETERED else COSTS.get(request, 1)


@define(eq=False)
class Meter:
    """The bucket of one participant, for all its connections; it fills up within a minute.

    Attributes:
        name: The participant.
        limit: Tokens of a full bucket.
        left: Tokens at the time of the last change; negative after a charge that was not covered.
        refusals: Number of refused requests by the code of the error.
    """

    name: str
    limit: int
    left: float = field(init=False)
    refusals: Counter[str] = field(factory=Counter, init=False)
    _at: float = field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self.left = self.limit

    def take(self, tokens: int, now: float) -> None:
        """Pay for a request before it is handled. A full bucket pays for any request.

        Args:
            tokens: What it costs.
            now: Seconds of the loop.

        Raises:
            RateLimitedError: There are not enough tokens; none is taken.
        """
        self._fill(now)
        if self.left < tokens and self.left < self.limit:
            wait = (min(tokens, self.limit) - self.left) * MINUTE / self.limit
            raise RateLimitedError(
                f"the requests of {self.name!r} cost more than {counted(self.limit, 'token')} "
                f"within a minute, which 'requests' of [limits] allows; this one costs {tokens}, "
                f"and nothing was done: it is possible in {wait:.1f} s"
            )
        self.left -= tokens

    def charge(self, tokens: int, now: float) -> None:
        """Pay for something that has happened; at most a minute's tokens are owed."""
        self._fill(now)
        self.left = max(self.left - tokens, -self.limit)

    def _fill(self, now: float) -> None:
        passed, self._at = now - self._at, now
        self.left = min(self.left + passed * self.limit / MINUTE, self.limit)
