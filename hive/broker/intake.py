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
        if draft.dedupe_key is not None:
            before = self.keys.find(draft.sender, draft.dedupe_key, now.wall)
            if before is not None:
                return before
        if draft.sender_kind not in _TRUSTED:
            self.rates.check(draft.sender, now.loop)
        sent = self._distribute(draft, now)
        if draft.sender_kind not in _TRUSTED:
            self.rates.spend(draft.sender, now.loop)
        if draft.dedupe_key is not None and sent.ids:
            self.keys.remember(draft.sender, draft.dedupe_key, sent, now.wall)
        return sent

    def load(self, found: Undelivered) -> None:
        """Take over what is on disk, in place of what came from disk before."""
        self.replaced.clear()
        self.tripped.clear()
        self.groups = found.groups
        self.keys.load(found.used_keys)
        self.lineage.load(found.lineage)
        self.circuits.load(row for row in found.rows if row.state is MessageState.PARKED)

    def _distribute(self, draft: Draft, now: Moment) -> Sent:
        size = admission.check_draft(draft, self.limits, self.mail.last_id)
        names, skipped = addressing.recipients(
            draft.to,
            draft.sender,
            self.mail.inboxes,
            self.groups,
            unseen_since=now.wall - self.limits.unseen_after,
        )
        descent = self.lineage.of_reply(draft.in_reply_to, draft.sender_kind)
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
            parked=next((m.reason for m in stored if m.state is MessageState.PARKED), None),
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
            MessageKind.BROADCAST if draft.to == EVERYONE else draft.kind,
            size,
            now.wall,
            in_reply_to=draft.in_reply_to,
            label=draft.label,
            thread=descent.thread,
            priority=draft.priority,
            not_before=draft.due(now.wall),
            expires_at=None if draft.ttl is None else now.wall + draft.ttl,
            dedupe_key=draft.dedupe_key,
            supersede_key=draft.supersede_key,
            hops=descent.hops,
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
        if message.sender_kind is Kind.OPERATOR:
            self.circuits.calm(inbox.name, now.loop)
        sender, to = message.sender, inbox.name
        if sender == to or not {message.sender_kind, inbox.kind} <= _LOOPERS:
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
