"""The items that need the operator, made from facts. Pure: no I/O, no clock.

Each fact is one item, whatever else says the same: the mail about a question, an approval, a
failure or a login is no item beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from attrs import field, frozen

from hive.clock import rfc3339
from hive.names import OPERATOR
from hive.store import Message, MessageKind
from hive.store.approvals import Approval, ApprovalKind
from hive.store.attention_marks import Mark
from hive.store.questions import Question, QuestionState
from hive.wire.attention import AttentionKind, AttentionRow
from hive.wire.enums import EventKind
from hive.wire.rows import StatusRow

OF_A_KIND_MAX = 200
"""Most items of one kind. Of questions and approvals the oldest are shown, of mail the newest."""

TEXT_MAX = 300
"""Characters of the longest sentence of an item."""

SHOWN_OTHERWISE = frozenset(
    {
        EventKind.FAILED,
        EventKind.NEEDS_LOGIN,
        EventKind.APPROVAL_REQUESTED,
        EventKind.APPROVAL_HELD,
        EventKind.QUESTION_HELD,
    }
)
"""Events whose mail is no item: what they are about is one."""

_ORDER = {kind: place for place, kind in enumerate(AttentionKind)}

_ASKED_FOR = {
    ApprovalKind.SPAWN: "create the agent {name}",
    ApprovalKind.APPLY_COMMIT: "apply commit {sha} to {name}",
    ApprovalKind.INIT_CONFIG: "write a first configuration of {name}",
    ApprovalKind.ADOPT: "make the peer {name} an agent",
    ApprovalKind.RELEASE: "make the agent {name} a peer",
    ApprovalKind.UPDATE_INPUTS: "update inputs of {name}",
    ApprovalKind.SCHEDULE: "send {name} a message again and again",
}

_VERDICTS = {
    "stalled": "is in a turn, and nothing has come from it for long",
    "no_outcome": "has acked its mail, and sent and changed nothing",
    "login_loop": "logs in again and again",
}

_EVENT = re.compile(r'\{"event": "(\w+)"')
"""The beginning of the body of an event; the rest of it may be cut."""

_EVENT_WORDS = ("reason", "error", "what", "note", "question")
"""Fields of an event that say most about it, the best first."""


@frozen
class AttentionFacts:
    """What the items are made from.

    Attributes:
        questions: The questions that have not ended, oldest first.
        approvals: The approvals that can be decided, oldest first.
        participants: The status rows of participants that may need the operator.
        failed_at: When agents were parked, by name.
        dead_letters: Messages that were given up; their bodies are not looked at.
        mail: The operator's unread messages, whose bodies may be cut.
        other_letters: The ids of dead letters besides these.
        other_mail: The ids of unread messages of the operator besides these.
        projects: The projects of agents, by name.
    """

    questions: Iterable[Question] = ()
    approvals: Iterable[Approval] = ()
    participants: Iterable[StatusRow] = ()
    failed_at: Mapping[str, str] = field(factory=dict)
    dead_letters: Sequence[Message] = ()
    mail: Sequence[Message] = ()
    other_letters: Iterable[int] = ()
    other_mail: Iterable[int] = ()
    projects: Mapping[str, str] = field(factory=dict)


MarkOf = Callable[[str, str | None], Mark]
"""Returns the mark of an item by its id and begin, or of a participant by its name and None."""


def attention_items(facts: AttentionFacts, mark_of: MarkOf, now: float) -> list[AttentionRow]:
    """Return the items in the order in which they are shown.

    Args:
        facts: What is so.
        mark_of: The operator's marks.
        now: Wall seconds.
    """
    found = [_marked(row, facts, mark_of, now) for row in _items(facts)]
    return sorted(found, key=_place)


def hidden_ids(facts: AttentionFacts) -> frozenset[str]:
    """Return the ids of what would be an item if there were not so many of its kind."""
    asked = [f"question-{each.id}" for each in facts.questions if _is_for_operator(each)]
    approvals = [f"approval-{each.id}" for each in facts.approvals]
    letters = (f"dead-{number}" for number in facts.other_letters)
    mail = (f"mail-{number}" for number in facts.other_mail)
    return frozenset([*asked[OF_A_KIND_MAX:], *approvals[OF_A_KIND_MAX:], *letters, *mail])


def _items(facts: AttentionFacts) -> Iterator[AttentionRow]:
    asked = [each for each in facts.questions if _is_for_operator(each)]
    yield from map(_of_question, asked[:OF_A_KIND_MAX])
    yield from map(_of_approval, list(facts.approvals)[:OF_A_KIND_MAX])
    for row in facts.participants:
        if row.failed:
            yield _of_failure(row, facts.failed_at.get(row.name))
        if row.needs_login:
            yield _of_login(row)
        if row.verdict is not None:
            yield _of_verdict(row)
    yield from map(_of_dead_letter, facts.dead_letters[-OF_A_KIND_MAX:])
    mail = [each for each in facts.mail if _is_news(each)]
    yield from map(_of_mail, mail[-OF_A_KIND_MAX:])


def _marked(row: AttentionRow, facts: AttentionFacts, mark_of: MarkOf, now: float) -> AttentionRow:
    marks = [mark_of(row.id, row.since or "")]
    if row.name is not None:
        marks.append(mark_of(row.name, None))
    until = [each.snoozed_until for each in marks if each.is_snoozed(now)]
    return msgspec.structs.replace(
        row,
        pinned=any(each.pinned for each in marks),
        archived=any(each.archived for each in marks),
        snoozed_until=rfc3339(max(each or 0.0 for each in until)) if until else None,
        project=facts.projects.get(row.name or ""),
    )


def _place(row: AttentionRow) -> tuple[bool, bool, int, str, int]:
    return (
        not row.is_waiting,
        not row.pinned,
        _ORDER[row.kind],
        row.since or "",
        row.number or 0,
    )


def _is_for_operator(question: Question) -> bool:
    """Return whether the operator is to answer: it was asked, or nobody else has answered."""
    late = {QuestionState.HELD, QuestionState.ESCALATED}
    return question.target == OPERATOR or question.state in late


def _of_question(question: Question) -> AttentionRow:
    to = "" if question.target == OPERATOR else f" {question.target}, who did not answer"
    is_open = question.state is QuestionState.OPEN
    return AttentionRow(
        id=f"question-{question.id}",
        kind=AttentionKind.QUESTION,
        name=question.asker,
        number=question.id,
        text=_sentence(f"{question.asker} asks{to}: {question.text}"),
        since=rfc3339(question.asked_at),
        options=list(question.options),
        multi=question.multi,
        blocks=[question.asker],
        expires_at=_time(question.expires_at) if is_open else None,
        on_expiry=question.on_expiry.value if is_open and question.expires_at else None,
    )


def _of_approval(approval: Approval) -> AttentionRow:
    wish = _ASKED_FOR[approval.kind].format(name=approval.name, sha=(approval.sha or "")[:7])
    words = f": {approval.description}" if approval.description else ""
    return AttentionRow(
        id=f"approval-{approval.id}",
        kind=AttentionKind.APPROVAL,
        name=None if approval.name == "*" else approval.name,
        number=approval.id,
        text=_sentence(f"{approval.requested_by} asks to {wish}{words}"),
        since=rfc3339(approval.requested_at),
        blocks=[] if approval.requested_by == OPERATOR else [approval.requested_by],
        expires_at=_time(approval.expires_at),
        on_expiry=approval.on_expiry.value if approval.expires_at else None,
    )


def _of_failure(row: StatusRow, at: str | None) -> AttentionRow:
    return AttentionRow(
        id=f"failed-{row.name}",
        kind=AttentionKind.FAILURE,
        name=row.name,
        text=_sentence(f"{row.name} failed: {cause_of(row)}"),
        since=at or row.since or row.last_end_at,
    )


def cause_of(row: StatusRow) -> str:
    """Return why an agent failed: its own last words where there are some, else the reason."""
    return row.cause or row.reason or "for an unknown reason"


def _of_login(row: StatusRow) -> AttentionRow:
    about = f": {row.activity_about}" if row.activity_about else ""
    return AttentionRow(
        id=f"login-{row.name}",
        kind=AttentionKind.LOGIN,
        name=row.name,
        text=_sentence(f"{row.name} needs a login{about}"),
        since=row.activity_since,
        blocks=[row.name],
    )


def _of_verdict(row: StatusRow) -> AttentionRow:
    verdict = row.verdict or ""
    words = _VERDICTS.get(verdict, verdict)
    return AttentionRow(
        id=f"verdict-{row.name}",
        kind=AttentionKind.VERDICT,
        name=row.name,
        text=_sentence(f"{row.name} {words} (from {row.verdict_source})"),
        since=row.verdict_since,
    )


def _of_dead_letter(message: Message) -> AttentionRow:
    why = message.reason or "without a reason"
    return AttentionRow(
        id=f"dead-{message.id}",
        kind=AttentionKind.DEAD_LETTER,
        name=message.inbox,
        number=message.id,
        text=_sentence(f"message from {message.sender} to {message.inbox} was given up: {why}"),
        since=_time(message.ended_at),
    )


def _of_mail(message: Message) -> AttentionRow:
    return AttentionRow(
        id=f"mail-{message.id}",
        kind=AttentionKind.MAIL,
        name=message.sender,
        number=message.id,
        text=_sentence(f"{message.sender}: {_said(message)}"),
        since=rfc3339(message.sent_at),
    )


def _is_news(message: Message) -> bool:
    """Return whether a mail says what no other item says."""
    if message.kind is MessageKind.QUESTION:
        return False
    return message.kind is not MessageKind.EVENT or _event_name(message) not in SHOWN_OTHERWISE


def _said(message: Message) -> str:
    """Return what a mail says; of an event, its name and the field that says most."""
    name = _event_name(message)
    if message.kind is not MessageKind.EVENT or not name:
        return message.body or ""
    found = _event(message)
    subject = str(found.get("agent") or found.get("name") or found.get("to") or "")
    words = next((found[key] for key in _EVENT_WORDS if found.get(key)), "")
    head = f"{name.replace('_', ' ')} {subject}".strip()
    return f"{head}: {words}" if words else head


def _event_name(message: Message) -> str:
    found = _EVENT.match(message.body or "")
    return found[1] if found else ""


def _event(message: Message) -> Mapping[str, Any]:
    """Return the fields of an event; none if its body is cut, or is no object."""
    try:
        found = json.loads(message.body or "")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _sentence(text: str) -> str:
    """Return a text in one line, cut after `TEXT_MAX` characters."""
    line = " ".join(text[: 4 * TEXT_MAX].split())
    return line if len(line) <= TEXT_MAX else line[: TEXT_MAX - 3] + "..."


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
