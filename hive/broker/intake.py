"""Taking messages in: what a draft becomes, in whose inboxes, or why it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from attrs import define, field

from hive.broker import addressing, admission
from hive.broker.circuits import Circuit, Circuits
from hive.broker.inbox import Inbox
from hive.broker.keys import Keys
from hive.broker.lineage import Descent, Lineage
from hive.broker.mail import Mail, succession
from hive.broker.rates import Rates
from hive.broker.values import Draft, Moment, Receiver, Sent, Skipped
from hive.config import Limits
from hive.errors import HiveError
from hive.names import EVERYONE
from hive.store import Kind, Message, MessageKind, MessageState
from hive.store.messages import Undelivered

R = TypeVar("R", bound=Receiver)

_STORED, _OPERATOR = MessageState.STORED, Kind.OPERATOR

_LOOPERS = frozenset({Kind.AGENT, Kind.MANAGER, Kind.PEER})
"""Who can be one side of a loop."""

_TRUSTED = frozenset({Kind.OPERATOR, Kind.SYSTEM})
"""Who is never told to slow down."""


@define(eq=False)
class Intake(Generic[R]):
    """Decides about drafts and puts what they become into the mail.

    Attributes:
        groups: Members of each group; whoever owns the rules keeps it.
        replaced: Messages that a newer one took the place of since the last look, and which.
        tripped: Circuits that opened since the last look.
    """

    mail: Mail[R]
    limits: Limits
    groups: Mapping[str, frozenset[str]] = field(factory=dict)
    replaced: list[tuple[Message, int]] = field(factory=list, init=False)
    tripped: list[Circuit] = field(factory=list, init=False)
    keys: Keys = field(init=False)
    rates: Rates = field(init=False)
    circuits: Circuits = field(init=False)
    lineage: Lineage = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.keys = Keys(self.limits.dedupe_window)
        self.rates = Rates(self.limits.rate)
        self.circuits = Circuits(self.limits.pair_rate, self.limits.max_hops)
        self.lineage = Lineage(self.mail)

    def send(self, draft: Draft, now: Moment) -> Sent:
        """Put a message into the inboxes that it is for.

        Raises:
            HiveError: When nothing was stored, with the reason.
        """
        trusted = draft.sender_kind in _TRUSTED
        if draft.dedupe_key is not None:
            before = self.keys.find(draft.sender, draft.dedupe_key, now.wall)
            if before is not None:
                return before
        sent = self._distribute(draft, now) if trusted else self._count(draft, now)
        if draft.dedupe_key is not None and sent.ids:
            self.keys.remember(draft.sender, draft.dedupe_key, sent, now.wall)
        return sent

    @property
    def has_followers(self) -> bool:
        """Whether a message replaced another or opened a circuit since the last look."""
        return bool(self.replaced or self.tripped)

    def load(self, found: Undelivered) -> None:
        """Take over what is on disk, in place of what came from disk before."""
        self.replaced.clear()
        self.tripped.clear()
        self.groups = found.groups
        self.keys.load(found.used_keys)
        self.lineage.load(found.lineage)
        self.circuits.load(row for row in found.rows if row.state is MessageState.PARKED)

    def _count(self, draft: Draft, now: Moment) -> Sent:
        """Distribute the message of a sender whose messages are counted, if they are stored."""
        self.rates.spend(draft.sender, now.loop)
        try:
            return self._distribute(draft, now)
        except HiveError:
            self.rates.give_back(draft.sender)
            raise

    def _distribute(self, draft: Draft, now: Moment) -> Sent:
        size = admission.check_draft(draft, self.limits, self.mail.last_id)
        descent = self.lineage.of_reply(draft.in_reply_to, draft.sender_kind)
        if addressing.is_one(draft.to):
            return self._deliver(draft, size, descent, now)
        return self._broadcast(draft, size, descent, now)

    def _deliver(self, draft: Draft, size: int, descent: Descent, now: Moment) -> Sent:
        inbox = self.mail.inboxes[addressing.one(draft.to, self.mail.inboxes)]
        error = admission.refusal(inbox, draft.sender_kind, size, self.limits)
        if error is not None:
            raise error
        if draft.transient and not inbox.is_heard:
            return Sent((), ())
        message = self._store(draft, inbox, size, descent, now)
        return Sent((message.id,), (inbox.name,), parked=message.reason)

    def _broadcast(self, draft: Draft, size: int, descent: Descent, now: Moment) -> Sent:
        names, skipped = addressing.recipients(
            draft.to,
            draft.sender,
            self.mail.inboxes,
            self.groups,
            unseen_since=now.wall - self.limits.unseen_after,
        )
        stored: list[Message] = []
        refused: list[tuple[str, HiveError]] = []
        for name in names:
            inbox = self.mail.inboxes[name]
            error = admission.refusal(inbox, draft.sender_kind, size, self.limits)
            if error is not None:
                refused.append((name, error))
            elif not draft.transient or inbox.is_heard:
                stored.append(self._store(draft, inbox, size, descent, now))
        if refused and not stored:
            raise refused[0][1]
        skipped += [Skipped(name, str(error)) for name, error in refused]
        return Sent(
            tuple(message.id for message in stored),
            tuple(message.inbox for message in stored),
            tuple(skipped),
            parked=next((message.reason for message in stored if message.reason), None),
        )

    def _store(
        self, draft: Draft, inbox: Inbox[R], size: int, descent: Descent, now: Moment
    ) -> Message:
        self.mail.last_id += 1
        message = Message(
            self.mail.last_id,
            inbox.name,
            draft.sender,
            draft.sender_kind,
            draft.kind if draft.to != EVERYONE else MessageKind.BROADCAST,
            size,
            now.wall,
            _STORED,
            draft.in_reply_to,
            draft.label,
            descent.thread,
            draft.priority,
            draft.due(now.wall),
            None if draft.ttl is None else now.wall + draft.ttl,
            draft.dedupe_key,
            draft.supersede_key,
            descent.hops,
            body=draft.body,
            origin=draft.origin,
        )
        self.lineage.note(message.id, descent)
        self._watch_for_loops(message, inbox, now)
        if draft.supersede_key is not None:
            self._replace(message)
        self.mail.put(message)
        return message

    def _replace(self, message: Message) -> None:
        for older in self.mail.keyed.get(succession(message), {}).values():
            if older.state is not MessageState.LEASED:
                self.replaced.append((older, message.id))

    def _watch_for_loops(self, message: Message, inbox: Inbox[R], now: Moment) -> None:
        """Park a message whose sender and receiver loop."""
        if message.sender_kind is _OPERATOR:
            self.circuits.calm(inbox.name, now.loop)
        sender, to = message.sender, inbox.name
        if sender == to or message.sender_kind not in _LOOPERS or inbox.kind not in _LOOPERS:
            return
        circuit = self.circuits.find(sender, to)
        if circuit is None:
            why = self.circuits.why_looping(sender, to, message.hops, now.loop)
            if why is None:
                self.circuits.count(sender, to, now.loop)
                return
            circuit = self.circuits.trip(sender, to, why, now.wall)
            self.tripped.append(circuit)
        circuit.parked[message.id] = message
        message.state = MessageState.PARKED
        message.reason = circuit.why
