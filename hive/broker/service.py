"""The broker service: serves requests, commits what the rules decide, and answers.

The rules decide at once, in memory, within the call that makes the request. The answer, and the
messages that a decision delivers, wait for the next commit. `Commit` describes how that works, why,
and where to be careful. `hive.broker.broker_actor` has the actor that supervises the service.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import define

from hive.broker.discarding import DiscardRules
from hive.broker.effects import Effects, FromDisk, Grant, Notice
from hive.broker.inbox_renaming import RenameRules
from hive.broker.mail_admin import MailAdmin
from hive.broker.questions import QuestionRules
from hive.broker.rules import Rules
from hive.broker.sessions import Decide, FutureSession, Session
from hive.broker.values import Moment, Token
from hive.clock import Clock
from hive.config import Limits
from hive.errors import HiveError, NotFoundError, UnavailableError
from hive.store import ParticipantRecord, Store, StoreClosedError, StoreError
from hive.store.messages import Changes, Epoch, Written, next_epoch, undelivered
from hive.store.questions import open_questions
from hive.timer import Timer
from hive.wire.agent import Recv
from hive.wire.rows import Received

NoticeSink = Callable[[Notice], None]
"""Records a notice, in the event log of a daemon."""

RETRY_SECONDS = 1.0
"""Seconds between attempts to read the messages again after a failure."""

ACK_SECONDS = 0.02
"""Seconds that the acks of parked receivers may wait for a commit."""

LONGEST_SLEEP = 60.0
"""Longest delay of the timer, in seconds: the wall clock, which decides when deferred messages are
due, may be set at any time."""

MAX_BODIES = 16 * 1024 * 1024
"""Bytes of all bodies in memory, above which new bodies are only on disk once committed."""


def ignore(notice: Notice) -> None:
    """Drop a notice."""


@define(eq=False)
class Commit:
    """Effects on their way through the store's writer; implements `hive.store.writer.Write`."""

    # How a commit works, and why
    # ---------------------------
    # "ok" means "on disk", and an fsync takes longer than all else that a message needs. One fsync
    # for each request would bound the hive; a task or future for each would cost more than the
    # request. So memory is written behind, many requests at a time:
    #
    # - Queue. The rules have changed memory and added to `table.effects`. The commit holds that
    #   very object and takes its place with the writer; later decisions still add to it.
    # - Collect. The writer is free. The effects become rows of one transaction, in which several
    #   changes of a message are one update of its row. The writer may put other writes (events,
    #   records of participants) into the same transaction. Later decisions add to new effects,
    #   which are the next commit.
    # - Committed. Grants are handed over, and answers given in the order of the requests.
    # - Failed. Memory is ahead of the disk, and what was decided later builds on it, so no single
    #   request can be undone. All are refused, and memory is replaced by the state on disk. A
    #   parked `recv` stays, unless its ack was in the commit.
    #
    # One fsync is the time in which the next commit gathers, so batches grow with the load. To
    # delay each commit by a fixed time instead would slow down an idle hive and gain nothing under
    # load. Only the acks of parked receivers, for which no client waits, wait `ACK_SECONDS` for a
    # commit to join: a receiver that takes one message at a time would cost two commits for each.
    #
    # Commits end in the order in which they were collected, so answers are in order without any
    # bookkeeping. A request that writes nothing waits for the commits in flight, too: what it saw
    # may not be on disk yet.
    #
    # The numbers of leases and sessions begin with the epoch, so an ack from before a restart never
    # matches a lease from after it. `open` reads the next epoch, and `_begin_epoch` writes it. On a
    # full disk that comes later; nothing is delivered before. Within an epoch the numbers grow in
    # the order of commits. So the newest lease that was handed over (`handed_over`) says of each
    # message that is read back after a failure whether its receiver can have it.
    #
    # Pitfalls: a failed commit may be on disk all the same, so its requests get `unavailable`, not
    # a plain refusal. An operation of `Effects.ask_disk` may fail alone, so it changes memory only
    # in `finish`. A `finish` may decide again (a replay adds messages, which are delivered), so
    # `end_commit` calls `_perform` if the commit had such operations. There must be no `await`
    # between a decision and its `_perform`. An unexpected exception of the rules (not a
    # `HiveError`) leaves memory in an unknown state: `crash` refuses everything, and the supervisor
    # opens the service again, with the state on disk.

    service: BrokerService
    effects: Effects

    def collect(self) -> Changes:
        """Return the changes of all decisions until now."""
        self.service.begin_commit(self)
        return self.effects.collect()

    def committed(self, written: Written) -> None:
        """Hand over the grants and give the answers."""
        try:
            self.service.end_commit(self, written)
        except Exception as error:
            self.service.crash(error)

    def failed(self, error: Exception) -> None:
        """Answer every request with an error: it may have been written, or not."""
        self.service.fail_commit(self, error)


class BrokerService:
    """Serves requests while it is open, on the loop's thread.

    The object stays the same over restarts of the broker's actor; each `open` begins a new epoch
    with new rules.

    Args:
        store: The store of the messages; it must be open before the broker is.
        limits: Limits of senders and inboxes, and the length of a lease.
        clock: Wall time.
        publish: Records notices in the event log.

    Attributes:
        rules: The rules of this epoch.
        question_rules: The rules about questions and reminders.
    """

    def __init__(
        self, store: Store, limits: Limits, clock: Clock, publish: NoticeSink = ignore
    ) -> None:
        self._store = store
        self._limits = limits
        self._publish = publish
        self._clock = clock
        self.rules = Rules(limits)
        self.question_rules = QuestionRules(self.rules)
        self._decisions: Mapping[type, Decide] = {}
        self._queued: Commit | None = None
        self._in_flight: deque[Commit] = deque()
        self._trouble: UnavailableError | None = _NOT_OPEN
        self._crashed: Callable[[Exception], object] = _raise
        self._is_open = self._has_epoch = self._is_closing = False
        self._recovery: asyncio.Task[None] | None = None
        self._timer = Timer()
        self._ack_timer: asyncio.TimerHandle | None = None
        self._all_committed: asyncio.Future[None] | None = None

    # Start and stop

    async def open(
        self,
        crashed: Callable[[Exception], object] | None = None,
        participants: Iterable[ParticipantRecord] = (),
    ) -> None:
        """Begin a new epoch and load the messages from disk; all earlier leases have ended.

        While the store takes no writes, every request is refused, and queries show what is on disk.

        Args:
            crashed: Called with an unexpected exception of the rules (not a `HiveError`). From
                then on every request is refused until the broker is opened again.
            participants: They get the notices about what has expired since the last close.

        Raises:
            StoreError: The store cannot be read.
        """
        self._loop = asyncio.get_running_loop()
        self._crashed = crashed or _raise
        self._has_epoch = self._is_closing = False
        self.rules = Rules(self._limits, await self._store.read(next_epoch))
        self.question_rules = QuestionRules(self.rules)
        self._decisions = {
            **self.rules.decisions(),
            **self.question_rules.decisions(),
            **MailAdmin(self.rules).decisions(),
            **DiscardRules(self.rules, self.question_rules).decisions(),
            **RenameRules(self.rules, self.question_rules).decisions(),
        }
        try:
            await self._begin_epoch()
        except StoreError as error:
            if self._store.health.trouble is None:
                raise
            self._trouble = UnavailableError(str(error))
        for record in participants:
            self.rules.add_participant(record, self._now())
        await self._load()
        self._is_open = True
        if self._has_epoch:
            self._resume()
        else:
            self._recovery = self._loop.create_task(self._recover(), name="broker recovery")

    async def close(self) -> None:
        """Refuse further requests, commit what is decided and answer all requests. Idempotent."""
        if not self._is_open:
            return
        self._is_open = False
        if self._trouble is None and self.rules.table.effects.changes.acked:
            self._queue()
        self._is_closing = self._trouble is None
        self._trouble = UnavailableError("the broker is stopping; connect again")
        self._timer.cancel()
        self._cancel_ack_timer()
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.wait([self._recovery])
        self._end_sessions(self._trouble)
        if self._queued is not None or self._in_flight:
            self._all_committed = self._loop.create_future()
            await self._all_committed

    # Requests

    def handle(self, session: Session, request: object, token: Token) -> None:
        """Decide about a request; its session is answered when the outcome is on disk.

        Args:
            session: The session that makes the request.
            request: A request of the wire, or one of `hive.broker.values`.
            token: Identifies the request to its session.

        Raises:
            HiveError: The request is refused; the session gets no other answer.
            NotFoundError: The session is not open.
        """
        if self._trouble is not None:
            raise self._refusal(self._trouble)
        if not session.is_open:
            raise NotFoundError(f"the session {session!r} is not open; connect again")
        if session.queued is not None:
            session.queued.append((request, token))
            return
        now = Moment(self._loop.time(), self._clock.now())
        session.alive_at = now.loop
        try:
            self._decisions[type(request)](session, request, token, now)
        except HiveError:
            self._perform(now)
            raise
        except Exception as error:
            raise self.crash(error) from error
        self._perform(now)

    def ask(self, request: object, session: FutureSession | None = None) -> asyncio.Future[Any]:
        """Make a request of the daemon itself, or of a session whose tokens are futures.

        The future has no timeout: it is done when the commit has ended, whether it succeeded or
        failed.

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
        """Add a session and number it. Does nothing unless the broker is open."""
        if self._is_open:
            self._apply(lambda now: self.rules.open_session(session, now))

    def close_session(self, session: Session) -> None:
        """Remove a session; the messages that it holds are deliverable again at once."""
        if session.queued is not None:
            session.queued.append((_CLOSE, None))
        elif self._is_open:
            self._apply(lambda now: self.rules.close_session(session, now))

    def set_limits(self, limits: Limits) -> None:
        """Change the limits for all decisions from now on; that of a lease must be the same."""
        self._limits = limits
        self.rules.set_limits(limits)
        if self._is_open:
            self._apply(self.rules.give_turns)

    def add_participant(self, record: ParticipantRecord) -> None:
        """Add a participant, or change its settings; messages stored under its name are its own."""
        if self._is_open:
            self._apply(lambda now: self.rules.add_participant(record, now))

    def pause_inbox(self, name: str, paused: bool) -> None:
        """Stop the deliveries from an inbox, or resume them."""
        if self._is_open:
            self._apply(lambda now: self.rules.pause_inbox(name, paused, now))

    def set_frozen(self, name: str, frozen: bool) -> None:
        """Grant a participant nothing and let none of its leases expire, or go on."""
        if self._is_open:
            self._apply(lambda now: self.rules.set_frozen(name, frozen, now))

    def _resume_sessions(self, sessions: Iterable[Session]) -> None:
        """Decide about the requests that waited for an earlier one of their session."""
        for session in sessions:
            queued, session.queued = session.queued or [], None
            for request, token in queued:
                if request is _CLOSE:
                    self.close_session(session)
                    continue
                try:
                    self.handle(session, request, token)
                except HiveError as error:
                    waits = type(request) is Recv and request.wait_seconds
                    self._refuse_in_order(session, token, error, ordered=not waits)

    def _refuse_in_order(
        self, session: Session, token: Token, error: HiveError, *, ordered: bool
    ) -> None:
        """Refuse a request after the answers to those before it, some of which are not on disk."""
        if self._trouble is not None:  # then all those were refused, too
            session.answer(token, error, ordered)
            return
        self.rules.table.effects.answers.append((session, token, error, ordered))
        self._perform(self._now())

    def _blocked_sessions(self) -> list[Session]:
        """Return the sessions whose requests wait for an earlier one."""
        return [each for each in self.rules.table.sessions.values() if each.queued is not None]

    def _apply(self, decide: Callable[[Moment], None]) -> None:
        """Decide about something that has no answer."""
        now = self._now()
        try:
            decide(now)
        except Exception as error:
            self.crash(error)
        else:
            self._perform(now)

    def _now(self) -> Moment:
        return Moment(self._loop.time(), self._clock.now())

    # Commits

    def _perform(self, now: Moment) -> None:
        """Publish notices, queue a commit or answer, as the decisions since the last call need."""
        rules = self.rules
        effects = rules.table.effects
        try:
            if rules.turns.waiting:
                rules.give_turns(now)
            if effects.dead_letters:
                rules.notify_senders(now)
            if effects.notices:
                self._publish_notices(effects)
            if self._queued is None:
                if self._trouble is not None:
                    self._refuse_unwritten(effects, self._trouble)
                elif effects.is_written:
                    self._queue()
                elif effects.answers:
                    self._answer_or_join(effects)
                elif effects.changes.acked and self._ack_timer is None:
                    self._ack_timer = self._loop.call_later(ACK_SECONDS, self._queue)
            if rules.is_due_changed:
                self._set_timer(now)
        except Exception as error:
            self.crash(error)

    def _queue(self) -> None:
        """Queue a commit with the writer; decisions join it until it is collected."""
        if self._ack_timer is not None:
            self._cancel_ack_timer()
        if self._queued is None and (self._trouble is None or self._is_closing):
            self._queued = Commit(self, self.rules.table.effects)
            self._store.queue(self._queued)

    def _answer_or_join(self, effects: Effects) -> None:
        """Answer requests that write nothing, once the commits before them have ended."""
        if effects.changes.acked:
            self._queue()
        elif self._in_flight:
            self._in_flight[-1].effects.answers += effects.answers
            effects.answers.clear()
        else:
            answers, effects.answers = effects.answers, []
            for session, token, value, ordered in answers:
                assert not isinstance(value, FromDisk | Grant)
                session.answer(token, value, ordered)

    def begin_commit(self, commit: Commit) -> None:
        """Begin new effects; those of the commit are complete."""
        self._in_flight.append(commit)
        if self._queued is commit:
            self._queued = None
            self.rules.table.take_effects()

    def end_commit(self, commit: Commit, written: Written) -> None:
        """Hand over the grants and give the answers of a commit.

        Grants to parked receivers go first; their place among the answers is free. Their receivers
        ack and wait again before the senders send the next message, which is then leased with its
        own commit and needs no second one.
        """
        self._in_flight.popleft()
        effects, table = commit.effects, self.rules.table
        if effects.grants:
            self.rules.handed_over = effects.grants[-1].lease
        try:
            unclaimed = effects.hand_over(written)
        except Exception as error:
            effects.refuse(_bug_error(error))
            raise
        if table.body_bytes > MAX_BODIES:
            for message in effects.inserted:
                table.evict_body(message)
        if unclaimed or written.values:
            now = self._now()
            for grant in unclaimed:
                self.rules.withdraw(grant, now)
            self._perform(now)
            self._resume_sessions(effects.blocked_sessions())
        if self._all_committed is not None:
            self._finish_close()

    def _finish_close(self) -> None:
        if self._all_committed is not None and self._queued is None and not self._in_flight:
            done, self._all_committed = self._all_committed, None
            done.set_result(None)

    def _publish_notices(self, effects: Effects) -> None:
        notices, effects.notices = effects.notices, []
        for notice in notices if self._trouble is None else ():
            self._publish(notice)

    def _cancel_ack_timer(self) -> None:
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None

    # Trouble

    def fail_commit(self, commit: Commit, error: Exception) -> None:
        """Refuse the requests of a failed commit and all after it, and begin to read the disk.

        Even if only this commit is faulty and the store is not, later decisions are refused: they
        build on its rows.
        """
        if commit in self._in_flight:
            self._in_flight.remove(commit)
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
        commit.effects.refuse(error)
        self._abandon().refuse(error)
        self._resume_sessions(self._blocked_sessions())
        recovers = self._recovery is not None and not self._recovery.done()
        if not isinstance(error, StoreClosedError) and self._is_open and not recovers:
            self._recovery = self._loop.create_task(self._recover(), name="broker recovery")
        self._finish_close()

    def _abandon(self) -> Effects:
        """Return the effects that are in no commit in flight; a queued commit becomes empty."""
        queued, self._queued = self._queued, None
        effects = self.rules.table.take_effects()
        if queued is not None:
            queued.effects = Effects()
        return effects

    def _refuse_unwritten(self, effects: Effects, trouble: UnavailableError) -> None:
        """Refuse what cannot be written in trouble; a `recv` that times out is answered."""
        for session, token, value, ordered in effects.answers:
            if isinstance(value, Received):
                session.answer(token, value, ordered)
            else:
                session.answer(token, trouble, ordered)
        effects.answers.clear()
        effects.refuse(trouble)
        if self._is_closing and effects.is_written:
            self._queue()

    def _refusal(self, trouble: UnavailableError) -> UnavailableError:
        """Return why requests are refused; while the store takes no writes, its own reason."""
        store = self._store.health.trouble
        if store is None or self._recovery is None or self._recovery.done():
            return trouble
        return UnavailableError(str(store.refusal()))

    async def _recover(self) -> None:
        """Load the state on disk, for queries at once, and again when the store takes writes."""
        while True:
            try:
                await self._load()
                if self._store.health.trouble is not None:
                    self._perform(self._now())  # `_load` granted messages, which are refused
                    await self._store.health.until_recovered()
                    await self._load()
                await self._begin_epoch()
            except StoreClosedError:
                return
            except StoreError:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._resume()
                return

    async def _begin_epoch(self) -> None:
        """Write the epoch that `open` has read, once; nothing is delivered before that."""
        if not self._has_epoch:
            await self._store.write(Epoch(self._clock.now()))
            self._has_epoch = True

    async def _load(self) -> None:
        since = self._clock.now() - self._limits.dedupe_window
        found, questions = await self._store.read(
            lambda connection: (undelivered(since)(connection), open_questions(connection))
        )
        self.rules.load(found, self._now())
        self.question_rules.load(questions)

    def _resume(self) -> None:
        self._trouble = None
        self._perform(self._now())

    def crash(self, error: Exception) -> UnavailableError:
        """Refuse everything from now on: after a bug, memory may be wrong."""
        self._trouble = _bug_error(error)
        self._is_closing = False
        self._timer.cancel()
        self._cancel_ack_timer()
        if self._recovery is not None:
            self._recovery.cancel()
        self._abandon().refuse(self._trouble)
        self._resume_sessions(self._blocked_sessions())
        self._end_sessions(self._trouble)
        self._finish_close()
        self._crashed(error)
        return self._trouble

    def _end_sessions(self, why: UnavailableError) -> None:
        """Answer all parked receivers with an error, and end all sessions."""
        for parked in self.rules.unpark_all():
            parked.session.answer(parked.token, why, parked.ordered)
        for session in self.rules.table.sessions.values():
            session.is_open = False

    # Time

    def _set_timer(self, now: Moment) -> None:
        if self._trouble is None:
            delays = (self.rules.delay(now), self.question_rules.delay(now))
        else:
            delays = (self.rules.wait_delay(now), None)
        known = [delay for delay in delays if delay is not None]
        if known and self._is_open:
            self._timer.set(now.loop + min(*known, LONGEST_SLEEP), self._on_timer)

    def _on_timer(self) -> None:
        now = self._now()
        try:
            if self._trouble is None:
                self.rules.advance(now)
                self.question_rules.advance(now)
            else:
                self.rules.end_waits(now)  # the rest must be written, so it waits for the store
        except Exception as error:
            self.crash(error)
            return
        self._perform(now)
        self._set_timer(now)


def _bug_error(error: Exception) -> UnavailableError:
    return UnavailableError(
        "the broker did not answer and starts again, so look before repeating the request: "
        f"{type(error).__name__}: {error}"
    )


def _raise(error: Exception) -> None:
    raise error


_CLOSE = object()
"""In the place of a queued request: the end of the session."""

_NOT_OPEN = UnavailableError("the hive is just starting or stopping; try again")
