"""What the forms of the pages do, as requests to host.sock. Pure: a table, and readers of fields.

An approval is decided with the commit that the page showed, so a page that is out of date decides
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hive.errors import BadRequestError

OPTION = "option-"
"""How the names of the options of a question begin of which several may be chosen."""

Form = Mapping[str, str]
Fields = dict[str, Any]

BODY_MAX = 1 << 20
"""Bytes of a form."""

DIGITS_MAX = 18
"""Digits of a number."""


def _text(form: Form, key: str) -> str:
    found = form.get(key, "").strip()
    if not found:
        raise BadRequestError(f"{key} is empty; write something first")
    return found


def _answer(form: Form) -> str:
    """Return an answer: the options that were chosen, one a line, and what was written after them.

    Raises:
        BadRequestError: Nothing was chosen or written.
    """
    chosen = [text for key, text in form.items() if key.startswith(OPTION)]
    written = form.get("answer", "").strip()
    if not chosen and not written:
        raise BadRequestError("answer is empty; choose or write something first")
    return "\n".join([*chosen, *([written] if written else [])])


def number_in(form: Form, key: str) -> int:
    """Return a number of a form.

    Raises:
        BadRequestError: It is none.
    """
    found = form.get(key, "")
    if not found.isascii() or not found.isdigit() or not 0 < len(found) <= DIGITS_MAX:
        raise BadRequestError(f"{key} is no number")
    return int(found)


def _name(form: Form) -> Fields:
    return {"name": _text(form, "name")}


def _scope(form: Form) -> Fields:
    return {"scope": {"agent_names": [_text(form, "name")]}}


def _note(form: Form) -> str | None:
    return form.get("note", "").strip() or None


def _decision(form: Form) -> Fields:
    """Return what a decision is about: the approval, and the commit that the page showed."""
    number, sha = number_in(form, "number"), form.get("sha") or None
    return {"id": number, "sha": sha, "note": _note(form)}


ACTIONS: Mapping[str, tuple[str, Callable[[Form], Fields]]] = {
    "send": ("send", lambda form: {"to": _text(form, "name"), "body": _text(form, "body")}),
    "reply": (
        "send",
        lambda form: {
            "to": _text(form, "name"),
            "body": _text(form, "body"),
            "in_reply_to": number_in(form, "number"),
        },
    ),
    "answer": (
        "answer",
        lambda form: {"id": number_in(form, "number"), "answer": _answer(form)},
    ),
    "approve": ("approve", _decision),
    "deny": ("deny", _decision),
    "pause": ("set_paused", lambda form: {**_name(form), "paused": True}),
    "resume": ("set_paused", lambda form: {**_name(form), "paused": False}),
    "start": ("start", _scope),
    "stop": ("stop", lambda form: {**_scope(form), "graceful": True}),
    "restart": ("restart", _name),
    "interrupt": ("cancel_turn", _name),
    "new_session": ("new_session", _name),
    "choose_model": (
        "choose_model",
        lambda form: {
            **_name(form),
            "model": form.get("model", "").strip() or None,
            "effort": form.get("effort", "").strip() or None,
        },
    ),
    "replay": ("replay", lambda form: {"ids": [number_in(form, "number")]}),
    "discard": (
        "discard",
        lambda form: {"ids": [number_in(form, "number")], "reason": _note(form)},
    ),
    "mark_read": ("read_mail", lambda form: {"ids": [number_in(form, "number")]}),
    "snooze": ("mark", lambda form: {"key": _text(form, "key"), "snooze": 3600}),
    "wake": ("mark", lambda form: {"key": _text(form, "key"), "snooze": 0, "archived": False}),
    "cancel_deploy": ("cancel_deploy", lambda form: {"id": number_in(form, "number")}),
    "archive": ("mark", lambda form: {"key": _text(form, "key"), "archived": True}),
}
"""The verb of each action, and its fields of a form."""


def request_of(action: str, form: Form) -> tuple[str, Fields]:
    """Return the verb and the fields of an action.

    Raises:
        BadRequestError: There is no such action, or a field is missing.
    """
    if action not in ACTIONS:
        raise BadRequestError(f"there is no action {action!r}")
    verb, fields = ACTIONS[action]
    return verb, {key: value for key, value in fields(form).items() if value is not None}


DONE = {
    "send": "sent to {name}",
    "reply": "sent to {name}",
    "answer": "question {number} is answered",
    "approve": "approval {number} is approved",
    "deny": "approval {number} is denied",
    "pause": "{name} is paused",
    "resume": "{name} gets its mail again",
    "start": "{name} is started",
    "stop": "{name} is stopped",
    "restart": "{name} is restarted",
    "interrupt": "{name} is asked to end its turn",
    "new_session": "{name} begins its next turn in a new session",
    "choose_model": "{name} uses another model or effort from its next turn on",
    "replay": "message {number} is delivered again",
    "discard": "message {number} is discarded",
    "mark_read": "message {number} is marked as read",
    "snooze": "snoozed for 1 h",
    "wake": "shown again",
    "archive": "archived",
    "cancel_deploy": "deploy {number} is cancelled",
}
"""What a page says when an action is done."""

WORD_MAX = 64
"""Characters of a field in it."""


def words_of(action: str, form: Form) -> str:
    """Return what a page says when an action is done."""
    fields = {key: form.get(key, "")[:WORD_MAX] for key in ("name", "number")}
    return DONE.get(action, "done").format_map(fields)
