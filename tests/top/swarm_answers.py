"""A hive with all that can wait, fail and run, as the daemon answers, and keys pressed in it."""

from __future__ import annotations

from typing import Any

from hive.clock import rfc3339
from hive.top.chosen import after_answers
from hive.top.key_presses import press
from hive.top.last_answers import LastAnswers
from hive.top.state import TopState

NOW = 1_700_000_000.0

Row = dict[str, Any]


def ago(seconds: float) -> str:
    """Return the wire time of a moment this many seconds before `NOW`."""
    return rfc3339(NOW - seconds)


def agent(name: str, state: str = "running", **fields: Any) -> Row:
    """Return the status row of an agent."""
    known = {"kind": "agent", "running": state == "running", "failed": state == "failed"}
    return {"name": name, "state": state, "since": ago(300), "unread": 0, **known, **fields}


SWARM = [
    agent(
        "coder",
        tier="waiting",
        tier_since=ago(720),
        activity="waiting",
        activity_since=ago(720),
        activity_about="merge or rebase?",
        project="web",
        unread=2,
        unread_since=ago(730),
        context_fill=0.61,
        context_at=ago(2),
        tokens_today=1_234_567,
        cost_today_usd=3.4,
        memory_bytes=1_181_116_006,
        cpu_percent=12.4,
        resources_at=ago(2),
        restarts=0,
        last_seen=ago(1),
    ),
    agent(
        "tester",
        tier="running",
        tier_since=ago(250),
        activity="working",
        activity_since=ago(250),
        activity_about="pytest -k broker",
        turn_since=ago(250),
        project="web",
        context_fill=0.34,
        context_at=ago(200),
        memory_bytes=950_000_000,
        cpu_percent=99.0,
        resources_at=ago(200),
        restarts=1,
        last_seen=ago(2),
    ),
    agent("docs", tier="idle", activity="idle", activity_since=ago(90), restarts=0),
    agent(
        "scout",
        "failed",
        tier="failed",
        tier_since=ago(660),
        reason="exited with status 4",
        cause="boom: no such key",
        restarts=3,
        unread=1,
        last_seen=ago(660),
    ),
    agent("old", "stopped", tier="stopped", tier_since=ago(90_000), paused=True),
    agent("hm1nd", kind="manager", activity="idle", tier="idle", tier_since=ago(60)),
    agent(
        "damocles",
        "connected",
        kind="peer",
        running=True,
        tier="running",
        status_text="day job",
        status_set_at=ago(60),
        last_seen=ago(40),
    ),
]

ITEMS = [
    {
        "id": "question-12",
        "kind": "question",
        "name": "coder",
        "number": 12,
        "text": "merge or rebase?",
        "since": ago(720),
        "options": ["merge", "rebase", "neither"],
        "blocks": ["coder", "tester"],
        "expires_at": ago(-600),
        "on_expiry": "deny",
    },
    {
        "id": "approval-3",
        "kind": "approval",
        "name": "docs",
        "number": 3,
        "text": "config of docs: more memory",
        "since": ago(180),
        "blocks": [],
    },
    {
        "id": "failed-scout",
        "kind": "failure",
        "name": "scout",
        "number": None,
        "text": "scout failed: boom: no such key",
        "since": ago(660),
        "blocks": [],
    },
    {
        "id": "dead-17",
        "kind": "dead_letter",
        "name": "scout",
        "number": 17,
        "text": "message 17 of coder to scout: tried 5 times",
        "since": ago(600),
        "blocks": [],
    },
    {
        "id": "mail-31",
        "kind": "mail",
        "name": "tester",
        "number": 31,
        "text": "tester: all tests pass",
        "since": ago(30),
        "snoozed_until": ago(-3600),
    },
]

OVERVIEW = {
    "host": "box1",
    "version": "0.1.0",
    "started_at": ago(93_000),
    "sent_per_second": 4.25,
    "store_bytes": 41_000_000,
    "store_free_bytes": 120_000_000_000,
    "store_ok": True,
    "limits": [{"account": "1a2b3c", "until": ago(-7200), "names": ["coder"]}],
    "turns_running": 1,
    "turns_limit": 4,
    "turns_waiting": 0,
}

APPROVAL = {
    "id": 3,
    "agent": "docs",
    "kind": "config",
    "commit_ref": "main",
    "fetched_sha": "a41f9c2d5e6f708192a3b4c5d6e7f80912a3b4c5",
    "requested_at": ago(180),
    "status": "pending",
    "requested_by": "hm1nd",
    "age_seconds": 180.0,
    "description": "more memory",
}


def message(number: int, sender: str, to: str, body: str, state: str = "acked", **more: Any) -> Row:
    """Return a message as `inbox` and `search` have it."""
    own = {"id": number, "from": sender, "to": to, "body": body, "state": state, "attempt": 1}
    return {**own, "kind": "agent", "sent_at": ago(60), **more}


def event(seq: int, kind: str, name: str | None, **detail: Any) -> Row:
    """Return an event."""
    return {"seq": seq, "at": ago(100 - seq), "event": kind, "name": name, "detail": detail}


MESSAGES = [
    message(29, "coder", "tester", "please run the tests", ended_at=ago(50)),
    message(30, "tester", "coder", "they pass\nall of them", "leased", attempt=2),
    message(31, "tester", "operator", "all tests pass", "stored"),
]

EVENTS = [
    event(1, "started", "scout", pid=4),
    event(2, "ended", "scout", reason="exited with status 4", last_lines=["boom: no such key"]),
    event(3, "restarting", "scout", in_seconds=0.4, attempt=2),
    event(4, "failed", "scout", reason="exited with status 4"),
    event(5, "approval_requested", "docs", approval=3, what="config", status="pending"),
]


def answers(**found: Any) -> LastAnswers:
    """Return the answers of a daemon with the swarm; those given replace some, by their keys."""
    known = {
        "status": {"ok": True, "agent_statuses": SWARM},
        "overview": {"ok": True, **OVERVIEW},
        "attention": {"ok": True, "items": ITEMS},
        "approvals": {"ok": True, "approvals": [APPROVAL]},
        "messages": {"ok": True, "messages": MESSAGES},
        "events": {"ok": True, "events": EVENTS},
    }
    kept = {key: value for key, value in {**known, **found}.items() if value is not None}
    return LastAnswers(kept, {}, NOW)


def rows_of(*rows: Row) -> Row:
    """Return the answer to `agent_status` with these rows."""
    return {"ok": True, "agent_statuses": list(rows)}


def state_of(found: LastAnswers | None = None, **chosen: Any) -> TopState:
    """Return the state after a round of answers."""
    return after_answers(TopState(**chosen), answers() if found is None else found, NOW)


def again(state: TopState, found: LastAnswers, now: float = NOW) -> TopState:
    """Return the state after one more round of answers."""
    return after_answers(state, found, now)


def pressed(state: TopState, *keys: str) -> tuple[TopState, Any]:
    """Press keys, and return the state and the action of the last one."""
    action = None
    for key in keys:
        state, action = press(state, key, NOW)
    return state, action


def typed(state: TopState, text: str) -> TopState:
    """Type the characters of a text."""
    for character in text:
        state, _ = press(state, "space" if character == " " else character, NOW)
    return state
