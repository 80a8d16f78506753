"""Drives the pure rules by hand: time is a number, receivers are records."""

from typing import Any

from attrs import define, field

from hive.broker.rules import Rules
from hive.broker.sessions import Grant
from hive.broker.values import Draft, Moment, Sent
from hive.config import Limits
from hive.store import NO_ORIGIN, Kind, Message

WALL = 1_700_000_000.0


@define(eq=False)
class Ear:
    """A receiver; set `expired` to let it give up."""

    name: str = ""
    expired: bool = False


@define(eq=False)
class Desk:
    """Rules with three agents, a manager and two peers, of which one hears broadcasts."""

    limits: Limits = field(factory=Limits)
    rules: Rules[Ear] = field(init=False)
    time: float = 0.0
    grants: dict[Ear, Grant[Ear]] = field(factory=dict, init=False)

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

    def session(self, name: str, participant: str = "bob") -> str:
        self.rules.open_session(name, participant, NO_ORIGIN, self.now)
        return name

    def send(
        self, to: str = "bob", body: str = "hi", *, sender: str = "alice", **more: Any
    ) -> Sent:
        kind = more.pop("sender_kind", Kind.AGENT)
        sent = self.rules.send(Draft(sender, kind, to, body, **more), self.now)
        self.collect()
        return sent

    def send_many(self, count: int, to: str = "bob") -> list[int]:
        return [self.send(to).ids[0] for _ in range(count)]

    def recv(
        self,
        session: str,
        count: int = 1,
        wait: float = 0.0,
        *,
        name: str = "",
        urgent: bool = False,
    ) -> Ear:
        ear = Ear(name)
        self.rules.recv(session, ear, count, wait, self.now, urgent=urgent)
        self.collect()
        return ear

    def got(self, ear: Ear) -> list[Message] | None:
        """What a receiver was granted; None while it waits."""
        grant = self.grants.get(ear)
        return None if grant is None else list(grant.messages)

    def ids(self, ear: Ear) -> list[int] | None:
        got = self.got(ear)
        return None if got is None else [message.id for message in got]

    def take(self, session: str, count: int = 1) -> list[int]:
        ids = self.ids(self.recv(session, count))
        assert ids is not None
        return ids

    def advance(self, seconds: float) -> None:
        self.time += seconds
        self.rules.advance(self.now)
        self.collect()

    def collect(self) -> None:
        self.rules.tell_senders(self.now)
        for grant in self.rules.take_grants():
            assert grant.receiver not in self.grants, "granted twice"
            self.grants[grant.receiver] = grant
