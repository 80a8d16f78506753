"""The example swarm of the interactive view, as the dashboard is answered about it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hive.clock import Clock
from hive.web.app import WebSite, make_app
from hive.web.login_sessions import SessionBook
from tests.top.swarm_answers import (
    APPROVAL,
    EVENTS,
    ITEMS,
    MESSAGES,
    NOW,
    OVERVIEW,
    SWARM,
    ago,
    message,
)
from tests.web.browsing import Browser
from tests.web.scripted_hive import ScriptedHive
from tests.web.unsaved_account import nothing, unsaved_account


class StillClock:
    """Wall time that stays at `NOW`."""

    def now(self) -> float:
        """Return seconds since 1970-01-01T00:00Z."""
        return NOW


class RunningClock:
    """Wall time of the running loop, of a simulation, which begins at `NOW`."""

    def now(self) -> float:
        """Return seconds since 1970-01-01T00:00Z."""
        return NOW + asyncio.get_running_loop().time()


QUESTION = {
    "id": 12,
    "asker": "coder",
    "to": "operator",
    "question": "merge or rebase?",
    "options": ["merge", "rebase"],
    "multi": False,
    "state": "open",
    "asked_at": ago(720),
    "age_seconds": 720.0,
    "on_expiry": "deny",
    "expires_at": ago(-600),
}

TURN = {
    "id": 7,
    "name": "coder",
    "started_at": ago(300),
    "ended_at": ago(200),
    "seconds": 100.0,
    "wake": "message",
    "outcome": "done",
    "model": "claude-opus-4-8",
    "messages": [29],
    "input_tokens": 1000,
    "output_tokens": 50,
    "cache_read_tokens": 0,
    "cache_write_tokens": 0,
    "cost_usd": 0.25,
    "tools": {"Bash": 3},
}

CODER = {
    **SWARM[0],
    "pending_reminders": 1,
    "active_model": "claude-opus-4-8",
    "active_effort": "high",
}

REMINDER = message(
    41, "reminder", "coder", "look at CI", "stored", type="reminder", not_before=ago(-900)
)

SHA = str(APPROVAL["fetched_sha"])

DIFF = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n"


def example_hive() -> ScriptedHive:
    """Return a daemon of the example swarm."""
    hive = ScriptedHive()
    hive.answers |= {
        "agent_status": {"agent_statuses": [CODER, *SWARM[1:]]},
        "attention": {"items": ITEMS, "working": 1},
        "overview": {"overview": OVERVIEW},
        "search": {"messages": MESSAGES},
        "events": {"events": EVENTS},
        "inbox": {"messages": [MESSAGES[0], REMINDER]},
        "turns": {"turns": [TURN]},
        "questions": {"questions": [QUESTION]},
        "schedules": {"schedules": []},
        "logs": {"lines": ["one", "two"]},
        "pending": {"approvals": [APPROVAL]},
        "approval": {"approval": {**APPROVAL, "on_expiry": "hold"}},
        "diff": {"diff": DIFF, "sha": SHA},
        "trace": {"message": MESSAGES[2], "steps": [{"step": "stored", "at": ago(60)}]},
        "dead_letters": {"messages": [message(17, "coder", "scout", "do it", "dead")]},
        "deploys": {"deploys": []},
        "audit": {"entries": []},
    }
    verbs = ("send", "answer", "approve", "deny", "set_paused", "cancel_turn", "new_session")
    more = ("choose_model", "start", "stop", "restart", "replay", "discard", "mark", "read_mail")
    return with_answers(hive, **{verb: {} for verb in (*verbs, *more)})


def with_answers(hive: ScriptedHive, **answers: Any) -> ScriptedHive:
    """Return a daemon with other answers."""
    hive.answers |= answers
    return hive


def browser_of(
    hive: ScriptedHive,
    book: SessionBook | None = None,
    clock: Clock | None = None,
    save: Callable[[], Awaitable[None]] = nothing,
) -> Browser:
    """Return a browser that is logged in; blocks, since the templates are read."""
    book = book or SessionBook(3600.0)
    cookie = book.log_in(book.new_link(NOW), "a test", NOW)
    clock = clock or StillClock()
    site = WebSite({"127.0.0.1"}, secure=False, save=save)
    account = unsaved_account(hive, book, clock)
    return Browser(make_app(hive, book, site, clock, account), cookie)  # type: ignore[arg-type]
