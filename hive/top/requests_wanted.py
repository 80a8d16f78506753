"""What the daemon is asked for, by what is on the screen. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from hive.top.last_answers import Request
from hive.top.state import TopState

OPTIONAL = frozenset({"overview", "attention"})
"""Requests that an older daemon refuses; what they say is derived from others then."""

FIRST = "status"
"""The request that is asked first: without an answer to it, the daemon counts as lost."""

LOG_LINES = 2000
"""Lines of a log that is shown alone."""

_LIST = 300
"""Lines of a list that is shown alone."""

_FEW = 30
"""Lines of a list that is one of several."""


def requests_wanted(state: TopState) -> dict[str, Request]:
    """Return the requests whose answers are drawn, by their keys in `LastAnswers`."""
    wanted: dict[str, Request] = {
        FIRST: {"cmd": "agent_status"},
        "overview": {"cmd": "overview"},
        "attention": {"cmd": "attention"},
        "approvals": {"cmd": "pending"},
    }
    if "attention" in state.answers.refused:
        wanted |= {
            "questions": {"cmd": "questions"},
            "dead": {"cmd": "dead_letters", "max": _LIST},
            "mail": {"cmd": "inbox", "unread": True, "max": 50},
        }
    return {**wanted, **_of_view(state), **_of_pane(state)}


def _of_view(state: TopState) -> Mapping[str, Request]:
    match state.view:
        case "agents":
            return {
                "messages": {"cmd": "search", "max": _FEW},
                "events": {"cmd": "events", "max": _FEW},
            }
        case "inbox":
            return {"inbox": {"cmd": "inbox", "max": _LIST}}
        case "messages":
            return {"messages": {"cmd": "search", "max": _LIST}}
        case "events":
            return {"events": {"cmd": "events", "max": _LIST}}
        case "dead letters":
            return {"dead": {"cmd": "dead_letters", "max": _LIST}}
    return {}


def _of_pane(state: TopState) -> Mapping[str, Request]:
    pane = state.pane
    if pane is None or pane.paused:
        return {}
    name = pane.subject
    match pane.kind:
        case "logs":
            return {f"logs {name}": {"cmd": "logs", "name": name, "lines": LOG_LINES}}
        case "peek":
            return {
                f"turns {name}": {"cmd": "turns", "name": name, "max": 3},
                f"inbox {name}": {"cmd": "inbox", "name": name, "max": 8},
                f"logs {name}": {"cmd": "logs", "name": name, "lines": 40},
            }
        case "trace":
            return {f"trace {name}": {"cmd": "trace", "id": int(name)}}
        case "approval":
            return {
                f"approval {name}": {"cmd": "approval", "id": int(name)},
                f"diff {name}": {"cmd": "diff", "id": int(name)},
            }
    return {}
