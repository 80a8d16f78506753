"""A broker for tests: one object that makes every request, for any participant."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from attrs import define, field

from hive.broker.local_session import LocalSession
from hive.broker.queries import MailQueries
from hive.broker.service import BrokerService
from hive.broker.values import MarkRead, Post, RemoveInbox, event
from hive.clock import Clock, SystemClock
from hive.config import Limits
from hive.names import OPERATOR
from hive.store import NO_ORIGIN, Kind, MessageKind, Origin, ParticipantRecord, Store
from hive.wire import agent, host
from hive.wire.enums import NackMode, Priority
from hive.wire.rows import Delivery, Received, SkippedRow, Stored


class Draft(NamedTuple):
    """A message and its sender."""

    sender: str
    sender_kind: Kind
    to: str
    body: str
    in_reply_to: int | None = None
    label: str | None = None
    kind: MessageKind = MessageKind.MESSAGE
    transient: bool = False
    origin: Origin = NO_ORIGIN
    priority: Priority = Priority.NORMAL
    ttl: float | None = None
    not_before: float | None = None
    delay: float | None = None
    dedupe_key: str | None = None
    supersede_key: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether a participant may send it as it is."""
        return self.kind is MessageKind.MESSAGE and self.label is None and not self.transient

    def posting(self) -> agent.Send:
        """Return the request of the wire."""
        return agent.Send(
            to=self.to,
            body=self.body,
            in_reply_to=self.in_reply_to,
            priority=self.priority,
            ttl_seconds=self.ttl,
            delay_seconds=self.delay,
            not_before=self.not_before,
            dedupe_key=self.dedupe_key,
            supersede_key=self.supersede_key,
        )

    def request(self) -> agent.Send | Post:
        """Return the request for the broker."""
        posting = self.posting()
        return posting if self.is_plain else Post(posting, self.kind, self.label, self.transient)


class Sent(NamedTuple):
    """The answer to a send. The copies of a broadcast have consecutive ids."""

    ids: tuple[int, ...]
    recipients: tuple[str, ...]
    skipped: Sequence[SkippedRow]
    duplicate: bool
    parked: str | None

    @classmethod
    def of(cls, stored: Stored) -> "Sent":
        """Return the answer of a response."""
        first = stored.id if isinstance(stored.id, int) else 0
        count = len(stored.recipients) if first else 0
        return cls(
            tuple(range(first, first + count)),
            tuple(stored.recipients),
            stored.skipped,
            stored.duplicate,
            stored.parked,
        )

    @property
    def id(self) -> int | None:
        """The first id."""
        return self.ids[0] if self.ids else None


def then(asked: asyncio.Future[Any], make: Any) -> asyncio.Future[Any]:
    """Return a future of the converted result of another; cancelling it cancels that."""
    made: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def over(done: asyncio.Future[Any]) -> None:
        if made.done():
            return
        if done.cancelled():
            made.cancel()
        elif (error := done.exception()) is not None:
            made.set_exception(error)
        else:
            made.set_result(make(done.result()))

    asked.add_done_callback(over)
    made.add_done_callback(lambda made: asked.cancel() if made.cancelled() else None)
    return made


class BrokerClient(MailQueries):
    """Makes requests for any participant, through one session for each sender."""

    def __init__(self, service: BrokerService, store: Store) -> None:
        super().__init__(service, store)
        self.service = service
        self.pause_inbox = service.pause_inbox
        self.set_frozen = service.set_frozen
        self._senders: dict[tuple[str, Kind, Origin], LocalSession] = {}

    def add_inbox(self, name: str, kind: Kind, *, broadcast: bool | None = None) -> None:
        self.service.rules.add_inbox(name, kind, broadcast=broadcast)

    def open_session(self, name: str, origin: Origin, kind: Kind = Kind.AGENT) -> LocalSession:
        return LocalSession(self.service, name, kind, origin)

    def close_session(self, session: LocalSession) -> None:
        session.close()

    def sender(self, name: str, kind: Kind, origin: Origin = NO_ORIGIN) -> LocalSession:
        found = self._senders.get((name, kind, origin))
        if found is None or not found.is_open:
            found = self._senders[name, kind, origin] = self.open_session(name, origin, kind)
        return found

    def ask_as(self, name: str, request: object, kind: Kind = Kind.AGENT) -> asyncio.Future[Any]:
        return self.sender(name, kind).request(request)

    def ask_operator(self, request: object) -> asyncio.Future[Any]:
        return self.ask_as(OPERATOR, request, Kind.OPERATOR)

    # Mail

    def send(self, draft: Draft) -> asyncio.Future[Sent]:
        sender = self.sender(draft.sender, draft.sender_kind, draft.origin)
        return then(sender.request(draft.request()), Sent.of)

    def notify(self, to: str, name: str, detail: Mapping[str, Any]) -> asyncio.Future[Any]:
        return self.service.ask(event(to, name, detail))

    def recv(
        self,
        session: LocalSession,
        *,
        max: int = 1,  # noqa: A002
        wait: float = 0.0,
        ack: Sequence[int] = (),
        queue: str | None = None,
        urgent: bool = False,
        max_bytes: int | None = None,
    ) -> asyncio.Future[tuple[Delivery, ...]]:
        request = agent.Recv(
            max=max,
            wait_seconds=wait,
            ack=list(ack),
            queue=queue,
            urgent=urgent,
            max_bytes=max_bytes,
        )
        return then(session.request(request), _rows)

    def ack(
        self, session: LocalSession, ids: Sequence[int], lease: str | None = None
    ) -> asyncio.Future[Any]:
        return session.request(agent.Ack(ids=list(ids), lease=lease))

    def ack_turn(self, session: LocalSession) -> asyncio.Future[Any]:
        return session.request(agent.AckTurn())

    def nack(
        self,
        session: LocalSession,
        id: int,  # noqa: A002
        mode: NackMode = NackMode.FAIL,
        *,
        delay: float | None = None,
        reason: str | None = None,
        lease: str | None = None,
    ) -> asyncio.Future[Any]:
        request = agent.Nack(id=id, mode=mode, delay_seconds=delay, reason=reason, lease=lease)
        return session.request(request)

    def begin(self, session: LocalSession, ids: Sequence[int] = ()) -> asyncio.Future[Any]:
        return session.request(agent.Heartbeat(ids=list(ids)))

    def requeue_inflight(self, session: LocalSession) -> asyncio.Future[int]:
        return then(session.request(agent.RequeueInflight()), lambda fields: fields["requeued"])

    def mark_read(self, name: str, ids: Sequence[int]) -> asyncio.Future[int]:
        return then(self.service.ask(MarkRead(name, tuple(ids))), lambda fields: fields["count"])

    def remove_inbox(
        self, name: str, *, force: bool = False, purge: bool = False
    ) -> asyncio.Future[Any]:
        return self.service.ask(RemoveInbox(name, force, purge))

    # Questions and reminders

    def ask(self, asker: str, question: str, kind: Kind = Kind.AGENT, **options: Any) -> Any:
        request = agent.Ask(question=question, **options)
        return then(self.ask_as(asker, request, kind), lambda fields: fields["id"])

    def answer(self, by: str, number: int, text: str, kind: Kind = Kind.AGENT) -> Any:
        if kind is Kind.OPERATOR:
            return self.ask_operator(host.AnswerQuestion(id=number, answer=text))
        return self.ask_as(by, agent.Answer(id=number, answer=text), kind)

    def remind(self, name: str, message: str, **when: Any) -> asyncio.Future[int]:
        request = agent.Remind(message=message, **when)
        return then(self.ask_as(name, request), lambda fields: fields["id"])

    def cancel(self, name: str, what: Any, number: int) -> asyncio.Future[Any]:
        return self.ask_as(name, agent.Cancel(kind=what, id=number))

    # Mail administration

    def replay(self, **chosen: Any) -> asyncio.Future[Sequence[int]]:
        return then(self.ask_operator(host.Replay(**chosen)), lambda fields: fields["ids"])

    def discard(self, **chosen: Any) -> asyncio.Future[Sequence[int]]:
        return then(self.ask_operator(host.Discard(**chosen)), lambda fields: fields["ids"])

    def reset_loop(self, one: str, other: str) -> asyncio.Future[int]:
        request = host.ResetLoop(names=[one, other])
        return then(self.ask_operator(request), lambda fields: fields["released"])

    def change_group(
        self, name: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> asyncio.Future[Any]:
        request = host.ChangeGroup(name=name, add=list(add), remove=list(remove))
        return self.ask_operator(request)

    def remove_queue(self, name: str, *, force: bool = False) -> asyncio.Future[int]:
        request = host.RemoveQueue(name=name, force=force)
        return then(self.ask_operator(request), lambda fields: fields["dead_letters"])


def _rows(received: Received) -> tuple[Delivery, ...]:
    return tuple(received.messages)


@define
class local_broker:  # noqa: N801 - read as a function
    """Runs a broker on an open store for the length of a `with` block.

    It is no generator: a test that simulates a crash leaves it open, and it must stay so.
    """

    store: Store
    limits: Limits = field(factory=Limits)
    clock: Clock = field(factory=SystemClock)
    participants: Sequence[ParticipantRecord] = ()
    service: BrokerService = field(init=False)

    async def __aenter__(self) -> BrokerClient:
        self.service = BrokerService(self.store, self.limits, self.clock)
        await self.service.open(participants=self.participants)
        return BrokerClient(self.service, self.store)

    async def __aexit__(self, *details: object) -> None:
        await self.service.close()
