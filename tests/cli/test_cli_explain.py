"""`why`, `timeline`, and `status` of one participant: what they ask for, and what they print."""

from __future__ import annotations

import json

import pytest

from hive.errors import ExitStatus, UnavailableError
from hive.wire import change_requests, host
from hive.wire.timeline_rows import Timeline

AT = "2026-11-29T00:00:00Z"

ROW = {
    "name": "alice",
    "running": True,
    "failed": False,
    "needs_update": False,
    "needs_login": False,
    "kind": "agent",
    "state": "running",
    "unread": 1,
    "connected": True,
    "activity": "idle",
    "paused": True,
}

SETTINGS = [
    {"key": "driver", "value": '"claude"', "source": "hive.toml"},
    {"key": "run", "value": '["sh", "-c", "echo \\u001b[2J"]', "source": "hive.toml"},
    {"key": "cwd", "value": '"/src"', "source": "hive.toml"},
    {"key": "memory_max", "value": '"1G"', "source": "hive.toml"},
    {"key": "exec", "source": "default"},
]

TURN = {
    "id": 1,
    "name": "alice",
    "started_at": AT,
    "ended_at": AT,
    "seconds": 3.0,
    "wake": "message",
    "outcome": "failed",
    "messages": [4],
    "input_tokens": 7,
    "output_tokens": 1,
    "cache_read_tokens": 0,
    "cache_write_tokens": 0,
    "cost_usd": 0.25,
    "tools": {},
    "note": "overloaded \x1b[31m",
}


@pytest.fixture
def answers(daemon) -> None:
    daemon.on(host.AgentStatus, {"agent_statuses": [ROW]})
    daemon.on(host.Queues, {"queues": [], "groups": [], "turns": {"running": 0, "waiting": []}})
    daemon.on(host.ListLimits, {"limits": []})
    daemon.on(host.Loops, {"loops": []})
    daemon.on(host.ListQuestions, {"questions": []})
    daemon.on(host.ShowInbox, {"messages": [{"id": 4, "state": "stored", "sent_at": AT}]})
    daemon.on(host.Logs, {"lines": ["last \x1b[2J words"]})
    daemon.on(host.Turns, {"turns": [TURN]})
    daemon.on(change_requests.ShowSettings, {"settings": SETTINGS, "log": "/var/x/output.log"})


def test_why_prints_sentences_with_their_commands(hive, answers) -> None:
    ran = hive("why", "alice")
    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].startswith("alice is running, paused; idle for ")
    assert lines[1].startswith("- it is paused by the operator: its mail waits in its inbox (")
    assert lines[2] == "    hive-c0re resume alice"


def test_why_in_json(hive, answers) -> None:
    found = json.loads(hive("why", "alice", "--json").out)
    assert found["name"] == "alice"
    assert [sorted(each) for each in found["reasons"]] == [
        ["command", "since", "source", "what"]
    ] * 2


def test_why_of_an_unknown_name(hive, answers) -> None:
    ran = hive("why", "alcie")
    assert ran.status == ExitStatus.UNKNOWN_NAME
    assert "did you mean 'alice'?" in ran.err


def test_why_of_the_operator_is_refused(hive, answers) -> None:
    assert hive("why", "operator").status == ExitStatus.REFUSED


def test_status_of_one_has_all_that_is_asked_at_night(hive, answers) -> None:
    ran = hive("status", "alice")
    assert "\x1b" not in ran.out
    for line in (
        "    Program: sh -c 'echo \\x1b[2J'",
        "     Driver: claude",
        "  Directory: /src",
        "     Limits: memory 1G",
        "        Log: /var/x/output.log",
        "  last \\x1b[2J words",
    ):
        assert line in ran.out.splitlines(), ran.out
    assert "Last turn, ended " in ran.out
    assert "failed" in ran.out
    assert "$0.2500" in ran.out


def test_status_of_one_in_json_has_the_same(hive, answers) -> None:
    found = json.loads(hive("status", "alice", "--json").out)
    assert found["log"] == "/var/x/output.log"
    assert found["last_turn"]["outcome"] == "failed"
    assert [each["key"] for each in found["settings"]][:2] == ["driver", "run"]
    assert found["name"] == "alice"


def test_a_part_that_cannot_be_shown_costs_no_status(daemon, hive, answers) -> None:
    daemon.on(host.Turns, UnavailableError("the store is read-only"))
    ran = hive("status", "alice")
    assert ran.status == 0
    assert "alice - running" in ran.out
    assert "its last turn cannot be shown: the store is read-only" in ran.err


def test_chosen_columns_of_one_or_all(hive, answers) -> None:
    assert hive("status", "-o", "name,unread").out == "NAME   UNREAD\nalice       1\n"
    assert hive("status", "alice", "-o", "kind").out == "KIND\nagent\n"
    ran = hive("status", "-o", "naem")
    assert (ran.status, ran.out) == (ExitStatus.USAGE, "")
    assert "there is no column 'naem'; did you mean 'name'?" in ran.err


def test_the_names_of_the_columns_need_no_daemon(run_dir, hive) -> None:
    assert {"name", "memory", "cause"} <= set(hive("status", "-o", "help").out.split())


def test_json_and_columns_do_not_go_together(hive, answers) -> None:
    assert hive("status", "-o", "name", "--json").status == ExitStatus.USAGE
    assert json.loads(hive("status", "--sort", "-name", "--json").out)[0]["name"] == "alice"


def test_a_watch_without_seconds_on_a_terminal(daemon, terminal, answers) -> None:
    shell = terminal("status", "-o", "name,unread", "--watch")
    shell.expect("NAME   UNREAD")
    shell.type("\x03")
    assert shell.end() == 130


def test_timeline_asks_for_a_period_and_escapes(daemon, hive) -> None:
    entry = {
        "at": AT,
        "source": "message",
        "number": 3,
        "what": "sent",
        "detail": {"to": "bob", "state": "acked", "body": "\x1b[2Jhi"},
    }
    daemon.on(Timeline, {"entries": [entry]})
    ran = hive("timeline", "alice", "--since", "2026-11-29T00:00+00:00", "--limit", "7")
    assert ran.out == f"{AT}  message  sent #3 to bob  [acked]  \\x1b[2Jhi\n"
    assert daemon.requests == [Timeline(name="alice", since=1795910400.0, max=7)]
    assert json.loads(hive("timeline", "alice", "--json").out) == [entry]


def test_timeline_says_on_standard_error_why_lines_are_missing(daemon, hive) -> None:
    line = {"at": AT, "source": "output", "what": "printed", "detail": {"line": "ready"}}
    daemon.on(Timeline, {"entries": [line], "missing": "the journal is \x1b[2J gone"})
    ran = hive("timeline", "alice")
    assert ran.out == f"{AT}  output   ready\n"
    assert ran.err == "the journal is \\x1b[2J gone\n"
    assert json.loads(hive("timeline", "alice", "--json").out) == [{**line, "number": None}]


def test_timeline_without_output(daemon, hive) -> None:
    daemon.on(Timeline, {"entries": []})
    assert hive("timeline", "alice", "--no-output").err == ""
    assert daemon.requests == [Timeline(name="alice", output=False)]


def test_a_trace_shows_what_happened_meanwhile(daemon, hive) -> None:
    message = {"id": 4, "from": "bob", "to": "alice", "body": "x", "state": "stored"}
    around = [{"at": AT, "source": "event", "number": 9, "what": "paused", "detail": {}}]
    daemon.on(host.TraceMessage, {"message": message, "steps": [], "around": around})
    assert hive("trace", "4").out.splitlines()[-2:] == ["Meanwhile:", f"  {AT}  event    paused"]
