"""On a terminal, a verb whose result is empty says so; in a pipe it prints nothing.

What acts prints nothing on success; the two tables together have every verb.
"""

from __future__ import annotations

import json

import pytest

from hive.cli.main import VERBS
from hive.wire import host

EMPTY = {
    "agents": [],
    "agent_statuses": [],
    "approvals": [],
    "deploys": [],
    "diff": "",
    "entries": [],
    "events": [],
    "groups": {},
    "ids": [],
    "inputs": [],
    "items": [],
    "limits": [],
    "lines": [],
    "loops": [],
    "changes": [],
    "messages": [],
    "queues": [],
    "questions": [],
    "schedules": [],
    "turns": [],
}
"""The result of every list of a hive without anything in it."""

LISTS: dict[tuple[str, ...], str] = {
    ("list",): "No participants.",
    ("list", "--agents"): "No agents.",
    ("list", "--peers"): "No peers.",
    ("status",): "No agents yet.",
    ("pending",): "Nothing waits for a decision.",
    ("pending", "--all"): "No approvals.",
    ("diff", "1"): "Nothing: the files are those that run.",
    ("audit",): "Nothing was decided or refused yet.",
    ("audit", "bob"): "Nothing was decided or refused yet.",
    ("deploys",): "No deploys.",
    ("history", "bob"): "There is no bob now.",
    ("schedules",): "No schedules.",
    ("update-inputs", "--check"): "No inputs:",
    ("attention",): "Nothing needs you.",
    ("questions",): "No questions.",
    ("inbox",): "No messages.",
    ("search", "x"): "No messages.",
    ("dead-letters",): "No dead letters.",
    ("replay", "--inbox", "bob"): "No such dead letters.",
    ("discard", "--inbox", "bob"): "No such dead letters.",
    ("loops",): "No loops.",
    ("group", "list"): "No groups.",
    ("queues",): "No queues.",
    ("estop",): "No agents.",
    ("thaw",): "No agent is frozen.",
    ("drain",): "No agents.",
    ("turns", "bob"): "No turns of bob yet.",
    ("limits",): "No account is used up.",
    ("logs", "bob"): "No output of bob.",
    ("events",): "No events.",
    ("events", "--after", "7"): "No events after 7.",
    ("timeline", "bob"): "Nothing happened to bob.",
    ("reload",): "The hive is as hive.toml says.",
}

FOR_ALL = frozenset({"estop", "thaw", "drain"})
"""Verbs that act on all agents when none is named: a script is told, too, that there is none."""

OTHERS = frozenset(
    {
        *("serve", "shutdown", "spawn", "start", "stop", "restart", "rebuild", "kill", "destroy"),
        *(
            "pause",
            "resume",
            "cancel",
            "new-session",
            "propose",
            "approve",
            "deny",
            "rollback",
            "init-config",
        ),
        *("schedule", "send", "answer", "reset-loop", "remove-queue", "register-peer"),
        *("attach", "shell"),
        *("unregister-peer", "release", "adopt", "rename", "backup", "export", "import"),
    }
)
"""Verbs that act: silence is success."""

NEVER_EMPTY = frozenset(
    {
        *("init", "check", "schema", "show", "approval", "tree", "trace", "doctor", "install-unit"),
        *(
            "completion",
            "help",
            "image",
            "web-login",
            "web-sessions",
            "metrics",
            "overview",
            "statusline",
            "top",
            "why",
            "model",
        ),
    }
)

FOLLOWERS = frozenset({"watch", "web"})
"""Verbs that only follow something."""


def test_the_tables_have_every_verb() -> None:
    lists = {words[0] for words in LISTS}
    assert lists | OTHERS | NEVER_EMPTY | FOLLOWERS == VERBS.keys()


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_an_empty_result_is_said_on_a_terminal(daemon, terminal, words) -> None:
    daemon.answer_all(EMPTY)
    shell = terminal(*words, columns=200)
    assert shell.end() == 0
    assert LISTS[words] in shell.seen


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_in_a_pipe_it_is_nothing_and_in_json_an_empty_document(daemon, hive, words) -> None:
    daemon.answer_all(EMPTY)
    daemon.on(host.Queues, {"queues": [], "groups": []})
    ran = hive(*words)
    said = f"{LISTS[words]}\n" if words[0] in FOR_ALL else ""
    assert (ran.status, ran.out, ran.err) == (0, said, "")
    if words[0] in {"replay", "discard", "diff", "history"}:
        return
    documented = hive(*words, "--json")
    assert (documented.status, documented.err) == (0, "")
    found = json.loads(documented.out)
    assert not any(found.values() if isinstance(found, dict) else found)


def test_turns_of_a_peer_say_that_it_has_none(daemon, terminal) -> None:
    daemon.on(host.Turns, {"turns": []})
    daemon.on(host.ListAgents, {"agents": ["bob"], "peers": ["lab"]})
    shell = terminal("turns", "lab", columns=200)
    assert shell.end() == 0
    assert "No turns of lab: it is a peer, and peers have none, except those" in shell.seen


def test_watch_says_what_it_follows(daemon, terminal) -> None:
    daemon.on(host.Watch, {})
    shell = terminal("watch", "bob", columns=200)
    shell.expect("Turns of bob, until Ctrl-C; only a harness with a model has any.")
