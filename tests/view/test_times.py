"""Times are shown in one way in each output, and their zone is said."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from hive.clock import rfc3339
from hive.view.change_lines import (
    approval_line,
    approval_lines,
    audit_line,
    deploy_line,
    history_line,
    input_lines,
)
from hive.view.lines import (
    event_line,
    limit_line,
    live_lines,
    message_lines,
    question_lines,
    step_line,
    turn_line,
)
from hive.view.schedule_lines import schedule_lines
from hive.view.status_lines import details, status_lines
from hive.view.text import UNICODE, moment

NOW = 1_800_000_000.0
PAST, SOON = rfc3339(NOW - 7200), rfc3339(NOW + 7200)

STAMP = r"\d{4}-\d\d-\d\dT[\d:.]+Z"
AGE = r"(?:in )?\d+[smhd](?: ago)?"
BOTH = re.compile(rf"{AGE} \({STAMP}\)|{STAMP} \({AGE}\)")

MESSAGE = {"id": 1, "from": "a", "to": "b", "body": "x", "sent_at": PAST, "state": "stored"}
STATUS = {
    "name": "a",
    "kind": "agent",
    "state": "backoff",
    "since": PAST,
    "last_seen": PAST,
    "next_restart_at": SOON,
    "last_end": "exit 1",
    "last_end_at": PAST,
    "unread": 0,
    "status_text": "x",
    "status_set_at": PAST,
    "connected": True,
    "running": False,
    "failed": False,
    "needs_login": False,
    "needs_update": False,
    "paused": False,
    "activity": "working",
    "activity_since": PAST,
    "activity_at": PAST,
}
APPROVAL = {
    "id": 1,
    "agent": "a",
    "kind": "apply",
    "status": "pending",
    "requested_by": "m",
    "requested_at": PAST,
    "expires_at": SOON,
    "on_expiry": "deny",
    "decided_at": PAST,
    "decided_by": "operator",
    "age_seconds": 7200.0,
    "commit_ref": "",
}
DEPLOY = {
    "id": 1,
    "name": "a",
    "sha": "ab" * 20,
    "step": "deployed",
    "source": "approval",
    "queued_at": PAST,
    "ended_at": PAST,
}
QUESTION = {
    "id": 1,
    "asker": "a",
    "to": "b",
    "question": "?",
    "state": "open",
    "asked_at": PAST,
    "expires_at": SOON,
    "on_expiry": "deny",
}
LIMIT = {"account": "x", "until": SOON, "since": PAST, "names": [], "reason": "r"}

OUTPUTS: dict[str, Callable[[], list[str]]] = {
    "inbox": lambda: message_lines(MESSAGE, NOW),
    "trace": lambda: [*message_lines(MESSAGE, None), step_line({"at": PAST, "step": "stored"})],
    "status": lambda: status_lines([STATUS], NOW),
    "status NAME": lambda: details(STATUS, NOW, UNICODE),
    "pending": lambda: [approval_line(APPROVAL, NOW)],
    "approval": lambda: approval_lines(APPROVAL, NOW),
    "deploys": lambda: [deploy_line(DEPLOY, NOW)],
    "history": lambda: [history_line({**DEPLOY, "deploy": 1, "outcome": "deployed"}, NOW)],
    "audit": lambda: [
        audit_line({"seq": 1, "at": PAST, "by": "o", "verb": "v", "outcome": "done"})
    ],
    "questions": lambda: question_lines(QUESTION, NOW),
    "limits": lambda: [limit_line(LIMIT, NOW)],
    "events": lambda: [event_line({"seq": 1, "at": PAST, "event": "started"})],
    "turns": lambda: [
        turn_line({"started_at": PAST, "outcome": "done", "wake": "message", "seconds": 0.0})
    ],
    "inputs": lambda: input_lines(
        [{"name": "n", "reference": "r", "stale": False, "modified_at": PAST}], NOW
    ),
    "schedules": lambda: schedule_lines(
        {
            "id": 1,
            "to": "a",
            "when": "every day",
            "timezone": "UTC",
            "body": "x",
            "next_at": SOON,
            "requested_by": "o",
        }
    ),
}


@pytest.mark.parametrize("verb", OUTPUTS)
def test_an_output_has_ages_or_times_or_always_both(verb: str) -> None:
    text = "\n".join(OUTPUTS[verb]())
    found = {
        "both": bool(BOTH.search(text)),
        "time": bool(re.search(STAMP, BOTH.sub("", text))),
        "age": bool(re.search(r"\b2h\b", BOTH.sub("", text))),
    }
    if verb == "status NAME":  # how long it has been doing something is a duration, no time
        assert "working 2h, reported 2h ago (" in text
        found["age"] = False
    assert sum(found.values()) == 1, (found, text)


def test_a_time_of_day_says_that_it_is_utc() -> None:
    assert live_lines({"at": PAST, "kind": "text", "text": "x"})[0].split()[0] == f"{PAST[11:19]}Z"


def test_a_moment_has_both_and_the_unknown_neither() -> None:
    assert moment(PAST, NOW) == f"2h ago ({PAST})"
    assert moment(SOON, NOW) == f"in 2h ({SOON})"
    assert moment(rfc3339(NOW), NOW).startswith("0s ago (")
    assert moment(None, NOW) == moment("soon", NOW) == "-"
