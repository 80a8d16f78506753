"""Each command line sends exactly the expected request, and the wire accepts it."""

from __future__ import annotations

import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from hive.wire import attention, host, schedules
from hive.wire import change_requests as changes
from hive.wire.claude import Effort
from hive.wire.enums import StoredState
from hive.wire.host import Scope
from hive.wire.metric_rows import ShowMetrics
from hive.wire.overview_rows import ShowOverview
from hive.wire.timeline_rows import Timeline
from hive.wire.turn_rows import ChooseModel

ANN = {"name": "ann", "kind": "agent", "state": "running", "connected": True}
ROWS = {"agent_statuses": [ANN]}
DRIVER = {"key": "driver", "value": '"claude"', "source": "hive.toml"}
SENT = "2026-11-22T14:00:00.000Z"
MESSAGE = {"id": 7, "from": "ann", "to": "bob", "body": "x", "sent_at": SENT, "state": "stored"}

APPROVAL = {
    "id": 3,
    "agent": "alice",
    "kind": "apply_commit",
    "status": "pending",
    "requested_at": SENT,
    "requested_by": "hm1nd",
}
SCHEDULE = {
    "id": 3,
    "to": "bob",
    "when": "every 2h",
    "timezone": "UTC",
    "body": "look",
    "requested_by": "operator",
    "next_at": SENT,
}
DEPLOY = {"id": 3, "name": "alice", "source": "rollback", "sha": "ab" * 20, "step": "queued"}

BOTH = host.CheckNames(names=["a", "b"])

CASES: dict[str, tuple[list[str], list[Any]]] = {
    "statusline": (["statusline"], [attention.ShowAttention()]),
    "attention": (["attention", "pin", "a"], [attention.SetMark(key="a", pinned=True)]),
    "list": (["list"], [host.ListAgents()]),
    "history": (
        ["history", "alice", "-n", "3", "--before", "9"],
        [changes.History(name="alice", max=3, before=9)],
    ),
    "init-config": (["init-config", "alice"], [changes.InitConfig(name="alice")]),
    "propose": (["propose", "alice"], [changes.RequestSpawn(name="alice")]),
    "propose with all": (
        ["propose", "alice", "abcdef0", "--description", "more", "--yes"],
        [
            changes.RequestSpawn(name="alice", commit_ref="abcdef0", description="more"),
            changes.Approve(id=APPROVAL["id"], sha="cd" * 20, note="propose --yes"),
        ],
    ),
    "init-config --from": (
        ["init-config", "alice", "--from", "claude"],
        [changes.InitConfig(name="alice", template="claude")],
    ),
    "schedule": (
        ["schedule", "bob", "every 2h", "look"],
        [schedules.CreateSchedule(to="bob", when="every 2h", body="look")],
    ),
    "schedule --timezone": (
        ["schedule", "bob", "0 9 * * *", "x", "--timezone", "UTC", "--description", "why"],
        [
            schedules.CreateSchedule(
                to="bob", when="0 9 * * *", body="x", timezone="UTC", description="why"
            )
        ],
    ),
    "schedules": (["schedules"], [schedules.ListSchedules()]),
    "schedules --cancel": (["schedules", "--cancel", "3"], [schedules.CancelSchedule(id=3)]),
    "list --agents": (["list", "--agents"], [host.ListAgents()]),
    "status": (["status"], [host.AgentStatus()]),
    "tree": (["tree"], [host.Tree()]),
    "spawn": (["spawn", "alice", "--", "cat"], [host.Spawn(name="alice", run=["cat"])]),
    "spawn a program per message": (
        ["spawn", "alice", "--env", "A=b=c", "--env", "E=", "--", "grep", "-v", "x"],
        [host.Spawn(name="alice", run=["grep", "-v", "x"], env={"A": "b=c", "E": ""})],
    ),
    "spawn a program that is the agent": (
        ["spawn", "alice", "--exec", "--cwd", "/tmp", "--", "agentd", "--name", "alice"],
        [host.Spawn(name="alice", exec=["agentd", "--name", "alice"], cwd="/tmp")],
    ),
    "spawn --from claude": (
        ["spawn", "alice", "--from", "claude"],
        [host.Spawn(name="alice", manifest='driver = "claude"\n')],
    ),
    "spawn --from command": (
        ["spawn", "alice", "--from", "command", "--", "grep"],
        [host.Spawn(name="alice", run=["grep"])],
    ),
    "spawn --from an agent": (
        ["spawn", "alice", "--from", "bob"],
        [host.Spawn(name="alice", template="bob")],
    ),
    "spawn --driver": (
        ["spawn", "alice", "--driver", "claude", "--time-limit", "90", "--description", "parser"],
        [host.Spawn(name="alice", driver="claude", time_limit=90.0, description="parser")],
    ),
    "start": (["start", "a", "b"], [host.Start(scope=Scope(agent_names=["a", "b"]))]),
    "start, a name twice": (["start", "a", "a"], [host.Start(scope=Scope(agent_names=["a"]))]),
    "stop": (["stop", "a"], [host.Stop(scope=Scope(agent_names=["a"]), graceful=True)]),
    "stop --now": (
        ["stop", "--now", "a"],
        [host.Stop(scope=Scope(agent_names=["a"]), graceful=False)],
    ),
    "rebuild": (["rebuild", "a", "b"], [BOTH, host.Rebuild(name="a"), host.Rebuild(name="b")]),
    "restart": (["restart", "a", "b"], [BOTH, host.Restart(name="a"), host.Restart(name="b")]),
    "kill": (["kill", "a"], [host.Kill(name="a", force=False)]),
    "kill --force": (
        ["kill", "--force", "a", "b"],
        [BOTH, host.Kill(name="a", force=True), host.Kill(name="b", force=True)],
    ),
    "destroy": (["destroy", "a", "--yes"], [host.Destroy(name="a")]),
    "destroy --purge": (["destroy", "a", "--yes", "--purge"], [host.Destroy(name="a", purge=True)]),
    "timeline": (["timeline", "a", "-n", "3"], [Timeline(name="a", max=3)]),
    "estop": (["estop"], [host.Estop()]),
    "thaw": (["thaw", "a", "b"], [host.Thaw(names=["a", "b"])]),
    "drain": (["drain", "--timeout", "5"], [host.Drain()]),
    "drain --no-wait": (["drain", "a", "--no-wait"], [host.Drain(names=["a"])]),
    "pause": (["pause", "a"], [host.SetPaused(name="a", paused=True)]),
    "resume": (
        ["resume", "a", "b"],
        [BOTH, host.SetPaused(name="a", paused=False), host.SetPaused(name="b", paused=False)],
    ),
    "cancel": (
        ["cancel", "a", "b"],
        [
            host.CheckNames(names=["a", "b"], orders=True),
            host.CancelTurn(name="a"),
            host.CancelTurn(name="b"),
        ],
    ),
    "new-session": (["new-session", "a"], [host.NewSession(name="a")]),
    "model": (
        ["model", "ann"],
        [host.AgentStatus(), changes.ShowSettings(name="ann")],
    ),
    "model, chosen": (
        ["model", "ann", "opus", "--effort", "max"],
        [
            *(host.AgentStatus(), changes.ShowSettings(name="ann")),
            ChooseModel(name="ann", model="opus", effort=Effort.MAX),
        ],
    ),
    "turns": (["turns", "a"], [host.Turns(name="a")]),
    "turns --max": (["turns", "a", "--max", "3"], [host.Turns(name="a", max=3)]),
    "reload": (["reload"], [changes.Reload()]),
    "reload --prune": (
        ["reload", "--dry-run", "--prune"],
        [changes.Reload(dry_run=True, prune=True)],
    ),
    "show": (["show", "alice"], [changes.ShowSettings(name="alice")]),
    "pending": (["pending"], [changes.Pending()]),
    "pending --all": (["pending", "--all"], [changes.Pending(max=100)]),
    "approval": (["approval", "3"], [changes.ShowApproval(id=3)]),
    "diff": (["diff", "3"], [changes.ShowDiff(id=3)]),
    "diff --base": (["diff", "3", "--base", "abc"], [changes.ShowDiff(id=3, base="abc")]),
    "approve": (
        ["approve", "3", "4"],
        [
            *(changes.ShowApproval(id=3), changes.ShowApproval(id=4)),
            *(changes.Approve(id=3), changes.Approve(id=4)),
        ],
    ),
    "approve --sha": (
        ["approve", "3", "--sha", "abc", "--note", "fine"],
        [changes.Approve(id=3, sha="abc", note="fine")],
    ),
    "deny": (["deny", "3", "--reason", "no"], [changes.Deny(id=3, note="no")]),
    "audit": (["audit"], [changes.Audit(max=50)]),
    "audit NAME": (["audit", "alice", "-n", "3"], [changes.Audit(name="alice", max=3)]),
    "audit --before": (["audit", "--before", "9"], [changes.Audit(max=50, before=9)]),
    "deploys --before": (
        ["deploys", "alice", "--before", "9"],
        [changes.ListDeploys(name="alice", max=50, before=9)],
    ),
    "pending --before": (
        ["pending", "--all", "--before", "9"],
        [changes.Pending(max=100, before=9)],
    ),
    "dead-letters --before": (
        ["dead-letters", "--before", "9"],
        [host.ListDeadLetters(max=50, before=9)],
    ),
    "search --before": (["search", "x", "--before", "9"], [host.Search(text="x", before=9)]),
    "events --before": (["events", "--before", "9"], [host.Events(max=50, before=9)]),
    "deploys": (["deploys"], [changes.ListDeploys(max=50)]),
    "deploys NAME": (["deploys", "alice"], [changes.ListDeploys(name="alice", max=50)]),
    "deploys --cancel": (["deploys", "--cancel", "3"], [changes.CancelDeploy(id=3)]),
    "rollback": (["rollback", "alice"], [changes.Rollback(name="alice")]),
    "rollback of inputs": (["rollback", "*"], [changes.Rollback(name="*")]),
    "rollback ID": (["rollback", "alice", "3"], [changes.Rollback(name="alice", id=3)]),
    "questions": (["questions"], [host.ListQuestions()]),
    "questions --all": (["questions", "--all", "-n", "3"], [host.ListQuestions(all=True, max=3)]),
    "answer": (["answer", "7", "yes"], [host.AnswerQuestion(id=7, answer="yes")]),
    "limits": (["limits"], [host.ListLimits()]),
    "metrics": (["metrics"], [ShowMetrics()]),
    "overview": (["overview"], [ShowOverview()]),
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
    "update-inputs": (
        ["update-inputs", "nixpkgs", "--description", "a fix"],
        [changes.UpdateInputs(inputs=["nixpkgs"], description="a fix"), changes.ShowDiff(id=3)],
    ),
    "update-inputs --yes": (
        ["update-inputs", "--yes"],
        [
            *(changes.UpdateInputs(inputs=[]), changes.ShowDiff(id=3)),
            changes.Approve(id=3, sha="cd" * 32, note="update-inputs --yes"),
        ],
    ),
    "update-inputs --check": (["update-inputs", "--check"], [changes.ListInputs()]),
    "release": (["release", "alice"], [changes.Release(name="alice")]),
    "adopt": (["adopt", "damocles"], [changes.Adopt(name="damocles")]),
    "adopt with all": (
        [
            *("adopt", "damocles", "--driver", "command", "--stop", "--dry-run", "--yes"),
            *("--", "grep", "-v", "x"),
        ],
        [
            changes.Adopt(
                name="damocles",
                driver="command",
                run=["grep", "-v", "x"],
                stop=True,
                dry_run=True,
                approve=True,
            )
        ],
    ),
    "rename": (["rename", "bob", "ben"], [changes.Rename(name="bob", new="ben")]),
    "rename --restart": (
        ["rename", "bob", "ben", "--restart"],
        [changes.Rename(name="bob", new="ben", restart=True)],
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
        ["discard", "--sender", "ann", "--older-than", "60", "--state", "dead", "--reason", "old"],
        [
            host.Discard(
                sender="ann", older_than_seconds=60, states=[StoredState.DEAD], reason="old"
            )
        ],
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


OVERVIEW = {
    "host": "box",
    "version": "1",
    "started_at": SENT,
    "now": SENT,
    "store_ok": True,
}


ANSWERS = {
    host.Estop: {"agents": []},
    host.Thaw: {"agents": []},
    host.Drain: {"agents": []},
    host.ListAgents: {"agents": []},
    Timeline: {"entries": []},
    host.AgentStatus: ROWS,
    host.Tree: {"tree": {"path": "hive-c0re", "kind": "supervisor", "state": "running"}},
    host.OperatorSend: {"id": 42},
    host.RegisterPeer: {"socket": "/run/x"},
    host.ShowInbox: {"messages": []},
    host.Search: {"messages": []},
    host.TraceMessage: {"message": MESSAGE, "steps": [{"step": "stored", "at": SENT}]},
    host.ListDeadLetters: {"messages": []},
    host.Replay: {"ids": [7, 8]},
    host.Discard: {"ids": [7]},
    host.Loops: {"loops": []},
    host.Groups: {"groups": {"ops": ["a", "b"]}},
    host.Queues: {"queues": [], "groups": []},
    host.RemoveQueue: {"dead_letters": 0},
    host.Logs: {"lines": []},
    host.Events: {"events": []},
    host.Turns: {"turns": []},
    host.ListQuestions: {"questions": []},
    host.ListLimits: {"limits": []},
    ShowMetrics: {"metrics": []},
    ShowOverview: {"overview": OVERVIEW},
    changes.Reload: {"changes": []},
    changes.ShowSettings: {"settings": [DRIVER]},
    changes.Pending: {"approvals": []},
    changes.ShowApproval: {"approval": APPROVAL},
    changes.ShowDiff: {"diff": ""},
    changes.Approve: {"approval": APPROVAL},
    changes.RequestSpawn: {"approval": {**APPROVAL, "fetched_sha": "cd" * 20}},
    changes.UpdateInputs: {"approval": {**APPROVAL, "fetched_sha": "cd" * 32}},
    changes.ListInputs: {"inputs": []},
    changes.Deny: {"approval": APPROVAL},
    changes.Audit: {"entries": []},
    changes.ListDeploys: {"deploys": []},
    changes.CancelDeploy: {"deploy": DEPLOY},
    changes.Rollback: {"deploy": DEPLOY},
    changes.History: {"name": "alice", "entries": [], "runs": "hive.toml"},
    changes.InitConfig: {"path": "/state/proposed/alice", "commit": "ab" * 20},
    schedules.CreateSchedule: {"schedule": SCHEDULE},
    schedules.ListSchedules: {"schedules": [SCHEDULE]},
    schedules.CancelSchedule: {"schedule": {**SCHEDULE, "ended_at": SENT}},
    changes.Adopt: {"manifest": "", "notes": [], "approval": APPROVAL},
}
"""What the daemon answers to each request."""


@pytest.mark.parametrize("case", CASES)
def test_the_requests_of_a_command_line(daemon, hive, case):
    args, expected = CASES[case]
    for request, answer in ANSWERS.items():
        daemon.on(request, answer)

    ran = hive(*args)

    assert ran.err == ""
    assert ran.status == 0
    assert daemon.requests == expected


def test_the_manifest_of_an_adoption_is_sent_with_its_path(daemon, hive, tmp_path):
    daemon.on(changes.Adopt, {"manifest": "", "notes": [], "approval": APPROVAL})
    file = tmp_path / "mine.toml"
    file.write_text('run = ["./answer.sh"]\n')

    hive("adopt", "damocles", "--file", str(file))

    [request] = daemon.requests
    assert (request.manifest, request.manifest_path) == (file.read_text(), str(file))


def test_the_check_of_inputs_takes_nothing_else(daemon, hive):
    ran = hive("update-inputs", "nixpkgs", "--check")

    assert ran.status == 2
    assert "--check only shows all inputs" in ran.err
    assert daemon.requests == []


def test_a_dry_run_prints_the_manifest_and_what_stands_against_it(daemon, hive):
    found = {"manifest": "tasks_max = 9\n", "notes": [], "refusal": "the container runs"}
    daemon.on(changes.Adopt, found)

    ran = hive("adopt", "damocles", "--dry-run")

    assert ran.out == "tasks_max = 9\n"
    assert "the container runs" in ran.err


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


@pytest.mark.parametrize("option", ["--file", "--from"])
def test_a_manifest_is_sent_with_its_path(daemon, hive, monkeypatch, tmp_path, option):
    (tmp_path / "agent.toml").write_text('exec = ["a"]\n')
    monkeypatch.chdir(tmp_path)
    daemon.on(host.Spawn, {"manifest": 'exec = ["a"]\n\n[env]\n'})
    ran = hive("spawn", "alice", option, "agent.toml", "--dry-run")
    assert ran.out == 'exec = ["a"]\n\n[env]\n'
    assert daemon.requests == [
        host.Spawn(
            name="alice",
            manifest='exec = ["a"]\n',
            manifest_path=str(tmp_path / "agent.toml"),
            dry_run=True,
        )
    ]


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
    hive("events", "--follow", "--after", "3")
    hive("watch", "bob", "-n", "3")

    assert daemon.requests == [
        host.Logs(name="bob", lines=2, follow=True),
        host.Events(after=3, follow=True),
        host.Watch(name="bob", max=3),
    ]


def test_every_verb_of_the_program_is_covered_here():
    from hive.cli.main import VERBS

    sent = {args[0] for args, _ in CASES.values()}
    unsent = {
        *(
            "serve",
            "init",
            "check",
            "schema",
            "completion",
            "help",
            "doctor",
            "install-unit",
            "image",
            "backup",
            "watch",
            "top",
            "web",
            "web-login",
            "web-sessions",
        ),
        *("export", "import", "attach", "shell", "why"),
    }
    assert sent == set(VERBS) - unsent


def test_the_environment_names_the_directory_of_the_socket(hive, run_dir: Path):
    ran = hive("list")

    assert ran.status == 3
    assert str(run_dir / "host.sock") in ran.err


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("start", host.Start(scope=Scope(agent_names=["hm1nd", "alice"]))),
        ("stop", host.Stop(scope=Scope(agent_names=["hm1nd", "alice"]))),
    ],
)
def test_all_stands_for_every_agent_and_for_no_peer(daemon, hive, verb, expected):
    daemon.on(host.ListAgents, {"agents": ["hm1nd", "alice"], "peers": ["damocles"]})
    assert hive(verb, "--all").status == 0
    assert daemon.requests == [host.ListAgents(), expected]


@pytest.mark.parametrize("verb", ["start", "stop"])
def test_all_of_a_hive_without_agents_is_nothing(daemon, hive, verb):
    daemon.on(host.ListAgents, {"agents": []})
    assert hive(verb, "--all").status == 0
    assert daemon.requests == [host.ListAgents()]
