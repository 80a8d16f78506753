"""Discarding: the operator ends stored messages of any state, and dead letters.

A message that has not ended is in memory, a dead letter only on disk; both end with one commit. The
sender of a message is notified, once however many of its messages are discarded. A question ends
with its message, and its asker gets an answer that says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hive.broker.delivery import NOTIFIED_SENDERS
from hive.broker.effects import Notice
from hive.broker.mail_admin import dead_letter_filter, require_narrowed
from hive.broker.messages import MessageTable
from hive.broker.questions import QuestionRules
from hive.broker.rules import Rules
from hive.broker.sessions import Decide, Session
from hive.broker.values import Moment, Token
from hive.names import OPERATOR
from hive.store import Message, MessageKind, MessageState, dead_letters
from hive.store.dead_letters import DeadLetterCriteria
from hive.wire import host
from hive.wire.enums import EventKind, StoredState

IDS_SHOWN = 100
"""Most ids of discarded messages in a notice; the number is always complete."""

_STATES = {MessageState.LEASED: StoredState.LEASED, MessageState.PARKED: StoredState.PARKED}


class DiscardRules:
    """Decides which stored messages end at the operator's wish, and notifies whom it concerns.

    Args:
        rules: The rules of delivery.
        question_rules: The rules about questions, which may end with a message.
    """

    def __init__(self, rules: Rules, question_rules: QuestionRules) -> None:
        self._rules = rules
        self._question_rules = question_rules

    def decisions(self) -> Mapping[type, Decide]:
        """Return the method that decides about each type of request."""
        return {host.Discard: self.discard}

    def discard(self, session: Session, request: host.Discard, token: Token, now: Moment) -> None:
        """Expire messages; answer with their ids, once all of them are expired on disk.

        Raises:
            BadRequestError: The request would select every message.
        """
        criteria = require_narrowed(dead_letter_filter(request, now.wall))
        states = _states_of(request)
        ended = matching(self._rules.table, criteria, states)
        why = "discarded by the operator" + (f": {request.reason}" if request.reason else "")
        self._end(ended, why, now)
        effects, ids = self._rules.table.effects, [message.id for message in ended]
        if StoredState.DEAD not in states:
            effects.answers.append((session, token, {"ids": ids}, True))
            return
        op = dead_letters.discard(criteria, now.wall, why)
        effects.ask_disk(session, token, op, lambda dead: {"ids": sorted([*ids, *dead])})

    def _end(self, messages: list[Message], why: str, now: Moment) -> None:
        notified: dict[str, list[Message]] = {}
        for message in messages:
            self._rules.discard(message, why, now)
            if self._question_rules.end_discarded(message.id, why, now):
                continue
            owner = _owner(message)
            if owner is not None:
                notified.setdefault(owner, []).append(message)
        if messages:
            self._rules.table.effects.notices.append(_notice(OPERATOR, messages, why))
        for name, own in notified.items():
            self._rules.try_post(_notice(name, own, why).post(name), now)


def matching(
    table: MessageTable, criteria: DeadLetterCriteria, states: Iterable[StoredState]
) -> list[Message]:
    """Return the messages in memory that a request selects, in the order of their ids."""
    chosen = frozenset(states)
    if criteria.ids is None:
        candidates: Iterable[Message] = table.messages.values()
    else:
        known = sorted(table.messages.keys() & set(criteria.ids))
        candidates = [table.messages[number] for number in known]
    return [
        message
        for message in candidates
        if state_of(message, table) in chosen and _matches(message, criteria)
    ]


def state_of(message: Message, table: MessageTable) -> StoredState:
    """Return the state of a message that has not ended, with deferral as one of its own."""
    if message.id in table.deferred:
        return StoredState.DEFERRED
    return _STATES.get(message.state, StoredState.STORED)


def _matches(message: Message, criteria: DeadLetterCriteria) -> bool:
    return (
        criteria.inbox in (None, message.inbox)
        and criteria.sender in (None, message.sender)
        and (criteria.before is None or message.sent_at < criteria.before)
    )


def _states_of(request: host.Discard) -> frozenset[StoredState]:
    """Return the states that a request reaches; see `hive.wire.host.Discard`."""
    if request.states is not None:
        return frozenset(request.states)
    return frozenset(StoredState) if request.ids is not None else frozenset({StoredState.DEAD})


def _owner(message: Message) -> str | None:
    """Return the participant that is notified of the end of its message; None for nobody."""
    if message.kind is MessageKind.REMINDER:
        return message.inbox
    return message.sender if message.sender_kind in NOTIFIED_SENDERS else None


def _notice(name: str, messages: list[Message], why: str) -> Notice:
    detail = {
        "count": len(messages),
        "ids": [message.id for message in messages[:IDS_SHOWN]],
        "to": sorted({message.inbox for message in messages}),
        "reason": why,
    }
    return Notice(EventKind.DISCARDED, name, detail)
