"""The contract of the broker once more, as plainly as possible: lists, and loops over them."""

import math

from attrs import define, field

LEASE = 100.0
MOST = 3
"""Attempts before a message is a dead letter."""


@define(eq=False)
class Mail:
    """A message that is not at its end."""

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
    attempts: int = 0
    deliveries: int = 0


@define(eq=False)
class Waiting:
    """A receiver that is parked."""

    session: str
    inbox: str
    count: int
    ends: float
    got: list[tuple[int, int, bool]] | None = None


@define(eq=False)
class Model:
    """What a correct broker does, one step at a time."""

    time: float = 0.0
    last_id: int = 0
    mail: list[Mail] = field(factory=list)
    ended: set[int] = field(factory=set)
    dead: dict[int, Mail] = field(factory=dict)
    dedupe: dict[tuple[str, str], int] = field(factory=dict)
    notices: list[tuple[str, int]] = field(factory=list)
    sessions: dict[str, str] = field(factory=dict)
    waiting: list[Waiting] = field(factory=list)
    paused: set[str] = field(factory=set)

    def ready(self, inbox: str) -> list[Mail]:
        waiting = [
            mail
            for mail in self.mail
            if mail.inbox == inbox and mail.session is None and mail.not_before <= self.time
        ]
        return sorted(waiting, key=lambda mail: (mail.priority, mail.id))

    def held(self, session: str) -> list[Mail]:
        return [mail for mail in self.mail if mail.session == session]

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
    ) -> int:
        self.last_id += 1
        mail = Mail(self.last_id, to, sender, body, expires_at=self.time + ttl)
        mail.not_before = self.time + delay if delay else 0.0
        mail.priority, mail.key = priority, key
        if key is not None:
            for older in [each for each in self.mail if self.replaces(mail, each)]:
                self.end(older)
        self.mail.append(mail)
        self.serve()
        return mail.id

    def replaces(self, newer: Mail, older: Mail) -> bool:
        same = (older.sender, older.inbox, older.key) == (newer.sender, newer.inbox, newer.key)
        return same and older.id < newer.id and older.session is None

    def touch(self, session: str) -> None:
        for mail in self.held(session):
            mail.lease_ends = self.time + LEASE

    def bury(self, mail: Mail) -> None:
        self.end(mail)
        self.dead[mail.id] = mail

    def replay(self, number: int) -> None:
        mail = self.dead.pop(number)
        self.ended.discard(number)
        mail.session, mail.not_before, mail.attempts = None, 0.0, 0
        mail.expires_at = math.inf
        self.mail.append(mail)
        self.mail.sort(key=lambda each: each.id)
        self.serve()

    def recv(self, session: str, count: int, wait: float) -> Waiting:
        inbox = self.sessions[session]
        waiting = Waiting(session, inbox, count, self.time + wait)
        if self.ready(inbox) and inbox not in self.paused:
            self.grant(waiting)
        elif wait:
            self.waiting.append(waiting)
        else:
            waiting.got = []
        return waiting

    def grant(self, waiting: Waiting) -> None:
        waiting.got = []
        for mail in self.ready(waiting.inbox)[: waiting.count]:
            mail.session = waiting.session
            mail.lease_ends = self.time + LEASE
            mail.attempts += 1
            mail.deliveries += 1
            waiting.got.append((mail.id, mail.attempts, mail.deliveries > 1))

    def serve(self) -> None:
        for waiting in list(self.waiting):
            if waiting.inbox not in self.paused and self.ready(waiting.inbox):
                self.waiting.remove(waiting)
                self.grant(waiting)

    def end(self, mail: Mail) -> None:
        self.mail.remove(mail)
        self.ended.add(mail.id)

    def give_back(self, mail: Mail, not_before: float = 0.0, *, burn: bool = True) -> None:
        mail.session = None
        mail.not_before = not_before
        mail.attempts -= 0 if burn else 1

    def burn(self, mail: Mail, not_before: float = 0.0) -> None:
        newer = [
            each
            for each in self.mail
            if each.key is not None
            and each.id > mail.id
            and (each.sender, each.inbox, each.key) == (mail.sender, mail.inbox, mail.key)
        ]
        if mail.attempts >= MOST:
            self.bury(mail)
        elif newer:
            self.end(mail)
        else:
            self.give_back(mail, not_before)

    def expire(self) -> None:
        for mail in list(self.mail):
            if mail.session is None and mail.expires_at <= self.time:
                self.end(mail)
                self.send("system", mail.sender, f"expired {mail.id}")

    def close_session(self, session: str) -> None:
        for waiting in [found for found in self.waiting if found.session == session]:
            self.waiting.remove(waiting)
            waiting.got = []
        for mail in self.held(session):
            self.burn(mail)
        self.expire()
        del self.sessions[session]
        self.serve()

    def advance(self, seconds: float) -> None:
        target = self.time + seconds
        while (due := self.next_event(target)) is not None:
            self.time = due
            self.expire()
            for mail in list(self.mail):
                if mail.session is not None and mail.lease_ends <= due:
                    self.burn(mail)
            self.expire()
            self.serve()
            for waiting in [found for found in self.waiting if found.ends <= due]:
                self.waiting.remove(waiting)
                waiting.got = []
        self.time = target

    def next_event(self, target: float) -> float | None:
        times = [mail.lease_ends for mail in self.mail if mail.session is not None]
        times += [mail.not_before for mail in self.mail if mail.not_before > self.time]
        times += [mail.expires_at for mail in self.mail if mail.session is None]
        times += [waiting.ends for waiting in self.waiting]
        return min((time for time in times if time <= target), default=None)

    def restart(self) -> None:
        for mail in self.mail:
            if mail.session is not None:
                self.give_back(mail)
        self.expire()
        self.sessions.clear()
        self.waiting.clear()
        self.paused.clear()
