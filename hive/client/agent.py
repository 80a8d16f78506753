"""The asyncio client of a participant's socket: one connection, many concurrent requests.

Errors are those of `hive.errors`. Times are RFC 3339 strings, durations are seconds. Results are
rows of the wire, or made of several of them (`Sent`, `OpenItems`).
"""

# ruff: noqa: A002 - parameters are called what the wire calls them

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from actors import Backoff
from hive.client.channel import ANSWER_TIMEOUT, Channel, Repeat
from hive.client.responses import Fields
from hive.errors import RateLimitedError, TimedOutError, UnavailableError
from hive.version import VERSION
from hive.wire.base import encodable
from hive.wire.change_rows import ApprovalRow
from hive.wire.codec import value_of
from hive.wire.enums import CancelKind, LiveKind, NackMode, OnExpiry, OrderKind, Priority, Role
from hive.wire.harness import LIVE_MAX, Activity, Order, TurnRecord
from hive.wire.rows import (
    Delivery,
    Identity,
    InboxRow,
    QuestionRow,
    ReminderRow,
    Row,
    Verified,
    WhoRow,
    encoded_default,
)
from hive.wire.schedules import ScheduleRow

__all__ = [
    "Activity",
    "AgentClient",
    "Delivery",
    "Identity",
    "InboxRow",
    "ManagerClient",
    "OpenItems",
    "Order",
    "Role",
    "Sent",
    "TurnRecord",
    "Verified",
    "WhoRow",
]

RECONNECT = Backoff(base=0.1, factor=2.0, cap=15.0, jitter=0.2)
"""Delays between attempts to connect to the daemon."""

LOCK_TIMEOUT = 700.0
"""Seconds within which newer inputs are locked; nixpkgs may be fetched for it."""

LIFECYCLE_TIMEOUT = 180.0
"""Seconds that an agent has to start or stop."""

UNREACHABLE_PAUSE = 1.0
"""Seconds before `until_reachable` repeats a request."""

_ORDER_KINDS = frozenset(OrderKind)


class Sent(Row, frozen=True):
    """A message that is on disk.

    Attributes:
        id: Its id; of a broadcast the first one, None if it had no recipient.
        recipients: The inboxes that hold it, if the daemon names them.
        skipped: Participants that did not get a broadcast: a full inbox, or not seen for long.
        duplicate: Whether it was stored before, under the same dedupe key.
        parked: Why the loop guard holds it; None if it is delivered.
    """

    id: int | None = None
    recipients: tuple[str, ...] = encoded_default(tuple)
    skipped: tuple[str, ...] = encoded_default(tuple)
    duplicate: bool = encoded_default(bool)
    parked: str | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Sent:
        """Return the result of `send` from the fields of its response."""
        skipped = [row["name"] for row in fields.get("skipped", ())]
        return value_of(cls, {**fields, "skipped": skipped})


class OpenItems(Row, frozen=True):
    """The open questions, pending reminders, waiting approvals and schedules of a participant.

    The oldest of each come first. Approvals and schedules are those that it asked for.
    """

    asked: tuple[QuestionRow, ...] = encoded_default(tuple)
    to_answer: tuple[QuestionRow, ...] = encoded_default(tuple)
    reminders: tuple[ReminderRow, ...] = encoded_default(tuple)
    approvals: tuple[ApprovalRow, ...] = encoded_default(tuple)
    schedules: tuple[ScheduleRow, ...] = encoded_default(tuple)

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> OpenItems:
        """Return the result of `loose_ends` from the fields of its response."""
        return cls(
            value_of(tuple[QuestionRow, ...], fields["questions_asked"]),
            value_of(tuple[QuestionRow, ...], fields["questions_to_answer"]),
            value_of(tuple[ReminderRow, ...], fields["reminders"]),
            value_of(tuple[ApprovalRow, ...], fields.get("approvals", ())),
            value_of(tuple[ScheduleRow, ...], fields.get("schedules", ())),
        )


def orders_of(rows: Iterable[Mapping[str, Any]]) -> tuple[Order, ...]:
    """Return the control orders of a response without those of unknown kinds."""
    return value_of(tuple[Order, ...], [row for row in rows if row["order"] in _ORDER_KINDS])


class AgentClient:
    """A participant's connection to its hive.

    The client reconnects whenever the connection is lost, and requests wait for that. A request
    that was written when the connection was lost is written again if a repeat has no effect.
    Otherwise it fails with UnavailableError, because its outcome is unknown.

    Args:
        path: The socket.
        patience: Seconds that a request waits for a connection before it fails.
        backoff: Delays between attempts to connect.
        random: Source of jitter.

    Use it as an async context manager, or call `open` and `close`.
    """

    def __init__(
        self,
        path: Path,
        *,
        patience: float = 60.0,
        backoff: Backoff = RECONNECT,
        random: Random | None = None,
    ) -> None:
        self._channel = Channel(
            path,
            patience=patience,
            backoff=backoff,
            random=random or Random(),  # noqa: S311 - jitter
            unclaimed=_give_back,
        )

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._channel.connected

    def open(self) -> None:
        """Begin to connect; requests may be made at once. Idempotent."""
        self._channel.open()

    async def close(self) -> None:
        """End the connection; requests without an answer fail with UnavailableError."""
        await self._channel.close()

    async def hello(self, role: Role, driver: str | None = None) -> None:
        """Announce the role of this client, now and on every later connection."""
        greeting = {"cmd": "hello", "role": role.value, "driver": driver, "version": VERSION}
        await self._channel.request(greeting, Repeat.ALWAYS)
        self._channel.greet_with(greeting)

    # Messages

    async def send(
        self,
        to: str,
        body: str,
        *,
        in_reply_to: int | None = None,
        priority: Priority | None = None,
        ttl: float | None = None,
        delay: float | None = None,
        dedupe_key: str | None = None,
    ) -> Sent:
        """Store a message for a participant; returns once it is on disk.

        With a `dedupe_key` the request is repeated if the connection is lost before the answer.
        `in_reply_to` is a message that the participant sent, or got.
        """
        request = self._once if dedupe_key is None else self._call
        answer = await request(
            "send",
            to=to,
            body=body,
            in_reply_to=in_reply_to,
            priority=priority,
            ttl_seconds=ttl,
            delay_seconds=delay,
            dedupe_key=dedupe_key,
        )
        return Sent.of(answer)

    async def recv(
        self,
        *,
        max: int = 1,
        wait: float = 0.0,
        ack: Sequence[int] = (),
        urgent: bool = False,
        max_bytes: int | None = None,
    ) -> tuple[Delivery, ...]:
        """Lease up to `max` messages, waiting up to `wait` seconds for the first.

        With `urgent`, only messages of high priority. With `max_bytes`, all bodies together have
        at most that many bytes, unless the first alone has more. `ack` acknowledges messages in the
        same request. Messages that arrive after a cancellation are given back.
        """
        request = {
            "cmd": "recv",
            "max": max,
            "wait_seconds": wait,
            "ack": list(ack) or None,
            "urgent": urgent or None,
            "max_bytes": max_bytes,
        }
        future = self._channel.request(request, Repeat.ALWAYS, wait + ANSWER_TIMEOUT)
        try:
            fields = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._channel.unclaimed(future.result())
            raise
        return value_of(tuple[Delivery, ...], fields["messages"])

    async def ack(self, ids: Sequence[int], *, lease: str | None = None) -> None:
        """Acknowledge messages whose work is done.

        Raises:
            StaleLeaseError: This session does not hold one of them; the others are acked.
        """
        await self._once("ack", ids=list(ids), lease=lease)

    async def nack(
        self,
        id: int,
        *,
        mode: NackMode = NackMode.FAIL,
        delay: float | None = None,
        reason: str | None = None,
        lease: str | None = None,
    ) -> None:
        """Give a leased message back, to be delivered again after `delay` seconds.

        Raises:
            StaleLeaseError: This session does not hold it.
        """
        await self._once(
            "nack", id=id, mode=mode.value, delay_seconds=delay, reason=reason, lease=lease
        )

    async def heartbeat(self, ids: Sequence[int] = ()) -> float:
        """Extend the leases of these messages; return the duration of a lease in seconds."""
        return float((await self._call("heartbeat", ids=list(ids)))["lease_seconds"])

    async def ack_turn(self) -> None:
        """Ack everything that this connection has leased."""
        await self._once("ack_turn")

    async def requeue_inflight(self) -> None:
        """Give back everything that any connection of this participant has leased."""
        await self._call("requeue_inflight")

    async def status(self) -> int:
        """Return the number of messages in the own inbox that are not acked."""
        return int((await self._call("status"))["unread"])

    async def recent(
        self, max: int = 20, *, unread: bool = False, body_max: int | None = None
    ) -> tuple[InboxRow, ...]:
        """Return the newest messages of the own inbox without leasing them.

        With `unread`, only those that a receiver would get now, the urgent ones before the others;
        of a body at most `body_max` characters.
        """
        answer = await self._call("recent", max=max, unread=unread, body_max=body_max)
        return value_of(tuple[InboxRow, ...], answer["messages"])

    async def wake(self, label: str, body: str, *, transient: bool = False) -> None:
        """Store a message in the own inbox under a label.

        With `transient` it is not stored: it is dropped unless a receiver is waiting.
        """
        request = {"cmd": "wake", "from": label, "body": body, "transient": transient}
        await self._channel.request(request, Repeat.UNWRITTEN)

    async def verify(self, id: int) -> Verified:
        """Return the sender of a message of the own inbox, or of one that was sent from here."""
        return value_of(Verified, await self._call("verify", id=id))

    # Participants

    async def whoami(self) -> Identity:
        """Return the identity of this client's socket."""
        return value_of(Identity, await self._call("whoami"))

    async def who(self) -> tuple[WhoRow, ...]:
        """Return all participants with their presence."""
        return value_of(tuple[WhoRow, ...], (await self._call("who"))["participants"])

    async def set_status(self, text: str) -> None:
        """Set the status line of this participant; an empty text clears it."""
        await self._call("set_status", text=text)

    # Questions and reminders

    async def ask(
        self,
        question: str,
        *,
        options: Sequence[str] = (),
        multi: bool = False,
        to: str | None = None,
        ttl: float | None = None,
        on_expiry: OnExpiry = OnExpiry.DENY,
    ) -> int:
        """Ask a participant, by default the operator; return the id of the question at once.

        The answer comes as a message of type "answer", in reply to the question. `ttl` is in
        seconds; without one the question stays open until it is answered or cancelled.
        """
        answer = await self._once(
            "ask",
            question=question,
            options=list(options),
            multi=multi,
            to=to,
            ttl_seconds=ttl,
            on_expiry=on_expiry,
        )
        return int(answer["id"])

    async def answer(self, id: int, text: str) -> None:
        """Answer a question to this participant; its asker gets a message.

        Raises:
            NotAllowedError: The question is for another participant.
            ConflictError: It was answered, expired or cancelled; the error says by whom and when.
        """
        await self._once("answer", id=id, answer=text)

    async def remind(
        self, message: str, *, delay: float | None = None, at: float | None = None
    ) -> int:
        """Send a message to oneself, in `delay` seconds or at a Unix time; return its id.

        Raises:
            InboxFullError: Too many reminders are pending.
        """
        answer = await self._once(
            "remind", message=message, delay_seconds=delay, at_unix_timestamp=at
        )
        return int(answer["id"])

    async def loose_ends(self) -> OpenItems:
        """Return the open questions, in both directions, reminders, approvals and schedules."""
        return OpenItems.of(await self._call("loose_ends"))

    async def cancel(self, kind: CancelKind, id: int) -> None:
        """Cancel one's own reminder, question or message, or an approval or schedule asked for.

        Raises:
            ConflictError: It has ended, or the message is leased; the error says which.
        """
        await self._once("cancel", kind=kind, id=id)

    # Reports of a harness, and control orders for it

    async def report(self, activity: Activity) -> None:
        """Report the agent's activity, now and on every later connection."""
        request = msgspec.to_builtins(activity)
        await self._channel.request(request, Repeat.ALWAYS)
        self._channel.greet_with(request)

    async def turn(self, record: TurnRecord) -> None:
        """Record a finished turn."""
        await self._channel.request(msgspec.to_builtins(record), Repeat.ALWAYS)

    async def live(self, kind: LiveKind, text: str) -> None:
        """Publish an event of the turn to its watchers; it is cut to `LIVE_MAX` and not stored."""
        if self.connected:
            await self._once("live", kind=kind, text=encodable(text[:LIVE_MAX]))

    async def limited(self, account: str, until: float, reason: str) -> None:
        """Report that the account of this agent is used up until a Unix time."""
        await self._call("limited", account=account, until=until, reason=reason)

    async def unlimited(self, account: str) -> None:
        """Report that the account of this agent can be used again."""
        await self._call("unlimited", account=account)

    async def orders(self, *, wait: float, after: int) -> tuple[Order, ...]:
        """Return the control orders after `after`, waiting up to `wait` seconds for the first.

        The first call on a connection returns at once, with the orders in force.
        """
        request = {"cmd": "orders", "wait_seconds": wait, "after": after}
        future = self._channel.request(request, Repeat.ALWAYS, wait + ANSWER_TIMEOUT)
        return orders_of((await future)["orders"])

    def _call(self, cmd: str, **fields: Any) -> asyncio.Future[Fields]:
        """Make a request that may be repeated."""
        return self._channel.request({"cmd": cmd, **fields}, Repeat.ALWAYS)

    def _once(self, cmd: str, **fields: Any) -> asyncio.Future[Fields]:
        """Make a request that is written once at the most."""
        return self._channel.request({"cmd": cmd, **fields}, Repeat.UNWRITTEN)


class ManagerClient(AgentClient):
    """The manager's connection, which also controls the other agents.

    The daemon refuses these verbs on the socket of any other participant.
    """

    async def kill(self, name: str) -> None:
        """Stop an agent gracefully; returns when it has ended."""
        await self._control("kill", name=name)

    async def start(self, name: str) -> None:
        """Start a stopped or failed agent; returns when it runs."""
        await self._control("start", name=name)

    async def restart(self, name: str) -> tuple[str, ...]:
        """Stop an agent gracefully and start it again.

        Returns:
            The keys of it that hive.toml has otherwise, which are not in force until a reload.
        """
        return tuple((await self._control("restart", name=name)).get("not_in_force", ()))

    async def update(self, name: str) -> tuple[str, ...]:
        """Rebuild an agent from the configuration in force; return as `restart`."""
        return tuple((await self._control("update", name=name)).get("not_in_force", ()))

    async def ask_operator(self, verb: str, **fields: Any) -> int:
        """Submit something for the operator's decision; return the number of the approval.

        Args:
            verb: `request_init_config`, `request_schedule`, `request_adopt`, `request_release` …
            fields: Its fields; those that are None are left out.
        """
        given = {key: value for key, value in fields.items() if value is not None}
        timeout = LOCK_TIMEOUT if verb == "request_update_inputs" else LIFECYCLE_TIMEOUT
        answer = await self._channel.request({"cmd": verb, **given}, Repeat.UNWRITTEN, timeout)
        return int(answer["approval"])

    async def request_spawn(self, name: str, commit: str, description: str | None = None) -> int:
        """Propose a new agent from a commit of its proposed repository; return the approval."""
        return await self._propose("request_spawn", {"name": name}, commit, description)

    async def request_apply_commit(
        self, agent: str, commit: str, description: str | None = None
    ) -> int:
        """Propose a commit as the configuration of an agent; return the number of the approval."""
        return await self._propose("request_apply_commit", {"agent": agent}, commit, description)

    async def _propose(
        self, cmd: str, subject: Fields, commit: str, description: str | None
    ) -> int:
        return await self.ask_operator(cmd, commit_ref=commit, **subject, description=description)

    async def get_logs(self, name: str, lines: int = 100) -> tuple[str, ...]:
        """Return the last lines of an agent's output."""
        return tuple((await self._call("get_logs", name=name, lines=lines))["lines"])

    def _control(self, cmd: str, **fields: Any) -> asyncio.Future[Fields]:
        return self._channel.request({"cmd": cmd, **fields}, Repeat.UNWRITTEN, LIFECYCLE_TIMEOUT)


def _give_back(fields: Fields) -> list[Fields]:
    """Return the requests that defer the messages of a `recv` that was cancelled."""
    return [
        {
            "cmd": "nack",
            "id": row["id"],
            "mode": NackMode.DEFER.value,
            "lease": row["lease"],
            "reason": "the receiver went away",
        }
        for row in fields.get("messages", ())
        if isinstance(row, dict) and "lease" in row
    ]


T = TypeVar("T")

logger = logging.getLogger(__name__)


async def until_reachable(request: Callable[[], Awaitable[T]]) -> T:
    """Repeat a request until the daemon answers it.

    The client itself waits for a connection, up to its patience. The pause in between is for a
    daemon that can be reached and refuses at once, because its store takes no writes.
    """
    while True:
        try:
            return await request()
        except (UnavailableError, TimedOutError) as error:
            logger.warning("%s; trying again", error)
        await asyncio.sleep(UNREACHABLE_PAUSE)


async def until_taken(request: Callable[[], Awaitable[T]]) -> T:
    """Repeat a request until the daemon takes it, also after the participant made too many."""
    while True:
        try:
            return await until_reachable(request)
        except RateLimitedError as error:
            logger.warning("%s; trying again", error)
        await asyncio.sleep(UNREACHABLE_PAUSE)
