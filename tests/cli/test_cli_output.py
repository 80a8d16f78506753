"""The output of verbs: for people, for pipes, for programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from hive.clock import rfc3339
from hive.errors import CursorTooOldError, ExitStatus, NotAllowedError
from hive.version import VERSION
from hive.wire import host
from hive.wire.rows import (
    AnswerRow,
    EventRow,
    HindranceRow,
    InboxRow,
    StatusRow,
    TreeRow,
)

EVIL = "\x1b]0;owned\x07\x9b31m\u202eevil\x7f"


def ago(**length: float) -> str:
    """Return the wire time of a moment this long ago."""
    return rfc3339((datetime.now(UTC) - timedelta(**length)).timestamp())


def row(name: str, **fields: object) -> StatusRow:
    known = {
        "running": True,
        "failed": False,
        "needs_update": False,
        "needs_login": False,
        "kind": "agent",
        "state": "running",
    }
    return StatusRow(name=name, **{**known, **fields})


def mail(number: int, body: str, **fields: object) -> InboxRow:
    known = {
        "sender": "alice",
        "to": "operator",
        "sent_at": ago(days=4, hours=3),
        "state": "stored",
    }
    return InboxRow(id=number, body=body, attempt=0, kind="message", **{**known, **fields})


FAILED = row(
    "zoe",
    running=False,
    failed=True,
    state="failed",
    restarts=3,
    reason="killed by the kernel: out of memory",
    source="kernel",
    since=ago(days=4, hours=3),
    last_lines=["before", f"after {EVIL}"],
)
FINE = row(
    "alice", since=ago(days=3, hours=3), unread=2, pid=77, source="kernel", status_text=f"on {EVIL}"
)
PEER = row("damocles", running=False, kind="peer", state="away")


@pytest.fixture(name="rows")
def _rows(daemon):
    daemon.on(host.AgentStatus, {"agent_statuses": [PEER, FINE, FAILED]})


NOTHING = {"descriptions": {}, "projects": {}, "conflicts": {}, "strays": [], "queued": []}
"""What `list --json` has besides names, of a hive without anything remarkable."""


def test_list_prints_one_participant_a_line_with_its_kind(daemon, hive):
    daemon.on(host.ListAgents, {"agents": ["hm1nd", "alice"], "peers": ["damocles"]})

    assert hive("list").out == "hm1nd     manager\nalice     agent\ndamocles  peer\n"
    assert hive("list", "--agents").out == "hm1nd\nalice\n"
    assert hive("list", "--peers").out == "damocles\n"
    assert json.loads(hive("list", "--json").out) == {
        **NOTHING,
        "agents": ["hm1nd", "alice"],
        "peers": ["damocles"],
    }
    answer = {"agents": ["alice"], "peers": [], "projects": {"alice": "parser"}}
    daemon.on(host.ListAgents, answer)
    assert json.loads(hive("list", "--json").out) == {**NOTHING, **answer}


def test_list_says_what_each_participant_is(daemon, hive):
    answer = {
        "agents": ["hm1nd", "alice"],
        "peers": [],
        "descriptions": {"alice": f"the parser {EVIL}"},
    }
    daemon.on(host.ListAgents, answer)

    lines = hive("list").out.splitlines()
    assert lines[0] == "hm1nd  manager"
    assert lines[1].startswith("alice  agent    the parser ")
    assert EVIL not in lines[1], "it is escaped"
    assert json.loads(hive("list", "--json").out) == {**NOTHING, **answer}


def test_list_marks_strays_and_what_is_queued(daemon, hive):
    answer = {
        "agents": ["hm1nd", "alice"],
        "peers": ["damocles"],
        "strays": ["alice"],
        "queued": ["hm1nd"],
        "descriptions": {"alice": "the parser"},
    }
    daemon.on(host.ListAgents, answer)

    assert hive("list").out.splitlines() == [
        "hm1nd     manager, queued",
        "alice     agent, stray     the parser",
        "damocles  peer",
    ]
    assert json.loads(hive("list", "--json").out) == {**NOTHING, **answer}


def test_a_rebuild_prints_what_was_not_applied(daemon, hive):
    daemon.on(host.Rebuild, {"notice": "failed to reload container"})

    done = hive("rebuild", "alice")
    assert (done.status, done.err) == (0, "hive-c0re: failed to reload container\n")


def test_list_of_a_daemon_without_peers(daemon, hive):
    daemon.on(host.ListAgents, {"agents": []})

    assert hive("list", "--peers").out == ""


def test_status_in_a_pipe(hive, rows):
    ran = hive("status")

    assert ran.out.splitlines() == [
        "NAME      STATE    FOR  UNREAD  SEEN  KIND   RESTARTS  PID  SOURCE  NOTE",
        "zoe       failed    4d       0     -  agent         3    -  kernel  "
        "killed by the kernel: out of memory",
        "alice     running   3d       2     -  agent         -   77  kernel  "
        "on \\x1b]0;owned\\x07\\x9b31m\\u202eevil\\x7f",
        "damocles  away       -       0     -  peer          -    -  -       -",
    ]


def test_status_as_json_keeps_the_raw_text_and_the_source(hive, rows):
    ran = hive("status", "--json")

    found = json.loads(ran.out)
    assert [each["name"] for each in found] == ["zoe", "alice", "damocles"]
    assert found[1]["status_text"] == f"on {EVIL}"
    assert found[1]["source"] == "kernel"
    assert found[1]["since"] == FINE.since
    assert ran.out.isascii()
    assert all(char == "\n" or char.isprintable() for char in ran.out)


def test_status_without_participants_is_empty_in_a_pipe(daemon, hive):
    daemon.on(host.AgentStatus, {"agent_statuses": []})

    assert hive("status") == hive("status").__class__(0, "", "")


def test_status_of_one(hive, rows):
    lines = hive("status", "zoe").out.splitlines()

    assert lines[0] == "✖ zoe - failed"
    assert "     Reason: killed by the kernel: out of memory" in lines
    assert "     Source: kernel" in lines
    assert "        PID: -" in lines
    assert f"      Since: 4d ago ({FAILED.since})" in lines
    assert lines[-3:] == [
        "Last lines:",
        "  before",
        "  after \\x1b]0;owned\\x07\\x9b31m\\u202eevil\\x7f",
    ]


def test_status_of_one_asks_for_its_last_lines(daemon, hive, rows):
    daemon.on(host.Logs, {"lines": ["from its log"]})

    assert hive("status", "alice").out.endswith("\nLast lines:\n  from its log\n")
    assert json.loads(hive("status", "alice", "--json").out)["last_lines"] == ["from its log"]
    assert daemon.requests[1] == host.Logs(name="alice", lines=10)


def test_status_of_one_whose_log_cannot_be_read(daemon, hive, rows):
    daemon.on(host.Logs, NotAllowedError("not now"))

    ran = hive("status", "alice")

    assert ran.status == 0
    assert ran.out.startswith("● alice - running\n")
    assert ran.err == "hive-c0re: its last lines cannot be shown: not now\n"


def test_another_version_of_the_daemon_is_said_beside_the_table(daemon, hive, rows):
    daemon.on(host.AgentStatus, {"agent_statuses": [FINE], "daemon_version": "0.0.1"})
    ran = hive("status", "--json")
    assert ran.status == 0
    assert json.loads(ran.out)[0]["harness_version"] is None
    assert f"the daemon is of version 0.0.1, this program of {VERSION}" in ran.err


def test_the_log_of_a_peer_is_not_requested(daemon, hive, rows):
    assert hive("status", "damocles").status == 0
    assert not any(isinstance(each, host.Logs) for each in daemon.requests)


def test_status_of_an_unknown_name(hive, rows):
    ran = hive("status", "alcie")

    assert ran.status == ExitStatus.UNKNOWN_NAME
    assert ran.err == "hive-c0re: there is no participant 'alcie'; did you mean 'alice'?\n"


def test_manager_is_another_name_of_hm1nd(daemon, hive):
    daemon.on(host.AgentStatus, {"agent_statuses": [row("hm1nd", kind="manager")]})
    daemon.on(host.Logs, {"lines": []})

    assert hive("status", "manager").out.startswith("● hm1nd - running\n")


def test_tree(daemon, hive):
    root = TreeRow(
        path="hive-c0re",
        kind="supervisor",
        state="running",
        children=[TreeRow(path="hive-c0re/store", kind="actor", state="running")],
    )
    daemon.on(host.Tree, {"tree": root})

    assert hive("tree").out == ("hive-c0re  supervisor  running\n└── store  actor  running\n")
    assert json.loads(hive("tree", "--json").out)["children"][0]["path"] == "hive-c0re/store"


def test_register_peer_prints_the_path_of_its_socket(daemon, hive):
    daemon.on(host.RegisterPeer, {"socket": "/run/hyperhive/agents/p/mcp.sock"})

    assert hive("register-peer", "p").out == "/run/hyperhive/agents/p/mcp.sock\n"
    assert json.loads(hive("register-peer", "p", "--json").out) == {
        "socket": "/run/hyperhive/agents/p/mcp.sock"
    }


def test_send_prints_the_id(daemon, hive):
    daemon.on(host.OperatorSend, {"id": 42, "recipients": ["bob"]})

    assert hive("send", "bob", "hi").out == "42\n"
    found = json.loads(hive("send", "bob", "hi", "--json").out)
    assert found == {
        "id": 42,
        "recipients": ["bob"],
        "duplicate": False,
        "parked": None,
        "skipped": [],
    }


def end(number, state="answered", to="alice", **fields):
    return {"answers": [AnswerRow(id=number, to=to, state=state, **fields)], "hindrances": []}


def hindered(number, what, to="alice"):
    return {"answers": [], "hindrances": [HindranceRow(id=number, to=to, what=what)]}


def becomes(daemon, *responses, at_first=None):
    """Let the first look at the message find nothing, and its stream these responses."""

    def answer(request):
        return [{}, *responses] if request.follow else [at_first or {"answers": []}]

    daemon.answers[host.Answers] = answer


def test_send_waits_for_the_answer(daemon, hive):
    answer = mail(44, f"done\n{EVIL}\n", in_reply_to=42)
    daemon.on(host.OperatorSend, {"id": 42, "recipients": ["alice"]})
    becomes(daemon, end(42, answer=answer))

    ran = hive("send", "alice", "do it", "--wait")

    assert ran.out == "done\n\\x1b]0;owned\\x07\\x9b31m\\u202eevil\\x7f\n"
    assert ran.status == 0


def test_send_waits_and_answers_in_json(daemon, hive):
    daemon.on(host.OperatorSend, {"id": 42, "recipients": ["alice"]})
    daemon.on(host.Answers, end(42, answer=mail(44, EVIL, in_reply_to=42)))

    found = json.loads(hive("send", "alice", "do it", "--wait=5", "--json").out)

    assert found["id"] == 42
    assert found["answer"]["body"] == EVIL


def test_send_ends_with_the_message_and_says_why_it_gets_no_answer(daemon, hive):
    daemon.on(host.OperatorSend, {"id": 42, "recipients": ["alice"]})
    becomes(daemon, end(42, "dead", reason=f"cancelled {EVIL}"))

    ran = hive("send", "alice", "do it", "--wait")

    assert (ran.status, ran.out) == (ExitStatus.UNANSWERED, "")
    assert ran.err.startswith("hive-c0re: message 42 gets no answer: cancelled ")
    assert "\x1b" not in ran.err


def test_send_says_once_what_hinders_the_recipient_and_waits_on(daemon, hive):
    stopped = hindered(42, "'alice' is stopped; 'hive-c0re start alice' starts it")
    daemon.on(host.OperatorSend, {"id": 42, "recipients": ["alice"]})
    becomes(daemon, stopped, stopped, end(42, answer=mail(44, "yes")), at_first=stopped)

    ran = hive("send", "alice", "do it", "--wait")

    assert (ran.status, ran.out) == (0, "yes\n")
    assert ran.err.count("waiting for an answer of message 42: 'alice' is stopped") == 1


def test_send_to_a_group_prints_each_answer_as_it_comes(daemon, hive):
    skipped = [{"name": "dave", "reason": "is not registered"}]
    daemon.on(host.OperatorSend, {"id": 42, "recipients": ["bob", "carol"], "skipped": skipped})
    becomes(
        daemon,
        end(43, to="carol", answer=mail(44, "from carol", sender="carol", in_reply_to=43)),
        end(42, to="bob", answer=mail(46, f"from bob\n{EVIL}", sender="bob", in_reply_to=42)),
    )

    ran = hive("send", "@ops", "report", "--wait")

    assert ran.status == 0
    heads = [line for line in ran.out.splitlines() if line.startswith("#")]
    assert [head.split()[:2] for head in heads] == [["#44", "carol"], ["#46", "bob"]]
    assert "    from carol\n" in ran.out
    assert "\x1b" not in ran.out
    assert "dave gets no copy: is not registered" in ran.err

    lines = hive("send", "@ops", "report", "--wait", "--json").out.splitlines()
    assert [json.loads(line)["answer"]["from"] for line in lines] == ["carol", "bob"]
    assert {json.loads(line)["id"] for line in lines} == {42}


def test_send_to_a_group_says_who_will_not_answer_and_prints_the_others(daemon, hive):
    daemon.on(host.OperatorSend, {"id": 42, "recipients": ["bob", "carol"]})
    becomes(
        daemon,
        end(42, "acked", to="bob", reason="'bob' has acked it without an answer"),
        end(43, to="carol", answer=mail(44, "yes", sender="carol", in_reply_to=43)),
    )

    ran = hive("send", "@ops", "report", "--wait")

    assert ran.status == ExitStatus.UNANSWERED
    assert "    yes\n" in ran.out
    first, last = ran.err.splitlines()
    assert first == "hive-c0re: bob gives no answer: 'bob' has acked it without an answer"
    assert last == "hive-c0re: 1 of 2 gave no answer: bob"


def test_send_to_a_group_says_who_did_not_answer(daemon, hive):
    daemon.on(host.OperatorSend, {"id": 42, "recipients": ["bob", "carol"]})
    daemon.on(host.Answers, end(42, to="bob", answer=mail(44, "yes", sender="bob")))

    ran = hive("send", "@ops", "report", "--wait", "0")

    assert ran.status == ExitStatus.TIMED_OUT
    assert "    yes\n" in ran.out
    assert "message 42 is stored, but 1 of 2 did not answer within 0 s: carol;" in ran.err


def test_no_answer_in_time(daemon, hive):
    daemon.on(host.OperatorSend, {"id": 42, "recipients": ["alice"]})

    ran = hive("send", "alice", "do it", "--wait", "0")

    assert ran.status == ExitStatus.TIMED_OUT
    assert "message 42 is stored, but no answer came within 0 s" in ran.err


def test_inbox(daemon, hive):
    daemon.on(
        host.ShowInbox,
        {
            "messages": [
                mail(7, "hello\n  indented\n\x1b[2J"),
                mail(8, "b", in_reply_to=7, label="cron", state="dead", reason="3 attempts"),
            ]
        },
    )

    assert hive("inbox").out.splitlines() == [
        "#7  alice -> operator  4d ago  [stored]",
        "    hello",
        "      indented",
        "    \\x1b[2J",
        "#8  alice -> operator  4d ago  reply to #7  label cron  [dead]  3 attempts",
        "    b",
    ]
    found = json.loads(hive("inbox", "--json").out)
    assert [(each["id"], each["from"]) for each in found] == [(7, "alice"), (8, "alice")]
    assert found[0]["body"].endswith("\x1b[2J")


def test_logs(daemon, hive):
    daemon.on(host.Logs, {"lines": ["one", "tab\there", "\x1b[31mred"]})

    assert hive("logs", "bob").out == "one\ntab     here\n\\x1b[31mred\n"
    assert json.loads(hive("logs", "bob", "--json").out) == ["one", "tab\there", "\x1b[31mred"]


EVENTS = [
    EventRow(seq=1, at="2026-01-02T03:04:05.000Z", event="started"),
    EventRow(
        seq=2,
        at="2026-01-02T03:04:06.000Z",
        event="agent_ended",
        name="bob",
        detail={"how": "exited with status 1", "attempt": 3, "by": "kernel"},
    ),
]


def test_events(daemon, hive):
    daemon.on(host.Events, {"events": EVENTS})

    assert hive("events").out.splitlines() == [
        "1  2026-01-02T03:04:05.000Z  started",
        '2  2026-01-02T03:04:06.000Z  agent_ended  bob  how="exited with status 1"  '
        "attempt=3  by=kernel",
    ]
    assert [each["seq"] for each in json.loads(hive("events", "--json").out)] == [1, 2]


def test_events_that_follow_are_one_line_of_json_each(daemon, hive):
    daemon.on(
        host.Events, {"events": EVENTS[:1]}, {"events": EVENTS[1:]}, CursorTooOldError("gone")
    )

    lines = hive("events", "-f", "--json", "--after", "1").out.splitlines()

    assert [json.loads(line)["seq"] for line in lines] == [1, 2]


@pytest.mark.parametrize(
    "args",
    [
        ["start", "a"],
        ["stop", "a"],
        ["restart", "a"],
        ["kill", "a"],
        ["pause", "a"],
        ["spawn", "a", "--", "cat"],
        ["destroy", "a", "--yes"],
        ["unregister-peer", "a"],
        ["shutdown"],
    ],
)
def test_verbs_that_act_are_silent_on_success(daemon, hive, args):
    ran = hive(*args)

    assert (ran.status, ran.out, ran.err) == (0, "", "")
