"""A model of the broker for comparison: plain lists, and loops over them."""

import math
from collections.abc import Iterable

from attrs import define, field

LEASE = 100.0
MOST = 3
"""Attempts before a message is a dead letter."""

MAX_HOPS = 0
"""Replies that are no loop yet: none, so that circuits open often."""

SHARE = 4
"""Messages of one sender in one inbox, and notices without a key."""

DEFERRED = 2
"""Deferred messages of one sender."""

NAMES = ("alice", "bob", "carol")
TEAM = ("alice", "bob")
QUEUE = "queue:jobs"

Pair = frozenset[str]


@define(eq=False)
class Mail:
    """A message that has not ended."""

    id: int
    inbox: str
    sender: str
    body: str
    session: str | None = None
    lease_ends: float = 0.0
    not_before: float = 0.0
    expires_at: float = math.inf
    priority: int = 0
    key: str | None = None
    parked: bool = False
    attempts: int = 0
    deliveries: int = 0

    @property
    def state(self) -> str:
        return "parked" if self.parked else "leased" if self.session else "stored"

    @property
    def size(self) -> float:
        """Bytes of the body; those of the daemon's own mail are not modelled, they are many."""
        return math.inf if self.sender == "system" else len(self.body.encode())

    @property
    def pair(self) -> Pair:
        return frozenset((self.sender, self.inbox))

    def is_like(self, other: "Mail") -> bool:
        mine = (self.sender, self.inbox, self.key)
        return self.key is not None and mine == (other.sender, other.inbox, other.key)


@define(eq=False)
class Waiting:
    """A parked receiver."""

    session: str
    inbox: str
    count: int
    ends: float
    max_bytes: float = math.inf
    got: list[tuple[int, int, bool]] | None = None


@define(eq=False)
class Model:
    """The expected behaviour of the broker, one step at a time."""

    time: float = 0.0
    last_id: int = 0
    mail: list[Mail] = field(factory=list)
    ended: set[int] = field(factory=set)
    dead: dict[int, Mail] = field(factory=dict)
    bereaved: list[Mail] = field(factory=list)
    dedupe: dict[tuple[str, str], int] = field(factory=dict)
    hops: dict[int, int] = field(factory=dict)
    tripped: set[Pair] = field(factory=set)
    sessions: dict[str, str] = field(factory=dict)
    lost: dict[str, set[int]] = field(factory=dict)
    waiting: list[Waiting] = field(factory=list)
    paused: set[str] = field(factory=set)
    frozen: dict[str, float] = field(factory=dict)

    # State

    def ready(self, inbox: str) -> list[Mail]:
        waiting = [
            mail
            for mail in self.mail
            if mail.inbox == inbox and mail.state == "stored" and mail.not_before <= self.time
        ]
        return sorted(waiting, key=lambda mail: (mail.priority, mail.id))

    def held(self, session: str) -> list[Mail]:
        return [mail for mail in self.mail if mail.session == session]

    def workers(self) -> list[str]:
        """Return the sessions that have deliverable mail."""
        return [
            session
            for session, name in sorted(self.sessions.items())
            if self.ready(name) and not self.is_held(session)
        ]

    def share(self, sender: str, inbox: str) -> int:
        return sum((mail.sender, mail.inbox) == (sender, inbox) for mail in self.mail)

    def refuses(self, sender: str, to: str, delay: float | None = None) -> bool:
        """Return whether a message is refused because of what its sender has stored already."""
        if sender == "operator":
            return False
        mine = [mail for mail in self.mail if mail.sender == sender and not mail.deliveries]
        deferred = [mail for mail in mine if mail.not_before > self.time and not mail.parked]
        too_many = bool(delay) and len(deferred) >= DEFERRED
        return self.share(sender, to) >= SHARE or too_many

    # Sending

    def notify(self, name: str, body: str) -> None:
        """Send a notice of the daemon, or drop it."""
        if self.share("system", name) < SHARE:
            self.send("system", name, body)

    def send(
        self,
        sender: str,
        to: str,
        body: str,
        *,
        priority: int = 0,
        ttl: float = math.inf,
        delay: float = 0.0,
        key: str | None = None,
        reply_to: int | None = None,
    ) -> int:
        mail = self.store(sender, to, body)
        mail.expires_at = self.time + ttl
        mail.not_before = self.time + delay if delay else 0.0
        mail.priority, mail.key = priority, key
        people = sender in {"operator", "system"}
        answered = self.hops.get(reply_to or 0, 0)
        self.hops[mail.id] = 0 if reply_to is None or people else answered + 1
        pair = self.park_if_looping(mail)
        for older in [each for each in self.mail if each.is_like(mail) and each.id < mail.id]:
            if older.session is None:
                self.end(older)
        for name in pair:
            self.notify(name, "loop_tripped")
        self.serve()
        return mail.id

    def store(self, sender: str, to: str, body: str) -> Mail:
        self.last_id += 1
        mail = Mail(self.last_id, to, sender, body)
        self.mail.append(mail)
        return mail

    def send_to_all(self, sender: str, names: Iterable[str], body: str) -> list[int]:
        """Send to several inboxes: all copies are stored before any notice or delivery."""
        reached = [name for name in sorted(names) if name != sender]
        with_room = [name for name in reached if not self.refuses(sender, name)]
        stored = [self.store(sender, name, body) for name in with_room]
        for mail in stored:
            self.park_if_looping(mail)
        self.serve()
        return [mail.id for mail in stored]

    def park_if_looping(self, mail: Mail) -> list[str]:
        """Park a message of a looping pair; return the pair if its circuit opens."""
        if mail.sender == mail.inbox or not mail.pair <= set(NAMES):
            return []
        trips = mail.pair not in self.tripped and self.hops.get(mail.id, 0) > MAX_HOPS
        if trips:
            self.tripped.add(mail.pair)
        mail.parked = mail.pair in self.tripped
        return sorted(mail.pair) if trips else []

    def reset_loop(self, pair: Pair) -> int:
        released = [mail for mail in self.mail if mail.parked and mail.pair == pair]
        for mail in released:
            mail.parked = False
            self.hops[mail.id] = 0
        self.tripped.remove(pair)
        self.follow_up()
        return len(released)

    # Ends

    def end(self, mail: Mail) -> None:
        self.mail.remove(mail)
        self.ended.add(mail.id)
        mail.session = None

    def bury(self, mail: Mail) -> None:
        self.end(mail)
        self.dead[mail.id] = mail
        if mail.sender in NAMES:
            self.bereaved.append(mail)

    def replay(self, number: int) -> None:
        mail = self.dead.pop(number)
        self.ended.discard(number)
        mail.not_before, mail.attempts, mail.parked = 0.0, 0, False
        mail.expires_at = math.inf
        self.mail.append(mail)
        self.mail.sort(key=lambda each: each.id)
        self.serve()

    def discard(self, number: int) -> None:
        if self.dead.pop(number, None) is not None:
            return
        [mail] = [each for each in self.mail if each.id == number]
        if mail.session is not None:
            self.lost[mail.session].add(number)
        self.end(mail)
        if mail.sender in NAMES:
            self.notify(mail.sender, f"discarded {number}")

    def remove_queue(self) -> int:
        for waiting in [each for each in self.waiting if each.inbox == QUEUE]:
            self.waiting.remove(waiting)
            waiting.got = []
        gone = [mail for mail in self.mail if mail.inbox == QUEUE]
        for mail in gone:
            if mail.session is not None:
                self.lost[mail.session].add(mail.id)
            self.bury(mail)
        self.follow_up()
        return len(gone)

    def put_back(self, mail: Mail, not_before: float = 0.0, *, burn: bool = True) -> None:
        mail.session = None
        mail.not_before = not_before
        mail.attempts -= 0 if burn else 1
        if any(mail.is_like(each) and each.id > mail.id for each in self.mail):
            self.end(mail)

    def burn(self, mail: Mail, not_before: float = 0.0) -> None:
        if mail.attempts >= MOST:
            self.bury(mail)
        else:
            self.put_back(mail, not_before)

    def expire(self) -> None:
        for mail in list(self.mail):
            if mail.state != "leased" and mail.expires_at <= self.time:
                self.end(mail)
                if mail.sender in NAMES:
                    self.notify(mail.sender, f"expired {mail.id}")

    def follow_up(self) -> None:
        """Do what follows an operation: mail expires or is delivered, senders are notified."""
        self.expire()
        self.serve()
        self.tell_senders()

    def tell_senders(self) -> None:
        bereaved, self.bereaved = sorted(self.bereaved, key=lambda each: each.id), []
        for mail in bereaved:
            self.notify(mail.sender, f"dead {mail.id}")

    # Receiving

    def recv(
        self, session: str, inbox: str, count: int, wait: float, max_bytes: float = math.inf
    ) -> Waiting:
        waiting = Waiting(session, inbox, count, self.time + wait, max_bytes)
        if self.ready(inbox) and not self.is_held(session):
            self.grant(waiting)
        elif wait:
            self.waiting.append(waiting)
        else:
            waiting.got = []
        return waiting

    def grant(self, waiting: Waiting) -> None:
        waiting.got = []
        size = 0.0
        for mail in self.ready(waiting.inbox)[: waiting.count]:
            size += mail.size
            if waiting.got and size > waiting.max_bytes:
                break
            mail.session = waiting.session
            mail.lease_ends = self.time + LEASE
            mail.attempts += 1
            mail.deliveries += 1
            waiting.got.append((mail.id, mail.attempts, mail.deliveries > 1))

    def serve(self) -> None:
        for waiting in list(self.waiting):
            if not self.is_held(waiting.session) and self.ready(waiting.inbox):
                self.waiting.remove(waiting)
                self.grant(waiting)

    # Pausing and freezing

    def pause(self, name: str) -> None:
        """Answer the receivers of a participant with nothing; one that comes later waits."""
        if name not in self.paused:
            for waiting in [each for each in self.waiting if self.sessions[each.session] == name]:
                self.waiting.remove(waiting)
                waiting.got = []
        self.paused.add(name)

    def resume(self, name: str) -> None:
        self.paused.discard(name)
        self.serve()

    def is_held(self, session: str) -> bool:
        return self.sessions[session] in self.paused or self.is_frozen(session)

    def is_frozen(self, session: str | None) -> bool:
        return session is not None and self.sessions[session] in self.frozen

    def freeze(self, name: str) -> None:
        self.frozen.setdefault(name, self.time)

    def thaw(self, name: str) -> None:
        since = self.frozen.pop(name, self.time)
        for session, whose in self.sessions.items():
            for mail in self.held(session) if whose == name else ():
                mail.lease_ends = min(mail.lease_ends - since, LEASE) + self.time
        self.serve()

    # Sessions

    def connect(self, session: str, name: str) -> None:
        self.sessions[session] = name
        self.lost[session] = set()

    def touch(self, session: str) -> None:
        for mail in self.held(session):
            mail.lease_ends = self.time + LEASE

    def requeue_inflight(self, session: str) -> int:
        self.lost[session].clear()
        name = self.sessions[session]
        own = [each for each, whose in self.sessions.items() if whose == name]
        held = [mail for each in own for mail in self.held(each)]
        for mail in held:
            if mail.session is not None and mail.session != session:
                self.lost[mail.session].add(mail.id)
            self.burn(mail)
        self.follow_up()
        return len(held)

    def ack_turn(self, session: str) -> set[int]:
        """Ack all that a session holds; return what it has lost."""
        for mail in self.held(session):
            self.end(mail)
        lost, self.lost[session] = self.lost[session], set()
        return lost

    def close_session(self, session: str) -> None:
        for waiting in [found for found in self.waiting if found.session == session]:
            self.waiting.remove(waiting)
            waiting.got = []
        for mail in self.held(session):
            self.burn(mail)
        del self.sessions[session], self.lost[session]
        self.follow_up()

    # Time

    def advance(self, seconds: float) -> None:
        target = self.time + seconds
        while (due := self.next_event(target)) is not None:
            self.time = due
            self.expire()
            for mail in list(self.mail):
                if self.may_lapse(mail) and mail.session is not None and mail.lease_ends <= due:
                    self.lost[mail.session].add(mail.id)
                    self.burn(mail)
            self.expire()
            self.serve()
            for waiting in [found for found in self.waiting if found.ends <= due]:
                self.waiting.remove(waiting)
                waiting.got = []
            self.tell_senders()
        self.time = target

    def next_event(self, target: float) -> float | None:
        times = [mail.lease_ends for mail in self.mail if self.may_lapse(mail)]
        times += [mail.not_before for mail in self.mail if mail.not_before > self.time]
        times += [mail.expires_at for mail in self.mail if mail.state != "leased"]
        times += [waiting.ends for waiting in self.waiting]
        return min((time for time in times if time <= target), default=None)

    def may_lapse(self, mail: Mail) -> bool:
        return mail.state == "leased" and not self.is_frozen(mail.session)

    # The broker

    def reload(self) -> None:
        """Load the state on disk; only circuits with parked messages stay open."""
        self.tripped = {mail.pair for mail in self.mail if mail.parked}

    def restart(self) -> None:
        self.reload()
        self.sessions.clear()
        self.lost.clear()
        self.waiting.clear()
        self.paused.clear()
        self.frozen.clear()
        self.last_id = max({mail.id for mail in self.mail} | self.ended, default=0)
        for mail in list(self.mail):
            if mail.session is not None:
                self.put_back(mail)
        self.expire()
