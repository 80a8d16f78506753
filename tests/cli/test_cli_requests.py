"""Each command line sends exactly the expected request, and the wire accepts it."""

from __future__ import annotations

import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from hive.wire import host
from hive.wire.host import Scope

ROWS = {"agent_statuses": []}
SENT = "2026-11-22T14:00:00.000Z"
MESSAGE = {"id": 7, "from": "ann", "to": "bob", "body": "x", "sent_at": SENT, "state": "stored"}

CASES: dict[str, tuple[list[str], list[Any]]] = {
    "list": (["list"], [host.ListAgents()]),
    "status": (["status"], [host.AgentStatus()]),
    "tree": (["tree"], [host.Tree()]),
    "spawn": (["spawn", "alice"], [host.Spawn(name="alice")]),
    "spawn a program per message": (
        ["spawn", "alice", "--env", "A=b=c", "--env", "E=", "--", "grep", "-v", "x"],
        [host.Spawn(name="alice", run=["grep", "-v", "x"], env={"A": "b=c", "E": ""})],
    ),
    "spawn a program that is the agent": (
        ["spawn", "alice", "--exec", "--cwd", "/tmp", "--", "agentd", "--name", "alice"],
        [host.Spawn(name="alice", exec=["agentd", "--name", "alice"], cwd="/tmp")],
    ),
    "start": (["start", "a", "b"], [host.Start(scope=Scope(agent_names=["a", "b"]))]),
    "start, a name twice": (["start", "a", "a"], [host.Start(scope=Scope(agent_names=["a"]))]),
    "stop": (["stop", "a"], [host.Stop(scope=Scope(agent_names=["a"]), graceful=True)]),
    "stop --now": (
        ["stop", "--now", "a"],
        [host.Stop(scope=Scope(agent_names=["a"]), graceful=False)],
    ),
    "rebuild": (["rebuild", "a", "b"], [host.Rebuild(name="a"), host.Rebuild(name="b")]),
    "restart": (["restart", "a", "b"], [host.Restart(name="a"), host.Restart(name="b")]),
    "kill": (["kill", "a"], [host.Kill(name="a", force=False)]),
    "kill --force": (
        ["kill", "--force", "a", "b"],
        [host.Kill(name="a", force=True), host.Kill(name="b", force=True)],
    ),
    "destroy": (["destroy", "a", "--yes"], [host.Destroy(name="a")]),
    "destroy --purge": (["destroy", "a", "--yes", "--purge"], [host.Destroy(name="a", purge=True)]),
    "pause": (["pause", "a"], [host.SetPaused(name="a", paused=True)]),
    "resume": (
        ["resume", "a", "b"],
        [host.SetPaused(name="a", paused=False), host.SetPaused(name="b", paused=False)],
    ),
    "cancel": (
        ["cancel", "a", "b"],
        [host.CancelTurn(name="a"), host.CancelTurn(name="b")],
    ),
    "new-session": (["new-session", "a"], [host.NewSession(name="a")]),
    "turns": (["turns", "a"], [host.Turns(name="a")]),
    "turns --max": (["turns", "a", "--max", "3"], [host.Turns(name="a", max=3)]),
    "questions": (["questions"], [host.ListQuestions()]),
    "questions --all": (["questions", "--all", "-n", "3"], [host.ListQuestions(all=True, max=3)]),
    "answer": (["answer", "7", "yes"], [host.AnswerQuestion(id=7, answer="yes")]),
    "limits": (["limits"], [host.ListLimits()]),
    "limits --clear": (["limits", "--clear", "acme"], [host.ClearLimit(account="acme")]),
    "register-peer": (["register-peer", "damocles"], [host.RegisterPeer(name="damocles")]),
    "register-peer with all": (
        [
            *("register-peer", "damocles", "--broadcast", "--description", "day job"),
            *("--observe", "container@damocles.service"),
        ],
        [
            host.RegisterPeer(
                name="damocles",
                broadcast=True,
                description="day job",
                observe="container@damocles.service",
            )
        ],
    ),
    "unregister-peer": (["unregister-peer", "p"], [host.UnregisterPeer(name="p", force=False)]),
    "unregister-peer --force": (
        ["unregister-peer", "p", "--force"],
        [host.UnregisterPeer(name="p", force=True)],
    ),
    "search": (
        ["search", "quick fox", "--from", "ann", "--inbox", "ben", "--thread", "7", "-n", "3"],
        [host.Search(text="quick fox", sender="ann", inbox="ben", thread=7, max=3)],
    ),
    "search by time": (
        ["search", "--since", "1970-01-01T00:00:10Z", "--until", "1970-01-01T00:01+00:00"],
        [host.Search(since=10.0, until=60.0)],
    ),
    "inbox --after": (["inbox", "bob", "--after", "7"], [host.ShowInbox(name="bob", after=7)]),
    "send": (["send", "bob", "hello"], [host.OperatorSend(to="bob", body="hello")]),
    "send a reply": (
        ["send", "bob", "yes", "--reply-to", "41"],
        [host.OperatorSend(to="bob", body="yes", in_reply_to=41)],
    ),
    "send with all": (
        [
            *("send", "queue:build", "go", "--priority", "high", "--ttl", "60", "--delay", "5"),
            *("--dedupe-key", "k", "--supersede-key", "s"),
        ],
        [
            host.OperatorSend(
                to="queue:build",
                body="go",
                priority="high",
                ttl_seconds=60,
                delay_seconds=5,
                dedupe_key="k",
                supersede_key="s",
            )
        ],
    ),
    "trace": (["trace", "7"], [host.TraceMessage(id=7)]),
    "dead-letters": (
        ["dead-letters", "--inbox", "bob", "-n", "3"],
        [host.ListDeadLetters(inbox="bob", max=3)],
    ),
    "replay": (["replay", "7", "8"], [host.Replay(ids=[7, 8])]),
    "discard": (
        ["discard", "--sender", "ann", "--older-than", "60"],
        [host.Discard(sender="ann", older_than_seconds=60)],
    ),
    "loops": (["loops"], [host.Loops()]),
    "reset-loop": (["reset-loop", "a", "b"], [host.ResetLoop(names=["a", "b"])]),
    "group": (["group", "list"], [host.Groups()]),
    "group add": (["group", "add", "ops", "a"], [host.ChangeGroup(name="ops", add=["a"])]),
    "group remove": (["group", "remove", "ops", "a"], [host.ChangeGroup(name="ops", remove=["a"])]),
    "queues": (["queues"], [host.Queues()]),
    "remove-queue": (["remove-queue", "jobs"], [host.RemoveQueue(name="jobs")]),
    "remove-queue --force": (
        ["remove-queue", "jobs", "--force"],
        [host.RemoveQueue(name="jobs", force=True)],
    ),
    "inbox": (["inbox"], [host.ShowInbox(name="operator", max=50)]),
    "inbox with all": (
        ["inbox", "--unread", "--ack", "-n", "3"],
        [host.ShowInbox(name="operator", max=3, unread=True, ack=True)],
    ),
    "inbox of another": (["inbox", "bob"], [host.ShowInbox(name="bob")]),
    "logs": (["logs", "bob", "-n", "7"], [host.Logs(name="bob", lines=7)]),
    "events": (["events", "-n", "7", "--after", "3"], [host.Events(max=7, after=3)]),
    "shutdown": (["shutdown"], [host.Shutdown()]),
    "shutdown --keep-agents": (["shutdown", "--keep-agents"], [host.Shutdown(keep_agents=True)]),
}


@pytest.mark.parametrize("case", CASES)
def test_the_requests_of_a_command_line(daemon, hive, case):
    args, expected = CASES[case]
    daemon.on(host.ListAgents, {"agents": []})
    daemon.on(host.AgentStatus, ROWS)
    daemon.on(host.Tree, {"tree": {"path": "hive-c0re", "kind": "supervisor", "state": "running"}})
    daemon.on(host.OperatorSend, {"id": 42})
    daemon.on(host.RegisterPeer, {"socket": "/run/x"})
    daemon.on(host.ShowInbox, {"messages": []})
    daemon.on(host.Search, {"messages": []})
    daemon.on(host.TraceMessage, {"message": MESSAGE, "steps": [{"step": "stored", "at": SENT}]})
    daemon.on(host.ListDeadLetters, {"messages": []})
    daemon.on(host.Replay, {"ids": [7, 8]})
    daemon.on(host.Discard, {"ids": [7]})
    daemon.on(host.Loops, {"loops": []})
    daemon.on(host.Groups, {"groups": {"ops": ["a", "b"]}})
    daemon.on(host.Queues, {"queues": [], "groups": []})
    daemon.on(host.RemoveQueue, {"dead_letters": 0})
    daemon.on(host.Logs, {"lines": []})
    daemon.on(host.Events, {"events": []})
    daemon.on(host.Turns, {"turns": []})
    daemon.on(host.ListQuestions, {"questions": []})
    daemon.on(host.ListLimits, {"limits": []})

    ran = hive(*args)

    assert ran.err == ""
    assert ran.status == 0
    assert daemon.requests == expected


def test_a_relative_directory_is_resolved_from_the_operators(daemon, hive, monkeypatch):
    monkeypatch.chdir("/usr")

    hive("spawn", "alice", "--cwd", "lib", "--", "true")

    assert daemon.requests[0].cwd == "/usr/lib"


@pytest.mark.parametrize(
    ("program", "sent"),
    [("./agent.sh", "/usr/agent.sh"), ("lib/a", "/usr/lib/a"), ("/bin/a", "/bin/a"), ("a", "a")],
)
def test_a_relative_program_is_resolved_from_the_operators_directory(
    daemon, hive, monkeypatch, program, sent
):
    monkeypatch.chdir("/usr")

    hive("spawn", "alice", "--", program, "./x")
    hive("spawn", "bob", "--exec", "--cwd", "/tmp", "--", program, "./x")

    assert daemon.requests[0].run == [sent, "./x"]
    assert daemon.requests[1].exec == [sent, "./x"]


@pytest.mark.parametrize("dash", [[], ["-"]])
def test_a_body_from_standard_input_is_sent_exactly(daemon, hive, monkeypatch, dash):
    stdin = TextIOWrapper(BytesIO("first\n\tzweite Zeile ü\r\n".encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    daemon.on(host.OperatorSend, {"id": 42})

    assert hive("send", "bob", *dash).status == 0

    assert daemon.requests == [host.OperatorSend(to="bob", body="first\n\tzweite Zeile ü\r\n")]


def test_a_body_may_begin_with_a_dash(daemon, hive):
    daemon.on(host.OperatorSend, {"id": 42})

    hive("send", "bob", "--", "--not-an-option")

    assert daemon.requests == [host.OperatorSend(to="bob", body="--not-an-option")]


def test_follow_asks_for_a_stream(daemon, hive):
    # A refusal ends the stream at once.
    from hive.errors import UnknownNameError

    daemon.on(host.Logs, UnknownNameError("no"))
    daemon.on(host.Events, UnknownNameError("no"))
    daemon.on(host.Watch, UnknownNameError("no"))

    hive("logs", "bob", "-f", "-n", "2")
    hive("events", "--follow", "-n", "0")
    hive("watch", "bob", "-n", "3")

    assert daemon.requests == [
        host.Logs(name="bob", lines=2, follow=True),
        host.Events(max=0, follow=True),
        host.Watch(name="bob", max=3),
    ]


def test_every_verb_of_the_program_is_covered_here():
    from hive.cli.main import VERBS

    sent = {args[0] for args, _ in CASES.values()}
    unsent = {"serve", "completion", "doctor", "install-unit", "backup", "watch"}
    assert sent == set(VERBS) - unsent


def test_the_environment_names_the_directory_of_the_socket(hive, run_dir: Path):
    ran = hive("list")

    assert ran.status == 3
    assert str(run_dir / "host.sock") in ran.err
