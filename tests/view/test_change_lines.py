"""Lines about what agents ran, and about what comes again and again."""

from hive.view.change_lines import (
    approval_lines,
    audit_line,
    behind_lines,
    change_lines,
    history_line,
)
from hive.view.schedule_lines import schedule_lines

AT = "2026-11-22T14:00:00.000Z"
NOW = 1795356060.0  # a minute later

PAST = {"deploy": 7, "source": "approval", "sha": "ab" * 20, "outcome": "deployed"}
PAST |= {"queued_at": AT, "ended_at": AT, "approval": 3, "requested_by": "hm1nd"}


def test_a_deploy_says_who_asked_and_decided_and_whether_it_runs() -> None:
    line = history_line({**PAST, "decided_by": "operator (uid 0)", "runs": True}, NOW)
    assert line.startswith("   7  abababababab  [deployed, runs now]  ")
    assert "approval 3  asked by hm1nd  decided by operator (uid 0)" in line


def test_an_entry_of_the_audit_says_for_whom_it_was_done() -> None:
    row = {"seq": 7, "at": AT, "by": "operator", "verb": "kill", "outcome": "done"}
    row |= {"name": "alice", "socket": "/run/host.sock", "uid": 990, "pid": 42}
    assert audit_line(row) == f"7  {AT}  operator  uid 990 pid 42  kill done  alice"
    shown = audit_line({**row, "via": "phone \x1b[2J"})
    assert shown == f"7  {AT}  operator  uid 990 pid 42  via phone \\x1b[2J  kill done  alice"


def test_mail_that_waits_for_a_new_agent_is_counted_in_words() -> None:
    assert behind_lines({"unread": 1}) == ["Unread:     1 message"]
    assert behind_lines({"unread": 2}) == ["Unread:     2 messages"]
    assert behind_lines({"unread": 0}) == []


def test_a_deploy_that_failed_says_why_and_not_what_was_wished() -> None:
    row = {**PAST, "outcome": "failed", "error": "no such image", "description": "more memory"}
    assert history_line(row, NOW).endswith("  no such image")


def test_a_difference_is_named_as_in_hive_toml_with_what_happens() -> None:
    row = {"table": "manager", "name": "hm1nd", "difference": "changed", "effect": "at restart"}
    assert change_lines({**row, "keys": ["time_limit: - -> 5"]}) == [
        "manager: changed, takes effect at restart",
        "    time_limit: - -> 5",
    ]
    row = {"table": "agents", "name": "bob", "difference": "left over", "effect": "with --prune"}
    assert change_lines(row) == ["agents.bob: left over, is removed with --prune"]


def test_words_of_others_are_escaped() -> None:
    row = {"id": 1, "to": "bob", "when": "every 1h", "timezone": "UTC", "next_at": AT}
    row |= {"requested_by": "hm1nd", "body": "one\n\x1b[31mtwo", "description": "a\x07b"}
    lines = schedule_lines(row)
    assert len(lines) == 3
    assert "every 1h (UTC)" in lines[0]
    assert not any(character in "".join(lines) for character in "\x1b\x07\n")


def test_what_an_approval_asks_for_is_below_the_words_of_who_asks() -> None:
    row = {"id": 1, "kind": "schedule", "agent": "bob", "status": "pending", "requested_at": AT}
    row |= {"requested_by": "hm1nd", "description": "why", "content": "every 1h\n\nlook"}
    lines = approval_lines(row, NOW)
    assert lines[-5:] == ["    why", "", "    every 1h", "    ", "    look"]


def test_only_words_of_a_commit_are_said_to_be_its_words() -> None:
    row = {"id": 1, "kind": "init_config", "agent": "bob", "status": "pending", "requested_at": AT}
    row |= {"requested_by": "hm1nd", "subject": "a first configuration"}
    assert "Subject:    a first configuration" in approval_lines(row, NOW)
    commit = {**row, "kind": "spawn", "author": "m", "subject": "more memory"}
    assert "Its words:  more memory" in approval_lines(commit, NOW)
