"""The rules of delivery at work: between those who ask, the clock and the store.

The rules decide at once, in memory. The rows that they changed are written with the next commit,
and whatever depends on them (the answer "sent", the mail for a receiver, the answer to an ack)
waits for it. If a commit fails, memory is ahead of the disk: everyone who waits is told so, and the
rules start again from what is on disk. Until then nothing is taken in.

An exchange makes no task for a request; it has one timer for everything that is due.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from hive.alarm import Alarm
from hive.broker import addressing, requests
from hive.broker.asking import Gone
from hive.broker.bodies import Bodies
from hive.broker.journal import Journal, answer
from hive.broker.loose_ends import LooseEnds
from hive.broker.news import Tell, ignore
from hive.broker.rules import Rules
from hive.broker.sessions import Grant, Stale
from hive.broker.stale import missing, refusal
from hive.broker.values import Draft, Moment, Reply
from hive.clock import Clock
from hive.config import Limits
from hive.errors import HiveError, UnavailableError
from hive.names import QUEUE_PREFIX, check_group_name, inbox_key
from hive.store import Kind, Message, Store, StoreClosedError, StoreError, dead_letters, groups
from hive.store.messages import Epoch, by_id, next_epoch, undelivered
from hive.store.questions import open_questions, together
from hive.store.unit import Op

RETRY_SECONDS = 1.0
"""Pause between attempts to read the mail again after a failure."""

ACK_SECONDS = 0.02
"""How long acks that nobody waits for may wait for a commit that they can join."""

LONGEST_SLEEP = 60.0
"""The wall clock may be set at any time, so deferred mail is looked at this often at least."""

Handler = Callable[[Any, Reply, Moment], None]


class Exchange:
    """Serves requests until it is closed. Everything runs on the loop's thread.

    Args:
        store: An open store.
        limits: What senders may store and how long a lease lasts.
        clock: Wall time.
        tell: Takes what is to be told beside the answers.
    """

    def __init__(self, store: Store, limits: Limits, clock: Clock, tell: Tell = ignore) -> None:
        self._store = store
        self._tell = tell
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self.rules: Rules[Reply] = Rules(limits)
        self.loose_ends: LooseEnds[Reply] = LooseEnds(self.rules)
        self._gathering: Journal | None = None
        self._journals: deque[Journal] = deque()
        self._bodies = Bodies()
        self._last_written = 0
        self._trouble: UnavailableError | None = UnavailableError("the broker is not open yet")
        self._closed = False
        self._has_epoch = False
        self._recovery: asyncio.Task[None] | None = None
        self._timer = Alarm()
        self._soon: asyncio.TimerHandle | None = None
        self._handlers: dict[type, Handler] = {
            requests.Send: self._send,
            requests.Recv: self._recv,
            requests.Ack: self._ack,
            requests.AckTurn: self._ack_turn,
            requests.Nack: self._nack,
            requests.RequeueInflight: self._requeue_inflight,
            requests.Begin: self._begin,
            requests.MarkRead: self._mark_read,
            requests.Replay: self._replay,
            requests.Discard: self._discard,
            requests.ResetLoop: self._reset_loop,
            requests.ChangeGroup: self._change_group,
            requests.RemoveInbox: self._remove_inbox,
            requests.RemoveQueue: self._remove_queue,
            **dict.fromkeys(self.loose_ends.served, self._tie),
        }

    async def open(self) -> None:
        """Begin a new epoch and take over the mail on disk; all leases are over.

        While the store takes no writes, nothing is taken in and what it has is shown.

        Raises:
            StoreError: When the store cannot be read.
        """
        self.rules.epoch = await self._store.read(next_epoch)
        try:
            await self._begin_epoch()
        except StoreError as error:
            if self._store.health.trouble is None:
                raise
            self._trouble = UnavailableError(str(error))
        await self._load()
        if self._has_epoch:
            self._serve_again()
        else:
            self._recovery = self._loop.create_task(self._recover(), name="broker recovery")

    async def _begin_epoch(self) -> None:
        """Write the new epoch down, once; nothing is delivered before that."""
        if not self._has_epoch:
            self.rules.epoch = await self._store.write(Epoch(self._clock.now()))
            self._has_epoch = True

    async def close(self) -> None:
        """Write what is decided, answer everyone, take nothing more in."""
        self._closed = True
        if self.rules.mail.is_only_acked:
            self._current_journal()
        self._trouble = UnavailableError("the broker is stopping; connect again")
        self._timer.cancel()
        if self._soon is not None:
            self._soon.cancel()
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.wait([self._recovery])
        for receiver in self.rules.unpark_all():
            receiver.fail(self._trouble)
        while self._journals:
            written = self._journals[0].written
            assert written is not None
            await asyncio.wait([written])
            self._land()

    def handle(self, request: object, reply: Reply) -> None:
        """Serve one request; its reply is given when its outcome is on disk."""
        if self._trouble is not None:
            reply.fail(self._trouble)
            return
        now = self._now()
        try:
            self._handlers[type(request)](request, reply, now)
        except HiveError as error:
            reply.fail(error)
        self._settle(now)

    def note(self, note: requests.Note) -> None:
        """Take in something that is not answered."""
        now = self._now()
        match note:
            case requests.AddInbox(name, kind, broadcast, last_seen, idle):
                self.rules.add_inbox(
                    name, kind, broadcast=broadcast, last_seen=last_seen, idle=idle
                )
            case requests.PauseInbox(name, paused):
                self.rules.pause_inbox(name, paused, now)
            case requests.OpenSession(session, participant, origin):
                self.rules.open_session(session, participant, origin, now)
            case requests.CloseSession(session):
                self.rules.close_session(session, now)
            case requests.Heartbeat(session):
                self.rules.touch(session, now)
        self._settle(now)

    # Verbs

    def _send(self, request: requests.Send, reply: Reply, now: Moment) -> None:
        if request.session is not None:
            self.rules.touch(request.session, now)
        queue = self._begin_queue(request.draft)
        try:
            sent = self.rules.send(request.draft, now)
        finally:
            if queue is not None:
                self._keep_queue(queue, now)
        self._answer(reply, sent)

    def _begin_queue(self, draft: Draft) -> str | None:
        """A queue begins with the first message that the operator sends to it; return its name."""
        if draft.sender_kind is not Kind.OPERATOR or not draft.to.startswith(QUEUE_PREFIX):
            return None
        name = check_group_name(draft.to.removeprefix(QUEUE_PREFIX))
        if name in self.rules.queues:
            return None
        self.rules.add_queue(name)
        return name

    def _keep_queue(self, name: str, now: Moment) -> None:
        """Keep a queue that has just begun, unless its first message was not stored."""
        if self.rules.mail.inboxes[QUEUE_PREFIX + name].unread:
            self._store.write(groups.add_queue(name, now.wall)).add_done_callback(_note_outcome)
        else:
            self.rules.remove_queue(name, now, force=False)

    def _recv(self, request: requests.Recv, reply: Reply, now: Moment) -> None:
        self.rules.touch(request.session, now)
        stale = self.rules.ack(request.session, request.ack, None, now) if request.ack else ()
        if stale:
            # An ack that is only repeated is no error; no mail for now, and it asks again.
            self._answer_stale(reply, stale, request.session, done=())
        else:
            self.rules.recv(
                request.session,
                reply,
                request.max,
                request.wait,
                now,
                queue=request.queue,
                urgent=request.urgent,
            )

    def _ack(self, request: requests.Ack, reply: Reply, now: Moment) -> None:
        self.rules.touch(request.session, now)
        stale = self.rules.ack(request.session, request.ids, request.lease, now)
        self._answer_stale(reply, stale, request.session, request.lease)

    def _ack_turn(self, request: requests.AckTurn, reply: Reply, now: Moment) -> None:
        self.rules.touch(request.session, now)
        self._answer_stale(reply, self.rules.ack_turn(request.session, now), request.session)

    def _nack(self, request: requests.Nack, reply: Reply, now: Moment) -> None:
        self.rules.touch(request.session, now)
        stale = self.rules.nack(
            request.session,
            request.id,
            request.mode,
            now,
            delay=request.delay,
            reason=request.reason,
            lease=request.lease,
        )
        self._answer_stale(reply, stale, request.session, request.lease, is_ack=False)

    def _requeue_inflight(
        self, request: requests.RequeueInflight, reply: Reply, now: Moment
    ) -> None:
        self._answer(reply, self.rules.requeue_inflight(request.session, now))

    def _begin(self, request: requests.Begin, reply: Reply, now: Moment) -> None:
        stale = self.rules.begin(request.session, request.ids, now)
        self._answer_stale(reply, stale, request.session)

    def _mark_read(self, request: requests.MarkRead, reply: Reply, now: Moment) -> None:
        self._answer(reply, self.rules.mark_read(request.name, request.ids, now))

    def _remove_inbox(self, request: requests.RemoveInbox, reply: Reply, now: Moment) -> None:
        self.rules.remove_inbox(request.name, now, force=request.force, purge=request.purge)
        self._answer(reply, None)

    def _tie(self, request: object, reply: Reply, now: Moment) -> None:
        """Serve a request about loose ends; the disk is asked about what is at its end."""
        outcome = self.loose_ends.handle(request, now)
        if not isinstance(outcome, Gone):
            self._answer(reply, outcome)
            return
        self._current_journal()  # is in the writer's queue before the question is
        written = self._store.write(outcome.why)
        written.add_done_callback(partial(_answer_written, reply, lambda error: error))

    def _remove_queue(self, request: requests.RemoveQueue, reply: Reply, now: Moment) -> None:
        ended = self.rules.remove_queue(request.name, now, force=request.force)
        self._current_journal()  # the end of its messages is on disk no later than its own
        self._store.write(groups.remove_queue(request.name)).add_done_callback(
            partial(_answer_written, reply, lambda _: ended)
        )

    # The operator's care of mail; what is at its end is on disk alone, so the disk decides first

    def _replay(self, request: requests.Replay, reply: Reply, now: Moment) -> None:
        def restored(messages: Sequence[Message]) -> tuple[int, ...]:
            moment = self._now()
            self.rules.restore(messages, moment)
            self._settle(moment)
            return tuple(message.id for message in messages)

        written = self._store.write(dead_letters.replay(request.chosen, now.wall))
        written.add_done_callback(partial(_answer_written, reply, restored))

    def _discard(self, request: requests.Discard, reply: Reply, now: Moment) -> None:
        written = self._store.write(dead_letters.discard(request.chosen, now.wall))
        written.add_done_callback(partial(_answer_written, reply, tuple))

    def _reset_loop(self, request: requests.ResetLoop, reply: Reply, now: Moment) -> None:
        self._answer(reply, self.rules.reset_loop(request.one, request.other, now))

    def _change_group(self, request: requests.ChangeGroup, reply: Reply, now: Moment) -> None:
        add = [addressing.one(name, self.rules.mail.inboxes) for name in request.add]
        remove = [inbox_key(name) for name in request.remove]

        def changed(members: Mapping[str, frozenset[str]]) -> None:
            self.rules.intake.groups = members

        written = self._store.write(groups.change(request.name, add, remove))
        written.add_done_callback(partial(_answer_written, reply, changed))

    # Answers

    def _answer(self, reply: Reply, value: object) -> None:
        """Answer once everything decided so far is on disk."""
        journal = self._current_journal()
        if journal is not None:
            journal.answers.append((reply, value))
        else:
            answer(reply, value)

    def _answer_stale(
        self,
        reply: Reply,
        stale: tuple[Stale, ...],
        session: str,
        lease: str | None = None,
        *,
        done: object = None,
        is_ack: bool = True,
    ) -> None:
        """Answer an ack, or a nack; the disk is asked about messages that are not in memory.

        `done` is the answer if nothing is amiss.
        """
        if not stale:
            self._answer(reply, done)
            return
        self._current_journal()  # is in the writer's queue before the question is
        error = partial(
            refusal,
            stale,
            participant=self.rules.sessions.get(session).participant,
            session=session,
            lease=lease,
            is_ack=is_ack,
        )
        ids = missing(stale)
        if not ids:
            self._answer(reply, error({}) or done)
            return
        self._store.write(by_id(ids)).add_done_callback(partial(_answer_found, reply, error, done))

    # Commits

    def _settle(self, now: Moment) -> None:
        """Have everything written and handed over that the rules have just decided."""
        if self.rules.bereaved:
            self.rules.tell_senders(now)
        if self.rules.news:
            news, self.rules.news = self.rules.news, []
            for each in news if self._trouble is None else ():
                self._tell(each)
        if self._may_wait and not self.rules.grants:
            self._write_soon()
        elif (journal := self._current_journal()) is not None:
            journal.grants += self.rules.take_grants()
        else:
            self._hand_out(self.rules.take_grants())
            self._set_timer(now)  # else once for all that share the commit, when it is over

    @property
    def _may_wait(self) -> bool:
        """Whether all that must be written are acks that the next commit can take along."""
        is_only_acked = self.rules.mail.is_only_acked
        return is_only_acked and not (self._gathering or self.loose_ends.asking.questions.changed)

    def _write_soon(self) -> None:
        """Let acks that nobody waits for join the next commit, if one comes soon."""
        if self._soon is None:
            self._soon = self._loop.call_later(ACK_SECONDS, self._write_now)

    def _write_now(self) -> None:
        self._soon = None
        self._current_journal()

    def _hand_out(self, grants: list[Grant[Reply]]) -> None:
        """Answer receivers for whom nothing has to be written."""
        for grant in grants:
            if self._trouble is not None and grant.messages:
                grant.receiver.fail(self._trouble)
            elif not grant.receiver.expired:
                grant.receiver.send(())

    @property
    def _is_ahead(self) -> bool:
        return self.rules.mail.is_ahead or bool(self.loose_ends.asking.questions.changed)

    def _current_journal(self) -> Journal | None:
        """Return the journal that an answer has to wait for, None when all is on disk."""
        if self._gathering is None and self._is_ahead and self._trouble is None:
            self._gathering = Journal()
            self._journals.append(self._gathering)
            self._gathering.written = self._store.write_late(self._collect)
            self._gathering.written.add_done_callback(lambda _: self._land())
        return self._journals[-1] if self._journals else None

    def _collect(self) -> Op[dict[int, str]]:
        # The writer may come here before the loop has told us how the commit before this one ended.
        self._land()
        journal, self._gathering = self._gathering, None
        assert journal is not None
        changes = journal.collect(self.rules.mail, self._last_written)
        self._last_written = self.rules.mail.last_id
        questions = self.loose_ends.asking.questions.take_changed()
        return together(changes, questions) if questions else changes

    def _land(self) -> None:
        """Act on the commits that are over, in their order."""
        while self._journals and self._journals[0].is_over:
            journal = self._journals.popleft()
            assert journal.written is not None
            error = journal.written.exception()
            if error is None:
                self._take_back(journal.succeed(journal.written.result(), self._bodies))
            else:
                self._fail(journal, error)
        self._set_timer(self._now())

    def _take_back(self, grants: list[Grant[Reply]]) -> None:
        if grants:
            now = self._now()
            for grant in grants:
                self.rules.withdraw(grant, now)
            self._settle(now)

    # Trouble

    def _fail(self, journal: Journal, error: BaseException) -> None:
        """Let go of all that memory is ahead of the disk with, and begin to read the disk."""
        if not isinstance(error, HiveError):
            context = {"message": "the store refused what the broker wrote", "exception": error}
            self._loop.call_exception_handler(context)
            error = UnavailableError(f"the store refused what the broker wrote: {error!r}")
        self._trouble = UnavailableError(
            f"the last commit failed and the mail is being read again, so try again soon: {error}"
        )
        self.rules.mail.take_changes()
        self.loose_ends.asking.questions.changed.clear()
        for waiting in (journal, *self._journals):
            waiting.fail(error)
        recovers = self._recovery is not None and not self._recovery.done()
        if not isinstance(error, StoreClosedError) and not self._closed and not recovers:
            self._recovery = self._loop.create_task(self._recover(), name="broker recovery")

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

    async def _load(self) -> None:
        since = self._clock.now() - self.rules.limits.dedupe_window
        found, questions = await self._store.read(
            lambda connection: (undelivered(since)(connection), open_questions(connection))
        )
        # Taking over may make news of its own (mail that has expired meanwhile), not yet on disk.
        self._last_written = max(found.last_id, self.rules.mail.last_id)
        self.rules.load(found, self._now())
        self.loose_ends.load(questions)

    def _serve_again(self) -> None:
        self._trouble = None
        self._settle(self._now())

    # Time

    def _now(self) -> Moment:
        return Moment(self._loop.time(), self._clock.now())

    def _set_timer(self, now: Moment) -> None:
        if self._trouble is None:
            delays = (self.rules.delay(now), self.loose_ends.asking.delay(now))
        else:
            delays = (self.rules.wait_delay(now), None)
        known = [delay for delay in delays if delay is not None]
        if not known or self._closed:
            return
        self._timer.set(now.loop + min(*known, LONGEST_SLEEP), self._on_timer)

    def _on_timer(self) -> None:
        now = self._now()
        if self._trouble is None:
            self.rules.advance(now)
            self.loose_ends.asking.advance(now)
        else:
            self.rules.end_waits(now)  # the rest is done once it can be written
        self._settle(now)


def _answer_found(
    reply: Reply,
    error: Callable[[Mapping[int, Message]], HiveError | None],
    done: object,
    found: asyncio.Future[Mapping[int, Message]],
) -> None:
    trouble = found.exception()
    if trouble is not None:
        reply.fail(trouble)
    else:
        answer(reply, error(found.result()) or done)


def _answer_written(
    reply: Reply, value: Callable[[Any], object], written: asyncio.Future[Any]
) -> None:
    trouble = written.exception()
    if trouble is not None:
        reply.fail(trouble)
    else:
        answer(reply, value(written.result()))


def _note_outcome(written: asyncio.Future[None]) -> None:
    """A queue that was not kept is made again by its next message, or is found by its mail."""
    if not written.cancelled():
        written.exception()
