"""The broker at work: between those who ask, the clock and the store.

The rules decide at once, in memory, within the call that asks. What they decided is written with
the next commit, and whatever depends on it (the answer "sent", the mail for a receiver, the answer
to an ack) waits for that:

    decide     the rules change memory and add to the effects
    queue      a `Commit` takes its place with the writer; more effects gather
    collect    the writer is free: the effects leave as one write
    committed  mail is handed over, then requests are answered, in the order in which they came
    failed     memory is ahead of the disk: everyone is told so, and the mail is read again

Commits end in the order in which they began, and the answers in one are in the order of requests.
Nothing is taken in between a commit that failed and the time when the disk was read again. No
request has a task or a future; there is one timer for everything that is due.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from attrs import define

from hive.broker.asking import Asking
from hive.broker.effects import Effects, FromDisk, Grant
from hive.broker.mail_admin import MailAdmin
from hive.broker.notices import Tell, ignore
from hive.broker.rules import Rules
from hive.broker.sessions import FutureSession, Session
from hive.broker.values import MarkRead, Moment, Post, RemoveInbox, Token
from hive.clock import Clock
from hive.config import Limits
from hive.errors import HiveError, NotFoundError, UnavailableError
from hive.store import Kind, Store, StoreClosedError, StoreError
from hive.store.messages import Changes, Epoch, Written, next_epoch, undelivered
from hive.store.questions import open_questions
from hive.timer import Timer
from hive.wire import agent, host, questions, turns
from hive.wire.rows import Received

Decide: TypeAlias = Callable[[Session, Any, Token, Moment], None]
"""Decides about one request: of whom, what, the token of its answer, at which moment."""

RETRY_SECONDS = 1.0
"""Pause between attempts to read the mail again after a failure."""

ACK_SECONDS = 0.02
"""How long acks that nobody waits for may wait for a commit that they can join."""

LONGEST_SLEEP = 60.0
"""The wall clock may be set at any time, so deferred mail is looked at this often at least."""

MAX_BODIES = 16 * 1024 * 1024
"""Bytes of all bodies in memory, above which new ones are read back from disk when needed."""


@define(eq=False)
class Commit:
    """What one commit carries, as the store's writer sees it: see `hive.store.writer.Write`."""

    service: BrokerService
    effects: Effects

    def collect(self) -> Changes:
        """Take everything that has been decided until now."""
        self.service.begin_commit(self)
        return self.effects.collect()

    def committed(self, written: Written) -> None:
        """Hand over and answer."""
        try:
            self.service.end_commit(self, written)
        except Exception as error:
            self.service.crash(error)

    def failed(self, error: Exception) -> None:
        """Tell everyone that it is not known to have happened."""
        self.service.fail_commit(self, error)


class BrokerService:
    """Serves requests while it is open. Everything runs on the loop's thread.

    It is one object over all lives of the broker: each `open` begins one, with the next epoch.

    Args:
        store: Where mail is kept; must be open before the broker is.
        limits: What senders may store and how long a lease lasts.
        clock: Wall time.
        tell: Takes notices to the event log.

    Attributes:
        rules: Who may send what, who gets what, who may ack it; those of this life.
        asking: Questions and reminders.
    """

    def __init__(self, store: Store, limits: Limits, clock: Clock, tell: Tell = ignore) -> None:
        self._store = store
        self._limits = limits
        self._tell = tell
        self._clock = clock
        self.rules = Rules(limits)
        self.asking = Asking(self.rules)
        self._table: Mapping[type, Decide] = {}
        self._queued: Commit | None = None
        self._flights: deque[Commit] = deque()
        self._trouble: UnavailableError | None = _NOT_OPEN
        self._crashed: Callable[[Exception], object] = _raise
        self._is_open = self._has_epoch = self._is_closing = False
        self._recovery: asyncio.Task[None] | None = None
        self._alarm = Timer()
        self._soon: asyncio.TimerHandle | None = None
        self._idle: asyncio.Future[None] | None = None

    # Life

    async def open(self, crashed: Callable[[Exception], object] | None = None) -> None:
        """Begin a new epoch and take over the mail on disk; all leases are over.

        While the store takes no writes, nothing is taken in and what it has is shown.

        Args:
            crashed: Is told of a bug that escaped from the rules. From then on everything is
                refused until the broker is opened again.

        Raises:
            StoreError: When the store cannot be read.
        """
        self._loop = asyncio.get_running_loop()
        self._crashed = crashed or _raise
        self._has_epoch = self._is_closing = False
        self.rules = Rules(self._limits, await self._store.read(next_epoch))
        self.asking = Asking(self.rules)
        self._table = _decisions(self.rules, self.asking, MailAdmin(self.rules))
        try:
            await self._begin_epoch()
        except StoreError as error:
            if self._store.health.trouble is None:
                raise
            self._trouble = UnavailableError(str(error))
        await self._load()
        self._is_open = True
        if self._has_epoch:
            self._serve_again()
        else:
            self._recovery = self._loop.create_task(self._recover(), name="broker recovery")

    async def close(self) -> None:
        """Write what is decided, answer everyone, take nothing more in. Idempotent."""
        if not self._is_open:
            return
        self._is_open = False
        if self._trouble is None and self.rules.table.effects.changes.acked:
            self._queue()
        self._is_closing = self._trouble is None
        self._trouble = UnavailableError("the broker is stopping; connect again")
        self._alarm.cancel()
        self._cancel_soon()
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.wait([self._recovery])
        self._dismiss(self._trouble)
        if self._queued is not None or self._flights:
            self._idle = self._loop.create_future()
            await self._idle

    # Requests

    def handle(self, session: Session, request: object, token: Token) -> None:
        """Serve one request of a session, which is answered when its outcome is on disk.

        Args:
            session: Who asks; it is alive.
            request: What: a request of the wire, or one of those in `hive.broker.values`.
            token: What the session knows the request by.

        Raises:
            HiveError: At once: it is refused, and the session is to be told why.
            NotFoundError: The session is not open.
        """
        if self._trouble is not None:
            raise self._refusal(self._trouble)
        if not session.is_open:
            raise NotFoundError(f"the session {session!r} is not open; connect again")
        now = Moment(self._loop.time(), self._clock.now())
        session.alive_at = now.loop
        try:
            self._table[type(request)](session, request, token, now)
        except HiveError:
            self._settle(now)
            raise
        except Exception as error:
            raise self.crash(error) from error
        self._settle(now)

    def ask(self, request: object, session: FutureSession | None = None) -> asyncio.Future[Any]:
        """Ask something as the daemon itself, or as a session whose answers are futures.

        No time limit is put on the future: it is answered when the commit is over, whether that
        succeeded or not.

        Raises:
            HiveError: From the future.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            self.handle(session or self.rules.system, request, future)
        except HiveError as error:
            future.set_exception(error)
        return future

    def open_session(self, session: Session) -> None:
        """Note a connection, and number it. Without a broker there is nothing to keep."""
        if self._is_open:
            self._note(lambda now: self.rules.open_session(session, now))

    def close_session(self, session: Session) -> None:
        """Forget a connection: what it holds is deliverable again at once."""
        if self._is_open:
            self._note(lambda now: self.rules.close_session(session, now))

    def add_inbox(
        self,
        name: str,
        kind: Kind,
        *,
        broadcast: bool = False,
        last_seen: float | None = None,
        idle: bool = False,
    ) -> None:
        """Let a participant take part; mail that waits under its name is its own again.

        Args:
            name: The inbox key.
            kind: What the participant is.
            broadcast: Whether a peer gets broadcasts.
            last_seen: Wall time of its last sign of life before this daemon.
            idle: Whether it is an agent that is meant to be stopped.
        """
        if self._is_open:
            self.rules.add_inbox(name, kind, broadcast=broadcast, last_seen=last_seen, idle=idle)

    def pause_inbox(self, name: str, paused: bool) -> None:
        """Hold an inbox's mail back, or let it flow again."""
        if self._is_open:
            self._note(lambda now: self.rules.pause_inbox(name, paused, now))

    def _note(self, decide: Callable[[Moment], None]) -> None:
        """Take in something that is not answered."""
        now = self._now()
        try:
            decide(now)
        except Exception as error:
            self.crash(error)
        else:
            self._settle(now)

    def _now(self) -> Moment:
        return Moment(self._loop.time(), self._clock.now())

    # Commits

    def _settle(self, now: Moment) -> None:
        """Have everything written, told and handed over that the rules have just decided."""
        rules = self.rules
        effects = rules.table.effects
        try:
            if effects.dead_letters:
                rules.notify_senders(now)
            if effects.notices:
                self._publish(effects)
            if self._queued is None:
                if self._trouble is not None:
                    self._refuse_unwritten(effects, self._trouble)
                elif effects.is_written:
                    self._queue()
                elif effects.answers:
                    self._answer_or_join(effects)
                elif effects.changes.acked and self._soon is None:
                    self._soon = self._loop.call_later(ACK_SECONDS, self._queue)
            if rules.is_due_changed:
                self._set_alarm(now)
        except Exception as error:
            self.crash(error)

    def _queue(self) -> None:
        """Have a commit take its place with the writer; it takes along what gathers until then."""
        if self._soon is not None:
            self._cancel_soon()
        if self._queued is None and (self._trouble is None or self._is_closing):
            self._queued = Commit(self, self.rules.table.effects)
            self._store.queue(self._queued)

    def _answer_or_join(self, effects: Effects) -> None:
        """Answer those for whom nothing has to be written, once what was before them is on disk."""
        if effects.changes.acked:
            self._queue()
        elif self._flights:
            self._flights[-1].effects.answers += effects.answers
            effects.answers.clear()
        else:
            answers, effects.answers = effects.answers, []
            for session, token, value, ordered in answers:
                assert not isinstance(value, FromDisk | Grant)
                session.answer(token, value, ordered)

    def begin_commit(self, commit: Commit) -> None:
        """Let what is decided from now on gather for the next commit."""
        self._flights.append(commit)
        if self._queued is commit:
            self._queued = None
            self.rules.table.take_effects()

    def end_commit(self, commit: Commit, written: Written) -> None:
        """Hand over all mail and give all answers: what they wait for is on disk.

        Mail that was waited for goes first, since its place among the answers is free: who has it
        acks it and waits again before the next message is sent, which then finds a receiver, and
        needs one commit where it would need one for itself and a second for its lease.
        """
        self._flights.popleft()
        effects, table = commit.effects, self.rules.table
        if effects.grants:
            self.rules.handed_over = effects.grants[-1].lease
        left = self._hand_out(effects, written)
        if table.body_bytes > MAX_BODIES:
            for message in effects.inserted:
                table.forget_body(message)
        if left or written.values:
            now = self._now()
            for grant in left:
                self.rules.withdraw(grant, now)
            self._settle(now)
        if self._idle is not None:
            self._end_if_idle()

    def _hand_out(self, effects: Effects, written: Written) -> list[Grant]:
        """Do what `end_commit` says; return the grants whose receivers have gone."""
        waited = iter([grant for grant in effects.grants if not grant.parked.ordered])
        answers = iter(effects.answers)
        grant = answer = None
        left = []
        try:
            for grant in waited:
                if not _hand_over(grant, written):
                    left.append(grant)  # noqa: PERF401 - what is not reached is refused
            grant = None
            for answer in answers:
                session, token, value, ordered = answer
                if isinstance(value, Grant):
                    if not _hand_over(value, written):
                        left.append(value)
                elif isinstance(value, FromDisk):
                    session.answer(token, value.of(written), ordered)
                else:
                    session.answer(token, value, ordered)
        except Exception as error:
            effects.grants = [*filter(None, [grant]), *waited]
            effects.answers = [*filter(None, [answer]), *answers]
            self._refuse(effects, _by_a_bug(error))
            raise
        return left

    def _end_if_idle(self) -> None:
        if self._idle is not None and self._queued is None and not self._flights:
            idle, self._idle = self._idle, None
            idle.set_result(None)

    def _publish(self, effects: Effects) -> None:
        notices, effects.notices = effects.notices, []
        for notice in notices if self._trouble is None else ():
            self._tell(notice)

    def _cancel_soon(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None

    # Trouble

    def fail_commit(self, commit: Commit, error: Exception) -> None:
        """Let go of all that memory is ahead of the disk with, and begin to read the disk.

        A commit may fail alone, by a fault of its own. What gathered behind it goes with it: it
        builds on rows that are not there.
        """
        if commit in self._flights:
            self._flights.remove(commit)
        if not isinstance(error, HiveError):
            context = {"message": "the store refused what the broker wrote", "exception": error}
            self._loop.call_exception_handler(context)
            error = UnavailableError(f"the store refused what the broker wrote: {error!r}")
        if self._is_open:
            self._trouble = UnavailableError(
                "the last commit failed and the mail is being read again, "
                f"so try again soon: {error}"
            )
        self._is_closing = False
        self._refuse(commit.effects, error)
        self._refuse(self._abandon(), error)
        recovers = self._recovery is not None and not self._recovery.done()
        if not isinstance(error, StoreClosedError) and self._is_open and not recovers:
            self._recovery = self._loop.create_task(self._recover(), name="broker recovery")
        self._end_if_idle()

    def _abandon(self) -> Effects:
        """Return what was decided and not written; a commit that is queued will find nothing."""
        queued, self._queued = self._queued, None
        effects = self.rules.table.take_effects()
        if queued is not None:
            queued.effects = Effects()
        return effects

    def _refuse(self, effects: Effects, error: Exception) -> None:
        """Tell those who wait for a commit that it will not be."""
        for parked in effects.acking:
            if self.rules.unpark(parked):
                parked.session.answer(parked.token, error, parked.ordered)
        for grant in effects.grants:
            if not grant.parked.ordered:
                grant.parked.session.answer(grant.parked.token, error, ordered=False)
        for session, token, _, ordered in effects.answers:
            session.answer(token, error, ordered)
        effects.acking.clear()
        effects.grants.clear()
        effects.answers.clear()

    def _refuse_unwritten(self, effects: Effects, trouble: UnavailableError) -> None:
        """Refuse what cannot be written now; who has just waited long enough gets nothing."""
        for session, token, value, ordered in effects.answers:
            if isinstance(value, Received):
                session.answer(token, value, ordered)
            else:
                session.answer(token, trouble, ordered)
        effects.answers.clear()
        self._refuse(effects, trouble)
        if self._is_closing and effects.is_written:
            self._queue()

    def _refusal(self, trouble: UnavailableError) -> UnavailableError:
        """Return why nothing is taken in: while the store takes no writes, its own words."""
        store = self._store.health.trouble
        if store is None or self._recovery is None or self._recovery.done():
            return trouble
        return UnavailableError(str(store.refusal()))

    async def _recover(self) -> None:
        """Read the disk at once, so that what is shown is true, and again when it takes writes."""
        while True:
            try:
                await self._load()
                if self._store.health.trouble is not None:
                    self._settle(self._now())  # nobody can be given anything, and is told so
                    await self._store.health.until_good()
                    await self._load()
                await self._begin_epoch()
            except StoreClosedError:
                return
            except StoreError:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._serve_again()
                return

    async def _begin_epoch(self) -> None:
        """Write the new epoch down, once, as it was foreseen; nothing is delivered before that."""
        if not self._has_epoch:
            await self._store.write(Epoch(self._clock.now()))
            self._has_epoch = True

    async def _load(self) -> None:
        since = self._clock.now() - self._limits.dedupe_window
        found, questions = await self._store.read(
            lambda connection: (undelivered(since)(connection), open_questions(connection))
        )
        self.rules.load(found, self._now())
        self.asking.load(questions)

    def _serve_again(self) -> None:
        self._trouble = None
        self._settle(self._now())

    def crash(self, error: Exception) -> UnavailableError:
        """Take nothing more in: after a bug nobody knows what memory is worth."""
        self._trouble = _by_a_bug(error)
        self._is_closing = False
        self._alarm.cancel()
        self._cancel_soon()
        if self._recovery is not None:
            self._recovery.cancel()
        self._refuse(self._abandon(), self._trouble)
        self._dismiss(self._trouble)
        self._end_if_idle()
        self._crashed(error)
        return self._trouble

    def _dismiss(self, why: UnavailableError) -> None:
        """Answer all who wait for mail, and let go of all sessions."""
        for parked in self.rules.unpark_all():
            parked.session.answer(parked.token, why, parked.ordered)
        for session in self.rules.table.sessions.values():
            session.is_open = False

    # Time

    def _set_alarm(self, now: Moment) -> None:
        if self._trouble is None:
            delays = (self.rules.delay(now), self.asking.delay(now))
        else:
            delays = (self.rules.wait_delay(now), None)
        known = [delay for delay in delays if delay is not None]
        if known and self._is_open:
            self._alarm.set(now.loop + min(*known, LONGEST_SLEEP), self._on_alarm)

    def _on_alarm(self) -> None:
        now = self._now()
        try:
            if self._trouble is None:
                self.rules.advance(now)
                self.asking.advance(now)
            else:
                self.rules.end_waits(now)  # the rest is done once it can be written
        except Exception as error:
            self.crash(error)
            return
        self._settle(now)
        self._set_alarm(now)


def _decisions(rules: Rules, asking: Asking, mail_admin: MailAdmin) -> Mapping[type, Decide]:
    """Return who decides about each request."""
    return {
        agent.Send: rules.send,
        agent.Recv: rules.recv,
        agent.Ack: rules.ack,
        agent.AckTurn: rules.ack_turn,
        agent.Nack: rules.nack,
        agent.RequeueInflight: rules.requeue_inflight,
        agent.Heartbeat: rules.heartbeat,
        agent.Wake: mail_admin.wake,
        host.OperatorSend: lambda session, request, token, now: rules.post_and_answer(
            session, Post(request), token, now
        ),
        Post: rules.post_and_answer,
        questions.Ask: asking.ask,
        questions.Answer: asking.answer,
        turns.AnswerQuestion: asking.answer,
        questions.Remind: asking.remind,
        questions.Cancel: asking.cancel,
        host.Replay: mail_admin.replay,
        host.Discard: mail_admin.discard,
        host.ResetLoop: mail_admin.reset_loop,
        host.ChangeGroup: mail_admin.change_group,
        host.RemoveQueue: mail_admin.remove_queue,
        MarkRead: mail_admin.mark_read,
        RemoveInbox: mail_admin.remove_inbox,
    }


def _hand_over(grant: Grant, written: Written) -> bool:
    """Give a receiver its mail; return False if it has gone, so that the mail must go back."""
    parked, rows = grant.parked, grant.rows(written.bodies)
    received = Received(ok=True, messages=rows)
    return parked.session.answer(parked.token, received, parked.ordered) or not rows


def _by_a_bug(error: Exception) -> UnavailableError:
    return UnavailableError(
        "the broker did not answer and starts again, so look before repeating the request: "
        f"{type(error).__name__}: {error}"
    )


def _raise(error: Exception) -> None:
    raise error


_NOT_OPEN = UnavailableError("the hive is just starting or stopping; try again")
