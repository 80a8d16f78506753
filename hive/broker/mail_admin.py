"""The care of mail: what the operator, and the daemon itself, may do with it.

What is at its end is on disk alone, so there the disk decides first; memory follows once that is
committed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hive.broker import addressing
from hive.broker.rules import Rules
from hive.broker.sessions import Session
from hive.broker.values import MarkRead, Moment, Post, RemoveInbox, Token, Value
from hive.errors import BadRequestError
from hive.names import GROUP_PREFIX, QUEUE_PREFIX, check_group_name, inbox_key
from hive.store import Message, MessageKind, dead_letters, groups
from hive.store.dead_letters import DeadLetters
from hive.wire import agent, host
from hive.wire.agent import Posting


class MailAdmin:
    """Decides about mail that was sent before, in memory.

    Args:
        rules: The rules of delivery.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def wake(self, session: Session, request: agent.Wake, token: Token, now: Moment) -> None:
        """Put a message into a participant's own inbox, under a free label."""
        posting = Posting(to=session.name, body=request.body)
        post = Post(posting, MessageKind.WAKE, request.label, request.transient)
        self._rules.post_and_answer(session, post, token, now)

    def mark_read(self, session: Session, request: MarkRead, token: Token, now: Moment) -> None:
        """End messages that were read without a lease; answer how many."""
        count = self._rules.mark_read(request.name, request.ids, now)
        self._answer(session, token, count=count)

    def remove_inbox(
        self, session: Session, request: RemoveInbox, token: Token, now: Moment
    ) -> None:
        """Take a participant out.

        Raises:
            ConflictError: It has unread mail, and neither `force` nor `purge`.
            UnknownNameError: Nobody of that name.
        """
        self._rules.remove_inbox(request, now)
        self._answer(session, token)

    def replay(self, session: Session, request: host.Replay, token: Token, now: Moment) -> None:
        """Make dead letters deliverable again; answer their ids.

        Raises:
            BadRequestError: Nothing narrows the choice.
        """

        def restored(messages: Sequence[Message]) -> Value:
            self._rules.restore(messages, now)
            return {"ids": [message.id for message in messages]}

        op = dead_letters.replay(_narrowed(chosen(request, now.wall)), now.wall)
        self._rules.table.effects.ask_disk(session, token, op, restored)

    def discard(self, session: Session, request: host.Discard, token: Token, now: Moment) -> None:
        """Give dead letters up for good; answer their ids.

        Raises:
            BadRequestError: Nothing narrows the choice.
        """
        op = dead_letters.discard(_narrowed(chosen(request, now.wall)), now.wall)
        effects = self._rules.table.effects
        effects.ask_disk(session, token, op, lambda ids: {"ids": list(ids)})

    def reset_loop(
        self, session: Session, request: host.ResetLoop, token: Token, now: Moment
    ) -> None:
        """Let a pair talk again and deliver what was parked; answer how many.

        Raises:
            NotFoundError: The pair is not stopped.
        """
        one, other = map(inbox_key, request.names)
        self._answer(session, token, released=self._rules.reset_loop(one, other, now))

    def change_group(
        self, session: Session, request: host.ChangeGroup, token: Token, now: Moment
    ) -> None:
        """Put participants into a group, or take them out.

        Raises:
            UnknownNameError: One that is to be added does not take part.
        """
        del now
        name = check_group_name(request.name.removeprefix(GROUP_PREFIX))
        add = [addressing.one(each, self._rules.table.inboxes) for each in request.add]
        remove = [inbox_key(each) for each in request.remove]

        def changed(members: Mapping[str, frozenset[str]]) -> Value:
            self._rules.sending.groups = members
            return {}

        effects = self._rules.table.effects
        effects.ask_disk(session, token, groups.change(name, add, remove), changed)

    def remove_queue(
        self, session: Session, request: host.RemoveQueue, token: Token, now: Moment
    ) -> None:
        """Remove a work queue; answer how many messages became dead letters.

        Raises:
            UnknownNameError: There is no such queue.
            ConflictError: It holds messages, and no `force`.
        """
        name = request.name.removeprefix(QUEUE_PREFIX)
        ended = self._rules.remove_queue(name, now, force=request.force)
        self._answer(session, token, dead_letters=ended)

    def _answer(self, session: Session, token: Token, **fields: Any) -> None:
        self._rules.table.effects.answers.append((session, token, fields, True))


def chosen(request: host.Chosen, now: float) -> DeadLetters:
    """Return which dead letters a request is about; `now` is wall seconds."""
    age = request.older_than_seconds
    return DeadLetters(
        ids=tuple(request.ids) if request.ids is not None else None,
        inbox=_key(request.inbox),
        sender=_key(request.sender),
        before=None if age is None else now - age,
    )


def _narrowed(letters: DeadLetters) -> DeadLetters:
    if letters.is_everything:
        raise BadRequestError("say which dead letters: by id, inbox, sender or age; never all")
    return letters


def _key(name: str | None) -> str | None:
    return None if name is None else inbox_key(name)
