"""Approvals, deploys, audit entries and differences of hive.toml as plain lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hive.escapes import block, inline
from hive.quantities import counted
from hive.view.text import UNKNOWN, age, due, moment

Row = Mapping[str, Any]

_SHORT = 12


def approval_line(row: Row, now: float) -> str:
    """Return one approval: number, kind, agent, commit, state, age, deadline, subject."""
    parts = [f"{inline(row['id']):>4}", f"{inline(row['kind']):<12}", inline(row["agent"])]
    if row.get("fetched_sha"):
        parts.append(_short(row["fetched_sha"]))
    parts.append(f"[{_status(row)}]")
    parts.append(f"{age(row.get('requested_at'), now)} old, from {inline(row['requested_by'])}")
    if _has_deadline(row):
        parts.append(f"{_on_expiry(row)} {due(row['expires_at'], now)}")
    parts += [f"restarts {_names(row)}"] if row.get("agents") else []
    text = row.get("description") or row.get("subject")
    return "  ".join([*parts, inline(text)] if text else parts)


def approval_lines(row: Row, now: float) -> list[str]:
    """Return one approval in detail."""
    found = [
        ("Approval", f"{row['id']} [{_status(row)}]"),
        ("Asks", f"{row['kind']} of {row['agent']}, {moment(row.get('requested_at'), now)}"),
        ("Asked by", row["requested_by"]),
        ("Commit", row.get("fetched_sha")),
        ("Its words" if row.get("author") else "Subject", row.get("subject")),
        ("Restarts", _names(row)),
        ("Its author", f"{row['author']} (not verified)" if row.get("author") else None),
        ("Ran before", row.get("base")),
        ("Deadline", _deadline(row, now)),
        ("Decided", _decided(row, now)),
        ("Note", row.get("note")),
        ("Error", row.get("error")),
    ]
    lines = [f"{label + ':':<12}{inline(value)}" for label, value in found if value]
    for text in (row.get("description"), row.get("content")):
        lines += ["", *(f"    {line}" for line in block(text))] if text else []
    return lines


def history_line(row: Row, now: float) -> str:
    """Return one deploy of an agent's history: when, who asked and decided, how it ended."""
    asked = f"asked by {inline(row['requested_by'])}" if row.get("requested_by") else None
    decided = f"decided by {inline(row['decided_by'])}" if row.get("decided_by") else None
    cause = f"approval {row['approval']}" if row.get("approval") else row["source"]
    parts = [
        f"{inline(row['deploy']):>4}",
        _short(row["sha"]),
        f"[{inline(row['outcome'])}{', runs now' if row.get('runs') else ''}]",
        f"{age(row.get('ended_at') or row['queued_at'], now)} ago",
        inline(cause),
        *(each for each in (asked, decided) if each),
    ]
    text = row.get("error") or row.get("description") or row.get("subject")
    return "  ".join([*parts, inline(text)] if text else parts)


def deploy_line(row: Row, now: float) -> str:
    """Return one deploy: number, agent, commit, step, source, age, error."""
    cause = f"approval {row['approval']}" if row.get("approval") else row["source"]
    parts = [
        f"{inline(row['id']):>4}",
        _names(row) or inline(row["name"]),
        _short(row["sha"]),
        f"[{inline(row['step'])}]",
        inline(cause),
        f"{age(row.get('ended_at') or row.get('queued_at'), now)} ago",
        *(inline(row[key]) for key in ("waits", "error") if row.get(key)),
    ]
    return "  ".join(parts)


def audit_line(row: Row) -> str:
    """Return one entry of the audit: number, time, who by what and for whom, what, outcome."""
    parts = [inline(row["seq"]), inline(row["at"]), inline(row["by"])]
    if row.get("socket"):
        parts.append(f"uid {inline(row.get('uid'))} pid {inline(row.get('pid'))}")
    parts += [f"via {inline(row['via'])}"] if row.get("via") else []
    parts.append(f"{inline(row['verb'])} {inline(row['outcome'])}")
    parts += [inline(row["name"])] if row.get("name") else []
    parts += [f"approval {inline(row['approval'])}"] if row.get("approval") is not None else []
    parts += [_short(row["sha"])] if row.get("sha") else []
    parts += [inline(row["reason"])] if row.get("reason") else []
    return "  ".join(parts)


def change_lines(row: Row) -> list[str]:
    """Return one difference of hive.toml: a line about it, then its keys, indented."""
    has_name = bool(row.get("name")) and row["table"] != "manager"
    name = f"{row['table']}.{row['name']}" if has_name else row["table"]
    happens = "is removed" if row["difference"] == "left over" else "takes effect"
    head = f"{inline(name)}: {inline(row['difference'])}, {happens} {inline(row['effect'])}"
    return [head, *(f"    {inline(key)}" for key in row.get("keys", ()))]


def setting_lines(rows: Sequence[Row]) -> list[str]:
    """Return settings as aligned columns: key, value, source."""
    cells = [
        (inline(row["key"]), inline(row.get("value") or UNKNOWN), inline(row["source"]))
        for row in rows
    ]
    widths = [max((len(cell[at]) for cell in cells), default=0) for at in (0, 1)]
    return [f"{key:{widths[0]}}  {value:{widths[1]}}  {source}" for key, value, source in cells]


def input_lines(rows: Sequence[Row], now: float) -> list[str]:
    """Return inputs as aligned columns: path, revision, age, reference; and which are stale."""
    cells = [
        (
            inline(row["name"]),
            inline(row.get("revision") or UNKNOWN).removeprefix("sha256-")[:_SHORT],
            f"{age(row.get('modified_at'), now)} old",
            inline(row["reference"]),
        )
        for row in rows
    ]
    widths = [max((len(cell[at]) for cell in cells), default=0) for at in range(4)]
    return [
        "  ".join([*map(str.ljust, cell, widths), *_stale(row)]).rstrip()
        for cell, row in zip(cells, rows, strict=True)
    ]


def _stale(row: Row) -> list[str]:
    wanted = f" (hive.toml names {inline(row['wanted'])})" if row.get("wanted") else ""
    return [f"[stale]{wanted}"] if row["stale"] else []


def _names(row: Row) -> str:
    """Return the agents of a row that is about several; empty for one."""
    return ", ".join(map(inline, row.get("agents") or ()))


def _deadline(row: Row, now: float) -> str | None:
    if not _has_deadline(row):
        return None
    return f"{moment(row['expires_at'], now)}, then {_on_expiry(row)}"


def _has_deadline(row: Row) -> bool:
    is_open = row["status"] == "pending" and not row.get("overdue")
    return is_open and bool(row.get("expires_at"))


def _status(row: Row) -> str:
    return inline(row["status"]) + (", overdue" if row.get("overdue") else "")


def behind_lines(answer: Row) -> list[str]:
    """Return what waits with an approval: other approvals, deploys and mail."""
    found = [
        ("Others", ", ".join(map(inline, answer.get("other_approvals", ())))),
        ("Deploys", ", ".join(map(inline, answer.get("open_deploys", ())))),
        ("Unread", counted(answer["unread"], "message") if answer.get("unread") else ""),
    ]
    return [f"{label + ':':<12}{text}" for label, text in found if text]


def _decided(row: Row, now: float) -> str | None:
    if not row.get("decided_at"):
        return None
    return f"{moment(row['decided_at'], now)} by {row['decided_by']}"


def _on_expiry(row: Row) -> str:
    return "denied" if row.get("on_expiry") == "deny" else "held"


def _short(sha: str) -> str:
    return inline(sha[:_SHORT])
