"""Rows as plain lines: messages, events, turns, questions, limits, the supervision tree."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from hive.escapes import block, inline
from hive.view.message_states import message_state
from hive.view.text import UNKNOWN, Glyphs, age, due, span, until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

Row: TypeAlias = "Mapping[str, Any]"
"""A row as the host socket sends it, see `hive.wire.rows`."""


def message_lines(row: Row, now: float | None) -> list[str]:
    """Return one message of an inbox: a line about it, then its body, indented.

    Args:
        row: The message.
        now: Unix time, for its age; None shows when it was sent, beside other times.
    """
    head = f"#{inline(row['id'])}  {inline(row['from'])} -> {inline(row['to'])}"
    sent = row.get("sent_at")
    head += f"  {inline(sent or UNKNOWN)}" if now is None else f"  {age(sent, now)} ago"
    if row.get("in_reply_to") is not None:
        head += f"  reply to #{inline(row['in_reply_to'])}"
    if row.get("label"):
        head += f"  label {inline(row['label'])}"
    head += f"  [{inline(message_state(row))}]"
    head += _not_yet(row, now)
    if row.get("reason"):
        head += f"  {inline(row['reason'])}"
    return [head, *(f"    {line}".rstrip() for line in block(row["body"]))]


def _not_yet(row: Row, now: float | None) -> str:
    """Return when a message that waits for its time can be delivered, or nothing."""
    stamp = row.get("not_before")
    if row.get("state") != "stored" or not stamp:
        return ""
    if now is None:
        return f"  due {inline(stamp)}"
    left = due(stamp, now)
    return "" if left == "now" else f"  due {left}"


def step_line(row: Row) -> str:
    """Return one step of a trace: time, step, attempt, session, reason."""
    parts = [inline(row["at"]), f"{inline(message_state(row)):<8}"]
    if row.get("attempt") is not None:
        parts.append(f"attempt {inline(row['attempt'])}")
    if row.get("session"):
        parts.append(inline(row["session"]))
    if row.get("reason"):
        parts.append(inline(row["reason"]))
    return "  ".join(parts).rstrip()


def event_line(row: Row, longest: int | None = None) -> str:
    """Return one event: number, time, kind, participant, and the details as `key=value`.

    Args:
        row: The event.
        longest: Of a detail with more characters the middle is left out; None leaves out nothing.
    """
    parts = [inline(row["seq"]), inline(row["at"]), inline(row["event"])]
    if row.get("name"):
        parts.append(inline(row["name"]))
    details = row.get("detail") or {}
    for key, value in details.items():
        parts.append(f"{inline(key)}={_shortened(_detail(value), longest)}")
    return "  ".join(parts)


def turn_line(row: Row) -> str:
    """Return one turn: start, outcome, duration, trigger, messages, model, tokens, cost, tools.

    The duration is without the time for which the agent was frozen, which is shown beside it.
    """
    parts = [
        inline(row["started_at"]),
        f"{inline(row['outcome']):<9}",
        f"{span(row.get('seconds') or 0.0):>4}",
        *([f"and {span(row['frozen_seconds'])} frozen"] if row.get("frozen_seconds") else ()),
        inline(row["wake"]),
    ]
    if row.get("messages"):
        parts.append("for " + ", ".join(f"#{inline(number)}" for number in row["messages"]))
    if row.get("model"):
        parts.append(inline(row["model"]))
    parts.append(_tokens(row))
    if row.get("cost_usd") is not None:
        parts.append(f"${row['cost_usd']:.4f}")
    if row.get("tools"):
        used = (f"{inline(name)}={inline(count)}" for name, count in row["tools"].items())
        parts.append(" ".join(used))
    if row.get("note"):
        parts.append(inline(row["note"]))
    return "  ".join(parts)


def live_lines(row: Row) -> list[str]:
    """Return one live event: time of day in UTC, kind and text; further lines are indented."""
    first, *more = block(row["text"])
    clock = inline(row["at"]).partition("T")[2].partition(".")[0] + "Z"
    return [f"{clock}  {inline(row['kind']):<11}  {first}".rstrip(), *(_indented(more, 24))]


def question_lines(row: Row, now: float) -> list[str]:
    """Return one question: a line about it, then its text and the proposed answers, indented."""
    head = f"#{inline(row['id'])}  {inline(row['asker'])} -> {inline(row['to'])}"
    head += f"  {age(row.get('asked_at'), now)} ago  [{inline(row['state'])}]"
    if row.get("expires_at") and row["state"] == "open":
        head += f"  {due(row['expires_at'], now)}: {inline(row['on_expiry'])}"
    if row.get("answer") is not None:
        head += f"  {inline(row.get('answered_by'))}: {inline(row['answer'])}"
    options = [f"- {inline(option)}" for option in row.get("options") or ()]
    return [head, *_indented([*block(row["question"]), *options], 4)]


def limit_line(row: Row, now: float) -> str:
    """Return one used-up account: until when, the agents that share it, and the reason."""
    names = " ".join(map(inline, row.get("names") or ())) or "no agent here"
    ends = f"until {inline(row['until'])} (in {until(row['until'], now)})"
    return f"{inline(row['account'])}  {ends}  {names}  {inline(row['reason'])}"


def tree_lines(root: Row, glyphs: Glyphs) -> list[str]:
    """Return the tree, one line per actor, children in the order in which they were started."""
    return [_label(root), *_below(root, "", glyphs)]


def _detail(value: object) -> str:
    """Return a word as it is, and any other value as JSON."""
    if isinstance(value, str) and value and not set(value) & set(" =\"'"):
        return inline(value)
    return inline(json.dumps(value, ensure_ascii=False))


def _shortened(text: str, longest: int | None) -> str:
    """Return a text without its middle if it is too long: of printed lines the last say most."""
    if longest is None or len(text) <= longest:
        return text
    first = longest // 3
    last = longest - first
    return f"{text[:first]} ... {len(text) - longest} more, see --json ... {text[-last:]}"


def _tokens(row: Row) -> str:
    cached = (row.get("cache_read_tokens") or 0) + (row.get("cache_write_tokens") or 0)
    counted = [
        f"{inline(row.get('input_tokens') or 0)} in",
        f"{inline(row.get('output_tokens') or 0)} out",
        *([f"{cached} cached"] if cached else []),
    ]
    return ", ".join(counted)


def _indented(lines: list[str], width: int) -> list[str]:
    return [f"{' ' * width}{line}".rstrip() for line in lines]


def _below(node: Row, indent: str, glyphs: Glyphs) -> Iterator[str]:
    children = node.get("children") or []
    for child in children:
        last = child is children[-1]
        yield indent + (glyphs.last_branch if last else glyphs.branch) + _label(child)
        yield from _below(child, indent + (glyphs.gap if last else glyphs.trunk), glyphs)


def _label(node: Row) -> str:
    """Return name, kind and state, and further facts only where they are unusual."""
    parts = [str(node["path"]).rpartition("/")[2], node.get("kind"), node.get("state")]
    if node.get("restarts"):
        parts.append(f"restarts={node['restarts']}")
    if node.get("mailbox"):
        parts.append(f"mailbox={node['mailbox']}")
    if node.get("current"):
        parts.append(f"now: {node['current']}")
    if node.get("last_exit"):
        parts.append(f"last exit: {node['last_exit']}")
    return "  ".join(inline(part) for part in parts if part)
