"""Mail administration: requests of the operator, and of the daemon, about stored messages.

Ended messages are only on disk. So what concerns them is decided by an operation in the commit's
transaction, and memory is updated once that is committed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hive.broker.inboxes import resolve
from hive.broker.rules import Rules
from hive.broker.sessions import Decide, Session
from hive.broker.values import (
    MarkRead,
    Moment,
    Notify,
    Post,
    PostWith,
    RemoveInbox,
    Token,
    Value,
)
from hive.errors import BadRequestError, ConflictError, UnknownNameError
from hive.names import GROUP_PREFIX, QUEUE_PREFIX, check_group_name, inbox_key
from hive.store import Message, MessageKind, dead_letters, participants
from hive.store.dead_letters import DeadLetterCriteria
from hive.store.transaction import Committed
from hive.wire import agent, host
from hive.wire.agent import Posting


class MailAdmin:
    """Decides about stored messages.

    Args:
        rules: The rules of delivery.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def decisions(self) -> Mapping[type, Decide]:
        """Return the method that decides about each type of request."""
        return {
            agent.Wake: self.wake,
            host.OperatorSend: self.send,
            host.Replay: self.replay,
            host.ResetLoop: self.reset_loop,
            host.ChangeGroup: self.change_group,
            host.RemoveQueue: self.remove_queue,
            MarkRead: self.mark_read,
            Notify: self.notify,
            PostWith: self.post_with,
            RemoveInbox: self.remove_inbox,
        }

    def send(self, session: Session, request: host.OperatorSend, token: Token, now: Moment) -> None:
        """Send as the operator.

        Raises:
            HiveError: Nothing was stored; the message has the reason.
        """
        self._rules.post_and_answer(session, Post(request), token, now)

    def wake(self, session: Session, request: agent.Wake, token: Token, now: Moment) -> None:
        """Store a message in the inbox of its sender, under a label."""
        posting = Posting(to=session.name, body=request.body)
        post = Post(posting, MessageKind.WAKE, request.label, request.transient)
        self._rules.post_and_answer(session, post, token, now)

    def notify(self, session: Session, request: Notify, token: Token, now: Moment) -> None:
        """Send a notice of the daemon, now or later."""
        self._rules.try_post(request.post, now)
        self._answer(session, token)

    def post_with(self, session: Session, request: PostWith, token: Token, now: Moment) -> None:
        """Send a message of the daemon together with another write: both are on disk, or neither.

        Raises:
            HiveError: Nothing was stored; the message has the reason.
        """
        self._rules.post(session, request.post, now)
        # Without a savepoint: if it fails, so does the commit, and memory is read from disk again.
        others = self._rules.table.effects.changes.others
        others.append(lambda connection: Committed(request.also(connection)))
        self._answer(session, token)

    def mark_read(self, session: Session, request: MarkRead, token: Token, now: Moment) -> None:
        """Ack messages that were read without a lease; answer with their number."""
        count = self._rules.mark_read(request.name, request.ids, now)
        self._answer(session, token, count=count)

    def remove_inbox(
        self, session: Session, request: RemoveInbox, token: Token, now: Moment
    ) -> None:
        """Remove the inbox of a participant.

        Raises:
            ConflictError: It has unread messages, and neither `force` nor `purge` is set.
            UnknownNameError: There is no such participant.
        """
        self._rules.remove_inbox(request, now)
        self._answer(session, token)

    def replay(self, session: Session, request: host.Replay, token: Token, now: Moment) -> None:
        """Make dead letters deliverable again; answer with their ids.

        Raises:
            BadRequestError: The request would select every dead letter.
        """

        def restored(messages: Sequence[Message]) -> Value:
            self._rules.restore(messages, now)
            return {"ids": [message.id for message in messages]}

        op = dead_letters.replay(require_narrowed(dead_letter_filter(request, now.wall)), now.wall)
        self._rules.table.effects.ask_disk(session, token, op, restored)

    def reset_loop(
        self, session: Session, request: host.ResetLoop, token: Token, now: Moment
    ) -> None:
        """Close the circuit of a pair and release its messages; answer with their number.

        Raises:
            ConflictError: The circuit is not open.
            UnknownNameError: Nor is there such a participant.
        """
        one, other = map(inbox_key, request.names)
        try:
            released = self._rules.reset_loop(one, other, now)
        except ConflictError:
            for name in request.names:
                resolve(name, self._rules.table.inboxes)
            raise
        self._answer(session, token, released=released)

    def change_group(
        self, session: Session, request: host.ChangeGroup, token: Token, now: Moment
    ) -> None:
        """Add participants to a group, or remove them.

        Raises:
            UnknownNameError: There is no participant of a name that is to be added, or no member of
                one that is to be removed; the error names all of those, and nothing is changed.
        """
        del now
        name = check_group_name(request.name.removeprefix(GROUP_PREFIX))
        add = [resolve(each, self._rules.table.inboxes) for each in request.add]
        remove = [inbox_key(each) for each in request.remove]
        members = self._rules.sending.groups.get(name, frozenset())
        if wrong := [each for each in remove if each not in members]:
            names = " and ".join(map(repr, wrong))
            raise UnknownNameError(f"nothing was done: '@{name}' has no member {names}")

        def changed(members: Mapping[str, frozenset[str]]) -> Value:
            self._rules.sending.groups = members
            return {}

        effects = self._rules.table.effects
        effects.ask_disk(session, token, participants.change_group(name, add, remove), changed)

    def remove_queue(
        self, session: Session, request: host.RemoveQueue, token: Token, now: Moment
    ) -> None:
        """Remove a work queue; answer with the number of messages that became dead letters.

        Raises:
            UnknownNameError: There is no such queue.
            ConflictError: It holds messages, and `force` is not set.
        """
        name = request.name.removeprefix(QUEUE_PREFIX)
        ended = self._rules.remove_queue(name, now, force=request.force)
        self._answer(session, token, dead_letters=ended)

    def _answer(self, session: Session, token: Token, **fields: Any) -> None:
        self._rules.table.effects.answers.append((session, token, fields, True))


def dead_letter_filter(request: host.DeadLetterFilter, now: float) -> DeadLetterCriteria:
    """Return the filter for the dead letters of a request; `now` is wall seconds."""
    age = request.older_than_seconds
    return DeadLetterCriteria(
        ids=tuple(request.ids) if request.ids is not None else None,
        inbox=_key(request.inbox),
        sender=_key(request.sender),
        before=None if age is None else now - age,
    )


def require_narrowed(letters: DeadLetterCriteria) -> DeadLetterCriteria:
    """Require that a filter does not select everything.

    Raises:
        BadRequestError: It has no condition.
    """
    if letters.is_everything:
        raise BadRequestError("say which messages: by id, inbox, sender or age; never all")
    return letters


def _key(name: str | None) -> str | None:
    return None if name is None else inbox_key(name)
