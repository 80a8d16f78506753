"""What waits for the operator: the daemon's `attention`, or the same from older requests. Pure.

A daemon without that request has all of it in its status, questions, approvals, dead letters and
the operator's inbox; then there are no marks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hive.escapes import inline
from hive.names import OPERATOR
from hive.quantities import counted
from hive.top.last_answers import LastAnswers
from hive.view.row_fields import Row, objects, stamp
from hive.view.text import UNKNOWN, age, due

KINDS = ("question", "approval", "login", "failure", "verdict", "dead_letter", "mail")
"""The kinds of items, in the order in which they are shown."""

WORDS = {
    "question": "asks",
    "approval": "approve",
    "login": "login",
    "failure": "failed",
    "verdict": "verdict",
    "dead_letter": "dead",
    "mail": "mail",
}
"""The word for each kind, in its column."""


def attention_items(answers: LastAnswers) -> tuple[Row, ...]:
    """Return all items, in the order in which they are shown."""
    if "attention" in answers.found:
        return tuple(row for row in answers.rows("attention", "items") if row.get("id"))
    return tuple(sorted(_derived(answers), key=_order))


def is_put_off(item: Row, now: float) -> bool:
    """Return whether an item is archived, or snoozed until later."""
    until = stamp(item, "snoozed_until")
    return bool(item.get("archived")) or (until is not None and until > now)


def item_text(item: Row, now: float) -> str:
    """Return an item in one line: its text, its deadline, its marks, whom it blocks."""
    parts = [inline(item.get("text") or UNKNOWN)]
    if item.get("expires_at"):
        parts.append(f"{due(item['expires_at'], now)}: {inline(item.get('on_expiry') or 'ends')}")
    blocked = [inline(name) for name in item.get("blocks") or ()]
    if blocked:
        parts.append(f"blocks {', '.join(blocked)}")
    parts += [mark for mark in ("pinned", "archived") if item.get(mark)]
    until = stamp(item, "snoozed_until")
    if until is not None and until > now:
        parts.append(f"snoozed, wakes {due(item['snoozed_until'], now)}")
    return "  ".join(parts)


def options_of(item: Row) -> list[str]:
    """Return the answers that can be chosen by a digit: nine at most."""
    found = item.get("options")
    return [str(option) for option in found[:9]] if isinstance(found, list) else []


def item_age(item: Row, now: float) -> str:
    """Return since when an item waits, as an age."""
    return age(item.get("since"), now)


def about_of(item: Row) -> str:
    """Return the participant that an item is about; empty for the operator and for none."""
    name = str(item.get("name") or "")
    return "" if name == OPERATOR else name


def _order(item: Row) -> tuple[int, str]:
    return KINDS.index(item["kind"]), str(item.get("since") or "")


def _derived(answers: LastAnswers) -> Iterator[Row]:
    questions = [row for row in answers.rows("questions", "questions") if row.get("to") == OPERATOR]
    yield from map(_of_question, questions)
    yield from map(_of_approval, answers.rows("approvals", "approvals"))
    for row in answers.statuses:
        yield from _of_status(row)
    yield from map(_of_dead_letter, answers.rows("dead", "messages"))
    asked = {row.get("id") for row in questions}
    mail = objects(answers.found.get("mail", {}).get("messages"))
    yield from _of_mail(row for row in mail if row.get("id") not in asked)


def _of_question(row: Row) -> Row:
    return {
        "id": f"question-{row.get('id')}",
        "kind": "question",
        "name": row.get("asker"),
        "number": row.get("id"),
        "text": row.get("question"),
        "since": row.get("asked_at"),
        "options": row.get("options") or [],
        "multi": bool(row.get("multi")),
        "blocks": [row["asker"]] if row.get("asker") else [],
        "expires_at": row.get("expires_at"),
        "on_expiry": row.get("on_expiry"),
    }


def _of_approval(row: Row) -> Row:
    words = row.get("description") or row.get("subject")
    what = f"{row.get('kind')} of {row.get('agent')}, asked by {row.get('requested_by')}"
    return {
        "id": f"approval-{row.get('id')}",
        "kind": "approval",
        "name": row.get("agent"),
        "number": row.get("id"),
        "text": f"{what}: {words}" if words else what,
        "since": row.get("requested_at"),
        "expires_at": row.get("expires_at"),
        "on_expiry": row.get("on_expiry"),
    }


def _of_status(row: Row) -> Iterator[Row]:
    name = row["name"]
    base = {"name": name, "blocks": []}
    if row.get("failed"):
        text = row.get("cause") or row.get("reason") or "parked as failed"
        yield base | {"id": f"failed-{name}", "kind": "failure", "text": text} | _since(row)
    if row.get("needs_login"):
        since = {"since": row.get("activity_since")}
        yield base | {"id": f"login-{name}", "kind": "login", "text": "needs a login"} | since
    if row.get("verdict"):
        since = {"since": row.get("verdict_since")}
        text = {"text": str(row["verdict"]).replace("_", " ")}
        yield base | {"id": f"verdict-{name}", "kind": "verdict"} | text | since


def _since(row: Row) -> dict[str, object]:
    return {"since": row.get("since")}


def _of_dead_letter(row: Row) -> Row:
    why = f": {row['reason']}" if row.get("reason") else ""
    return {
        "id": f"dead-{row.get('id')}",
        "kind": "dead_letter",
        "name": row.get("to"),
        "number": row.get("id"),
        "text": f"message {row.get('id')} of {row.get('from')} to {row.get('to')}{why}",
        "since": row.get("ended_at") or row.get("sent_at"),
    }


def _of_mail(rows: Iterable[Row]) -> Iterator[Row]:
    for row in rows:
        first, *more = str(row.get("body") or "").split("\n")
        further = f" (+{counted(len(more), 'line')})" if more else ""
        yield {
            "id": f"mail-{row.get('id')}",
            "kind": "mail",
            "name": row.get("from"),
            "number": row.get("id"),
            "text": f"{row.get('from')}: {first}{further}",
            "since": row.get("sent_at"),
        }
