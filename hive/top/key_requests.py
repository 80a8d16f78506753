"""The requests that keys make: each for one id, with what it does in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hive.escapes import inline
from hive.names import OPERATOR
from hive.top.actions import DaemonRequest

_SHORT = 60
"""Characters of an answer that are repeated in the line about it."""

SNOOZES: Mapping[str, int] = {"s": 1, "m": 60, "h": 3600, "d": 86400}
"""Seconds of the units of a time."""


def restart(name: str) -> DaemonRequest:
    """Restart an agent."""
    return _about(name, {"cmd": "restart", "name": name}, "restart", "was restarted")


def start(name: str) -> DaemonRequest:
    """Start an agent."""
    return _about(name, _scoped("start", name), "start", "was started")


def stop(name: str) -> DaemonRequest:
    """Stop an agent gracefully."""
    return _about(name, {**_scoped("stop", name), "graceful": True}, "stop", "was stopped")


def pause(name: str, paused: bool) -> DaemonRequest:
    """Pause an agent, or resume it."""
    request = {"cmd": "set_paused", "name": name, "paused": paused}
    done = "is paused: it runs and gets no mail" if paused else "gets its mail again"
    return _about(name, request, "pause" if paused else "resume", done)


def message(name: str, text: str, reply_to: str = "") -> DaemonRequest:
    """Send a message, or a reply to one."""
    request: dict[str, Any] = {"cmd": "send", "to": name, "body": text}
    if reply_to:
        request["in_reply_to"] = int(reply_to)
    return DaemonRequest(request, f"send to {inline(name)}", f"sent to {inline(name)}")


def answer(number: str, text: str) -> DaemonRequest:
    """Answer a question."""
    shown = inline(text if len(text) <= _SHORT else f"{text[:_SHORT]}...")
    request = {"cmd": "answer", "id": int(number), "answer": text}
    return DaemonRequest(
        request, f"answer question {number}", f"question {number} was answered: {shown}"
    )


def decide(verb: str, number: str, note: str, sha: str | None) -> DaemonRequest:
    """Approve or deny an approval: the commit that was drawn, with a note."""
    request: dict[str, Any] = {"cmd": verb, "id": int(number)}
    request |= {"note": note} if note else {}
    request |= {"sha": sha} if sha else {}
    done = "was approved" if verb == "approve" else "was denied"
    return DaemonRequest(request, f"{verb} approval {number}", f"approval {number} {done}")


def replay(number: str) -> DaemonRequest:
    """Make a dead letter deliverable again."""
    request = {"cmd": "replay", "ids": [int(number)]}
    return DaemonRequest(
        request, f"replay message {number}", f"message {number} is delivered again"
    )


def discard(number: str) -> DaemonRequest:
    """End a dead letter for good."""
    request = {"cmd": "discard", "ids": [int(number)]}
    return DaemonRequest(request, f"discard message {number}", f"message {number} is ended")


def mark(key: str, **marks: Any) -> DaemonRequest:
    """Snooze, pin or archive an item or a participant, or undo that."""
    [(name, value)] = marks.items()
    done = _MARKED[name, bool(value)]
    return DaemonRequest(
        {"cmd": "mark", "key": key, **marks}, f"mark {inline(key)}", f"{inline(key)} {done}"
    )


def duration(text: str) -> float | None:
    """Return the seconds of a time such as `30m`, `8h` or `2d`; 0 if empty; None if it is none."""
    words = text.strip()
    if not words:
        return 0.0
    number, unit = (words[:-1], words[-1]) if words[-1] in SNOOZES else (words, "m")
    try:
        found = float(number) * SNOOZES[unit]
    except ValueError:
        return None
    return found if 0 <= found <= 366 * 86400 else None


def may_write_to(name: str) -> bool:
    """Return whether a name can get mail of the operator."""
    return bool(name) and name not in {OPERATOR, "system"}


_MARKED = {
    ("snooze", True): "is out of sight for a while",
    ("snooze", False): "is in sight again",
    ("pinned", True): "is pinned",
    ("pinned", False): "is no longer pinned",
    ("archived", True): "is archived",
    ("archived", False): "is no longer archived",
}


def _scoped(cmd: str, name: str) -> dict[str, Any]:
    return {"cmd": cmd, "scope": {"agent_names": [name]}}


def _about(name: str, request: Mapping[str, Any], verb: str, done: str) -> DaemonRequest:
    return DaemonRequest(request, f"{verb} {inline(name)}", f"{inline(name)} {done}")
