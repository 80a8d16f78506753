"""What happened to a participant, a line for each thing, whatever source it comes from. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from hive.escapes import inline
from hive.quantities import counted
from hive.view.message_states import message_state
from hive.view.text import span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

Row: TypeAlias = "Mapping[str, Any]"

_SHOWN_MAX = 200
"""Characters of a detail; the whole of it is in the JSON."""


def timeline_line(row: Row) -> str:
    """Return one entry, a `TimelineRow`: time, source, and what happened."""
    detail = row.get("detail") or {}
    write = _WRITERS.get(str(row["source"]), _event)
    return f"{inline(row['at'])}  {inline(row['source']):<7}  {write(row, detail)}".rstrip()


def _event(row: Row, detail: Row) -> str:
    facts = (f"{inline(key)}={_short(value)}" for key, value in detail.items())
    return "  ".join([inline(row["what"]), *facts])


def _message(row: Row, detail: Row) -> str:
    other = f"to {detail.get('to')}" if row["what"] == "sent" else f"from {detail.get('from')}"
    parts = [f"{inline(row['what'])} #{inline(row['number'])} {inline(other)}"]
    parts.append(f"[{inline(message_state(detail))}]")
    if detail.get("in_reply_to") is not None:
        parts.append(f"reply to #{inline(detail['in_reply_to'])}")
    if detail.get("reason"):
        parts.append(_short(detail["reason"]))
    return "  ".join([*parts, _short(detail.get("body", ""))])


def _turn(row: Row, detail: Row) -> str:
    parts = [
        inline(row["what"]),
        span(detail.get("seconds") or 0.0),
        inline(detail.get("wake", "")),
    ]
    if detail.get("messages"):
        parts.append("for " + ", ".join(f"#{inline(each)}" for each in detail["messages"]))
    tokens = (detail.get("input_tokens") or 0) + (detail.get("output_tokens") or 0)
    if tokens:
        parts.append(counted(tokens, "token"))
    if detail.get("cost_usd") is not None:
        parts.append(f"${detail['cost_usd']:.4f}")
    if detail.get("note"):
        parts.append(_short(detail["note"]))
    return "  ".join(parts)


def _audit(row: Row, detail: Row) -> str:
    words = f"{inline(detail.get('actor', ''))}: {inline(row['what'])} {detail.get('outcome')}"
    more = [f"{key}={_short(detail[key])}" for key in ("via", "approval", "sha") if key in detail]
    return "  ".join([inline(words), *more, _short(detail.get("reason", ""))])


def _output(row: Row, detail: Row) -> str:
    return _short(detail.get("line", ""))


_WRITERS = {"message": _message, "turn": _turn, "audit": _audit, "output": _output}


def _short(value: Any) -> str:
    """Return a value as one line, cut; what is no text as JSON."""
    text = inline(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}..."
