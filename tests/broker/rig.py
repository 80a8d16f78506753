"""Drives the pure rules directly: time is a number, receivers are records."""

from typing import Any

from attrs import define, field

from hive.broker.effects import FromDisk, Grant, Notice
from hive.broker.messages import MessageTable
from hive.broker.rules import Rules
from hive.broker.sessions import Session
from hive.broker.values import Moment, RemoveInbox
from hive.config import Limits
from hive.errors import StaleLeaseError
from hive.store import Kind, Message
from hive.store.messages import FindParties, Parties
from hive.wire import agent as wire
from hive.wire.enums import NackMode
from tests.broker.client import Draft, Sent

WALL = 1_700_000_000.0

DONE = "; whatever else was asked for is done"


@define(eq=False)
class Receiver:
    """A receiver; `expired` says that it does not wait any more."""

    name: str = ""
    expired: bool = False


class RigSession(Session):
    """A session whose answers the rig collects.

    Attributes:
        charged: Messages that it was charged for and does not hold.
    """

    __slots__ = ("charged",)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.charged = 0

    def charge_stale(self, count: int) -> None:
        self.charged += count

    def waits(self, token: Any) -> bool:
        return not token.expired


@define(eq=False)
class Rig:
    """Rules with three agents, a manager and two peers, of which one receives broadcasts.

    Attributes:
        grants: Mail that was granted, by receiver.
        answers: Other answers, by receiver.
        notices: The notices that were published.
        parties: Sender and inbox of every message, as on disk.
    """

    limits: Limits = field(factory=Limits)
    rules: Rules = field(init=False)
    time: float = 0.0
    grants: dict[Receiver, Grant] = field(factory=dict, init=False)
    answers: dict[Receiver, Any] = field(factory=dict, init=False)
    notices: list[Notice] = field(factory=list, init=False)
    senders: dict[tuple[str, Kind], RigSession] = field(factory=dict, init=False)
    parties: dict[int, Parties] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.rules = Rules(self.limits, epoch=7)
        for name in ("alice", "bob", "carol"):
            self.rules.add_inbox(name, Kind.AGENT)
        self.rules.add_inbox("hm1nd", Kind.MANAGER)
        self.rules.add_inbox("damocles", Kind.PEER)
        self.rules.add_inbox("listener", Kind.PEER, broadcast=True)

    @property
    def now(self) -> Moment:
        return Moment(self.time, WALL + self.time)

    @property
    def messages(self) -> dict[int, Message]:
        """The messages that have not ended."""
        return self.rules.table.messages

    def session(self, participant: str = "bob", kind: Kind = Kind.AGENT) -> RigSession:
        session = RigSession(participant, kind)
        self.rules.open_session(session, self.now)
        return session

    def close(self, session: Session) -> None:
        self.rules.close_session(session, self.now)
        self.collect()

    def touch(self, session: Session) -> None:
        session.alive_at = self.time

    def sender(self, name: str, kind: Kind) -> RigSession:
        found = self.senders.get((name, kind))
        if found is None or not found.is_open:
            found = self.senders[name, kind] = self.session(name, kind)
            assert found.inbox is not None
            found.inbox.sessions -= (
                1  # not opened: the tests decide which participants are connected
            )
        return found

    # Sending

    def send(
        self, to: str = "bob", body: str = "hi", *, sender: str = "alice", **more: Any
    ) -> Sent:
        draft = Draft(sender, more.pop("sender_kind", Kind.AGENT), to, body, **more)
        session, token = self.sender(draft.sender, draft.sender_kind), Receiver()
        request = draft.request()
        decide = self.rules.send if isinstance(request, wire.Send) else self.rules.post_and_answer
        try:
            decide(session, request, token, self.now)  # type: ignore[operator]
        finally:
            self.collect()
        return Sent.of(self.answers.pop(token))

    def send_many(self, count: int, to: str = "bob") -> list[int]:
        return [self.send(to).ids[0] for _ in range(count)]

    # Receiving

    def recv(
        self,
        session: Session,
        count: int = 1,
        wait: float = 0.0,
        *,
        name: str = "",
        urgent: bool = False,
        queue: str | None = None,
        max_bytes: int | None = None,
    ) -> Receiver:
        receiver = Receiver(name)
        request = wire.Recv(
            max=count, wait_seconds=wait, urgent=urgent, queue=queue, max_bytes=max_bytes
        )
        self.rules.recv(session, request, receiver, self.now)
        self.collect()
        return receiver

    def got(self, receiver: Receiver) -> list[Message] | None:
        """Return the messages of a receiver; None while it waits."""
        if receiver in self.grants:
            return list(self.grants[receiver].messages)
        return list(self.answers[receiver].messages) if receiver in self.answers else None

    def ids(self, receiver: Receiver) -> list[int] | None:
        got = self.got(receiver)
        return None if got is None else [message.id for message in got]

    def take(self, session: Session, count: int = 1) -> list[int]:
        ids = self.ids(self.recv(session, count))
        assert ids is not None
        return ids

    # Ending

    def ack(self, session: Session, *ids: int, lease: str | None = None) -> dict[int, str]:
        """Return why messages could not be acked."""
        return self.ends(self.rules.ack, session, wire.Ack(ids=list(ids), lease=lease))

    def ack_turn(self, session: Session) -> dict[int, str]:
        return self.ends(self.rules.ack_turn, session, wire.AckTurn())

    def nack(
        self,
        session: Session,
        number: int,
        mode: NackMode,
        *,
        delay: float | None = None,
        reason: str | None = None,
        lease: str | None = None,
    ) -> dict[int, str]:
        request = wire.Nack(id=number, mode=mode, delay_seconds=delay, reason=reason, lease=lease)
        return self.ends(self.rules.nack, session, request)

    def begin(self, session: Session, *ids: int) -> dict[int, str]:
        return self.ends(self.rules.heartbeat, session, wire.Heartbeat(ids=list(ids)))

    def requeue_inflight(self, session: Session) -> int:
        token = Receiver()
        self.rules.requeue_inflight(session, wire.RequeueInflight(), token, self.now)
        self.collect()
        count: int = self.answers.pop(token)["requeued"]
        return count

    def ends(self, verb: Any, session: Session, request: object) -> dict[int, str]:
        token = Receiver()
        verb(session, request, token, self.now)
        self.collect()
        answer = self.answers.pop(token)
        if not isinstance(answer, StaleLeaseError):
            return {}
        sentences = str(answer).removesuffix(DONE).split("; message ")
        split = (each.removeprefix("message ").split(" ", 1) for each in sentences)
        return {int(number): why for number, why in split}

    def remove_inbox(self, name: str, *, force: bool = False, purge: bool = False) -> None:
        self.rules.remove_inbox(RemoveInbox(name, force, purge), self.now)
        self.collect()

    # Time

    def advance(self, seconds: float) -> None:
        self.time += seconds
        self.rules.advance(self.now)
        self.collect()

    def collect(self) -> None:
        """Collect the effects of decisions; lookups on disk find only the parties of messages."""
        self.rules.notify_senders(self.now)
        effects = self.rules.table.take_effects()
        self.notices += effects.notices
        for grant in effects.grants:
            receiver = grant.parked.token
            assert receiver not in self.grants, "granted twice"
            self.grants[receiver] = grant
            self.rules.handed_over = grant.lease
        for message in effects.inserted:
            self.parties[message.id] = Parties(message.sender, frozenset({message.inbox}))
        for _, token, value, _ in effects.answers:
            if isinstance(value, FromDisk):
                self.answers[token] = value.finish(
                    self.look_up(effects.changes.others[value.place])
                )
            elif not isinstance(value, Grant):
                self.answers[token] = value
        if any(isinstance(value, FromDisk) for _, _, value, _ in effects.answers):
            self.collect()

    def look_up(self, op: Any) -> Any:
        """Return the parties of a message, and for any other operation that it found nothing."""
        lookup = op.keywords["op"]
        return self.parties.get(lookup.number) if isinstance(lookup, FindParties) else {}


def recount(table: MessageTable) -> None:
    """Check that the counters of senders are those of the messages."""
    sent: dict[tuple[str, str], list[int]] = {}
    deferred: dict[str, int] = {}
    for message in table.messages.values():
        sent.setdefault((message.inbox, message.sender), []).append(message.size)
        own = message.id in table.deferred and not message.deliveries
        if own and message.kind.value != "reminder":
            deferred[message.sender] = deferred.get(message.sender, 0) + 1
    assert table.deferred_by == deferred
    counted = {
        (inbox.name, sender): (count, inbox.sent_bytes[sender])
        for inbox in table.inboxes.values()
        for sender, count in inbox.sent.items()
    }
    assert counted == {key: (len(sizes), sum(sizes)) for key, sizes in sent.items()}
    assert all(inbox.sent.keys() == inbox.sent_bytes.keys() for inbox in table.inboxes.values())
