"""Pages and parts of pages from templates. Whatever an agent wrote is shown as text.

Jinja escapes HTML. In addition every value passes `inline`, so that control characters and those
that change the direction of a text show as escapes; the filter `lines` keeps line breaks.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from hive.escapes import block, inline
from hive.quantities import counted
from hive.view.change_lines import approval_line, audit_line, deploy_line
from hive.view.columns import note, state
from hive.view.event_sentences import event_sentence
from hive.view.fact_words import size
from hive.view.lines import step_line, turn_line
from hive.view.message_states import message_state
from hive.view.row_fields import UNREADABLE
from hive.view.text import age, due, moment, span
from hive.web.tool_texts import diff_classes, turn_event
from hive.wire.claude import MODEL_ALIASES, Effort

TEXT_MAX = 200_000
"""Characters of one text that a page shows."""

MEAN_LINE = 20
"""A text is cut after a line for each so many of its characters, too: each has a price of its own,
and a patch of a million empty lines would be a page of 30 MB."""

PARTS = "parts.html"
"""The template with a macro for each kind of part."""


def lines(text: object, most: int = TEXT_MAX) -> Markup:
    """Return a text with its line breaks, everything else in it escaped, and cut if it is long."""
    return Markup("\n").join(escape(line) for line in _cut(text, most))


def diff_lines(text: object, most: int = TEXT_MAX) -> list[tuple[str, str]]:
    """Return the lines of a patch with the class that each is shown in; see `diff_classes`."""
    return list(diff_classes(_cut(text, most)))


def is_cut(text: object, most: int = TEXT_MAX) -> bool:
    """Return whether a text is too long to be shown whole."""
    return _more(str(text), most) > 0


def _cut(text: object, most: int) -> list[str]:
    whole = str(text if text is not None else "")
    more = _more(whole, most)
    end = [f"... {counted(more, 'more character')}"] if more else []
    return [*block(whole[: len(whole) - more]), *end]


def _more(text: str, most: int) -> int:
    """Return how many characters are not shown of a text."""
    count = most // MEAN_LINE
    parts = text[:most].split("\n", count)
    rest = len(parts[count]) if len(parts) > count else 0
    return max(len(text) - most, 0) + rest


def short(text: object, most: int = 120) -> str:
    """Return the first line of a text, cut."""
    first = block(str(text or "")[: most + 1])[0]
    return first if len(first) <= most else f"{first[:most]}..."


def _shown(value: object) -> object:
    """Escape what a template prints, unless a filter has made HTML of it."""
    return value if isinstance(value, Markup) else inline("" if value is None else value)


def _readable(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that says of a value of a wrong type that it is unreadable."""

    @wraps(make)
    def made(*values: Any) -> Any:
        try:
            return make(*values)
        except UNREADABLE:
            return "unreadable"

    return made


class Templates:
    """The templates, all read from disk at once.

    Rows leave out what is unknown, so a field that is not there prints as nothing.

    Args:
        now: Returns wall seconds, for ages.

    Attributes:
        mark: What stands in a part in place of the token of a session's forms, so that all sessions
            share the part. Nobody can guess it.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.mark = secrets.token_urlsafe(32)
        self._environment = Environment(
            loader=PackageLoader("hive.web"),
            auto_reload=False,
            autoescape=True,
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals |= {
            "token": self.mark,
            "models": MODEL_ALIASES,
            "efforts": [*Effort],
        }
        filters: dict[str, Callable[..., Any]] = {
            "age": lambda stamp: age(stamp, now()),
            "due": lambda stamp: due(stamp, now()),
            "moment": lambda stamp: moment(stamp, now()),
            "note": lambda row: note(row, now()),
            "approval": lambda row: approval_line(row, now()),
            "deploy": lambda row: deploy_line(row, now()),
            "span": span,
            "size": size,
            "lines": lines,
            "short": short,
            "diff_lines": diff_lines,
            "is_cut": is_cut,
            "turn_event": turn_event,
            "state": state,
            "message_state": message_state,
            "event": event_sentence,
            "turn": turn_line,
            "audit": audit_line,
            "step": step_line,
        }
        self._environment.filters |= {name: _readable(each) for name, each in filters.items()}
        for name in self._environment.list_templates():
            self._environment.get_template(name)  # so that no page waits for the disk
        self._parts = self._environment.get_template(PARTS).module

    def page(self, name: str, /, **values: Any) -> str:
        """Return a template with values as HTML; `token` is that of the session's forms."""
        text = self._environment.get_template(name).render(values)
        return self.for_session(text, str(values.get("token", "")))

    def part(self, kind: str, *values: Any) -> Markup:
        """Return a part of a page, with `mark` for the token.

        A row that has values of other types than this version knows costs its part alone.
        """
        try:
            made: Markup = getattr(self._parts, kind)(*values)
        except UNREADABLE:
            made = getattr(self._parts, "unreadable")(kind, values)  # noqa: B009
        return made

    def for_session(self, text: str, token: str) -> str:
        """Return a text with the token of a session."""
        return text.replace(self.mark, token)
