"""Completion offers what a verb can act on, each name once, and `*` never."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import termios
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from hive.cli.attention_verbs import ACTIONS
from hive.cli.json_outputs import OUTPUTS
from hive.cli.main import VERBS
from hive.cli.program import cli
from hive.shell_completion import ZSH_START
from hive.wire import attention, change_requests, host, schedules

STATES = {"hm1nd": "running", "alice": "running", "bob": "stopped", "carl": "failed"}
"""The states of the agents."""

ROWS = [
    {"name": name, "kind": "agent", "state": state, "paused": name == "alice", "connected": True}
    | ({"frozen_since": "2026-05-01T14:00:00.000Z"} if name == "carl" else {})
    for name, state in STATES.items()
] + [{"name": "laptop", "kind": "peer", "state": "away", "paused": False, "connected": False}]


@pytest.fixture(name="answers")
def _answers(daemon):
    daemon.on(host.ListAgents, {"agents": list(STATES), "peers": ["laptop"]})
    daemon.on(host.AgentStatus, {"agent_statuses": ROWS})
    group, queue = {"name": "all", "members": [], "unread": 0}, {"name": "jobs"}
    daemon.on(host.Queues, {"queues": [queue], "groups": [group]})
    daemon.on(host.Groups, {"groups": {"all": ["bob"]}})
    daemon.on(host.ListQuestions, {"questions": [{"id": 7}, {"id": 19}]})
    daemon.on(change_requests.Pending, {"approvals": [{"id": 3}, {"id": 4}]})
    ended = {"id": 11, "ended_at": "2026-05-01T14:00:00.000Z"}
    daemon.on(change_requests.ListDeploys, {"deploys": [ended, {"id": 12}]})
    daemon.on(change_requests.History, {"entries": [{"deploy": 11}]})
    daemon.on(change_requests.ListInputs, {"inputs": [{"name": "nixpkgs"}]})
    daemon.on(host.Loops, {"loops": [{"pair": ["alice", "bob"]}, {"pair": ["bob", "laptop"]}]})
    daemon.on(host.ListDeadLetters, {"messages": [{"id": 42}]})
    daemon.on(host.ListLimits, {"limits": [{"account": "a1b2"}]})
    items = [{"id": "question-19", "kind": "question"}, {"id": "failed-bob", "kind": "failure"}]
    daemon.on(attention.ShowAttention, {"items": items})
    daemon.on(schedules.ListSchedules, {"schedules": [{"id": 5}]})
    return daemon


def offered(*words: str, typed: str = "") -> list[str]:
    shell = ShellComplete(cli, {}, "hive-c0re", "_HIVE_C0RE_COMPLETE")
    return [each.value for each in shell.get_completions(list(words), typed)]


AGENTS = list(STATES)
ALL = [*AGENTS, "laptop"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        *((verb, AGENTS) for verb in ("restart", "rebuild", "drain", "logs", "rollback")),
        ("start", ["bob", "carl"]),
        ("stop", ["hm1nd", "alice", "carl"]),
        ("kill", ["hm1nd", "alice", "carl"]),
        ("pause", ["hm1nd", "bob", "carl"]),
        ("resume", ["alice"]),
        ("cancel", AGENTS),
        ("watch", AGENTS),
        ("model", AGENTS),
        ("model alice", ["opus", "sonnet", "haiku", "default"]),
        ("model alice --effort", ["low", "medium", "high", "xhigh", "max", "default"]),
        ("destroy", ["alice", "bob", "carl"]),
        ("release", ["alice", "bob", "carl"]),
        ("estop", ["hm1nd", "alice", "bob"]),
        ("thaw", ["carl"]),
        ("unregister-peer", ["laptop"]),
        ("adopt", ["laptop"]),
        ("status", ALL),
        ("rename", ALL),
        ("reset-loop", ["alice", "bob", "laptop"]),
        ("reset-loop alice", ["bob"]),
        ("group add", ["all"]),
        ("group add all alice", ["hm1nd", "carl", "laptop"]),
        ("group remove all", ["bob"]),
        ("stop alice bob", ["hm1nd", "carl"]),
        ("inbox", [*ALL, "operator"]),
        ("search --from", [*ALL, "operator"]),
        ("dead-letters --inbox", [*ALL, "operator"]),
        ("send", [*ALL, "operator", "manager", "@all", "queue:jobs"]),
        ("remove-queue", ["jobs"]),
        ("spawn", []),
        ("spawn new --from", ["claude", "command", *AGENTS]),
        ("spawn new --driver", ["claude", "command"]),
        ("adopt laptop --driver", ["claude", "command"]),
        ("schema --json-of", list(OUTPUTS["hive-c0re"])),
        ("register-peer", []),
        ("answer", ["7", "19"]),
        ("approve", ["3", "4"]),
        ("approve 3", ["4"]),
        ("deny", ["3", "4"]),
        ("diff", ["3", "4"]),
        ("replay", ["42"]),
        ("deploys --cancel", ["12"]),
        ("deploys --follow", ["11", "12"]),
        ("rollback bob", ["11"]),
        ("schedules --cancel", ["5"]),
        ("limits --clear", ["a1b2"]),
        ("update-inputs", ["nixpkgs"]),
        ("attention pin", ["question-19", "failed-bob", *ALL]),
        ("attention start", ["failed-bob"]),
        ("completion", ["bash", "zsh", "fish"]),
        ("help", list(VERBS)),
    ],
)
def test_a_verb_is_offered_what_it_can_act_on(answers, words, expected):
    assert offered(*words.split()) == expected


def test_only_what_begins_as_typed_is_offered(answers):
    assert offered("send", typed="@") == ["@all"]
    assert offered("answer", typed="1") == ["19"]


CHOICES = (["agent", "hive"], ["list", "add", "remove"], list(ACTIONS), ["debian"], [""])
"""Words that a verb has by itself; the empty one stands for the names of files."""


def test_without_a_daemon_nothing_is_offered(run_dir: Path):
    for verb in VERBS:
        assert offered(verb) in ([], list(VERBS), ["bash", "zsh", "fish"], *CHOICES), verb


def test_each_argument_that_names_a_participant_is_completed():
    context = click.Context(cli)
    for verb in VERBS:
        command = cli.get_command(context, verb)
        assert command is not None
        for each in command.params:
            if each.name in {"name", "names", "one", "other", "members", "old"} and verb != "group":
                assert each._custom_shell_complete is not None, (verb, each.name)


def test_zsh_has_its_completion_system_loaded_first(hive):
    first, second, *rest = hive("completion", "zsh").out.splitlines()

    assert first.startswith("#compdef")  # where the script is a file of $fpath
    assert second == ZSH_START
    assert any("compdef" in line for line in rest)


EVAL = 'eval "$(hive-c0re completion {})"'
COMPINIT = "autoload -Uz compinit; compinit -u -D"
ZSH = EVAL.format("zsh")

SHELLS = {
    "bash": (".bashrc", EVAL.format("bash"), ["bash", "--rcfile", "{home}/.bashrc", "-i"]),
    "zsh, before compinit": (".zshrc", f"{ZSH}; {COMPINIT}", ["zsh", "--no-globalrcs", "-i"]),
    "zsh, after compinit": (".zshrc", f"{COMPINIT}; {ZSH}", ["zsh", "--no-globalrcs", "-i"]),
    "zsh, alone": (".zshrc", ZSH, ["zsh", "--no-globalrcs", "-i"]),
}
"""File of the user, its line, and the command of each shell that is used on a terminal."""


def environment(home: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "TERM": "dumb", "ZDOTDIR": str(home), "HOME": str(home), "PATH": path}


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        (b"hive-c0re unregister-peer \t", "laptop"),
        (b"hive-c0re resume \t", "alice"),
        (b"hive-c0re deploys --cancel \t", "12"),
        (b"hive-c0re unreg\t", "unregister-peer"),
    ],
    ids=["a peer", "a paused agent", "an open deploy", "a verb"],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_on_a_terminal_completes(answers, tmp_path, shell, line, completed):
    file, setup, command = SHELLS[shell]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    (tmp_path / file).write_text(f"PS1='ready> '\n{setup}\n")
    outer, inner = pty.openpty()
    termios.tcsetwinsize(inner, (40, 200))
    process = subprocess.Popen(
        [each.format(home=tmp_path) for each in command],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env=environment(tmp_path),
        start_new_session=True,
    )
    os.close(inner)
    try:
        until_shown(outer, "ready> ")
        os.write(outer, line)
        until_shown(outer, completed)
    finally:
        process.kill()
        process.wait()
        os.close(outer)


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("start ", ["bob", "carl"]),
        ("stop ", ["hm1nd", "alice", "carl"]),
        ("approve ", ["3", "4"]),
        ("deploys --cancel ", ["12"]),
        ("unreg", ["unregister-peer"]),
    ],
)
def test_fish_completes(answers, tmp_path, line, expected):
    script = f'hive-c0re completion fish | source; complete -C "hive-c0re {line}"'
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(each.split("\t")[0] for each in done.stdout.splitlines()) == sorted(expected)


def until_shown(terminal: int, text: str) -> None:
    seen = ""
    while text not in seen:
        assert select.select([terminal], [], [], 20)[0], f"{text!r} never came: {seen!r}"
        seen += os.read(terminal, 65536).decode(errors="replace")
