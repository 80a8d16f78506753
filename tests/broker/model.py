"""The contract of the broker once more, as plainly as possible: lists, and loops over them."""

from attrs import define, field

LEASE = 100.0


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
    sessions: dict[str, str] = field(factory=dict)
    waiting: list[Waiting] = field(factory=list)
    paused: set[str] = field(factory=set)

    def ready(self, inbox: str) -> list[Mail]:
        return [
            mail
            for mail in self.mail
            if mail.inbox == inbox and mail.session is None and mail.not_before <= self.time
        ]

    def held(self, session: str) -> list[Mail]:
        return [mail for mail in self.mail if mail.session == session]

    def send(self, sender: str, to: str, body: str) -> int:
        self.last_id += 1
        self.mail.append(Mail(self.last_id, to, sender, body))
        self.serve()
        return self.last_id

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

    def close_session(self, session: str) -> None:
        for waiting in [found for found in self.waiting if found.session == session]:
            self.waiting.remove(waiting)
            waiting.got = []
        for mail in self.held(session):
            self.give_back(mail)
        del self.sessions[session]
        self.serve()

    def advance(self, seconds: float) -> None:
        target = self.time + seconds
        while (due := self.next_event(target)) is not None:
            self.time = due
            for mail in self.mail:
                if mail.session is not None and mail.lease_ends <= due:
                    self.give_back(mail)
            self.serve()
            for waiting in [found for found in self.waiting if found.ends <= due]:
                self.waiting.remove(waiting)
                waiting.got = []
        self.time = target

    def next_event(self, target: float) -> float | None:
        times = [mail.lease_ends for mail in self.mail if mail.session is not None]
        times += [mail.not_before for mail in self.mail if mail.not_before > self.time]
        times += [waiting.ends for waiting in self.waiting]
        return min((time for time in times if time <= target), default=None)

    def restart(self) -> None:
        for mail in self.mail:
            if mail.session is not None:
                self.give_back(mail)
        self.sessions.clear()
        self.waiting.clear()
        self.paused.clear()
