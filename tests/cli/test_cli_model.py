"""The verb `model`: what an agent uses, what was chosen, and the requests of a choice."""

from __future__ import annotations

import json

import pytest

from hive.errors import ConflictError, ExitStatus
from hive.view.model_choice import EFFORTS
from hive.wire import change_requests, host
from hive.wire.turn_rows import ChooseModel

EVIL = "\x1b]0;owned\x07"

ALICE = {
    "name": "alice",
    "kind": "agent",
    "connected": True,
    "active_model": "claude-opus-4-8",
    "active_effort": "high",
}
BOB = {"name": "bob", "kind": "agent", "connected": True}
LAPTOP = {"name": "laptop", "kind": "peer", "connected": True}
SETTINGS = [
    {"key": "driver", "value": '"claude"', "source": "hive.toml"},
    {"key": "claude.model", "source": "default"},
    {"key": "claude.effort", "value": '"low"', "source": "hive.toml"},
]
COMMAND = [{"key": "driver", "value": '"command"', "source": "default"}]


@pytest.fixture(name="swarm")
def _swarm(daemon):
    """Return a function that sets what alice's row says."""

    def says(**fields):
        daemon.on(host.AgentStatus, {"agent_statuses": [{**ALICE, **fields}, BOB, LAPTOP]})

    daemon.answers[change_requests.ShowSettings] = lambda request: [
        {"settings": SETTINGS if request.name == "alice" else COMMAND}
    ]
    says()
    return says


def chosen(daemon):
    return [request for request in daemon.requests if isinstance(request, ChooseModel)]


def test_without_a_model_it_shows_what_is_used_and_where_that_comes_from(swarm, daemon, hive):
    assert hive("model", "alice").out.splitlines() == [
        "Model:  default of Claude Code; in use: claude-opus-4-8",
        "Effort: low, from hive.toml; in use: high",
    ]
    swarm(chosen_model=f"opus{EVIL}", active_model=None)
    assert hive("model", "alice").out.splitlines() == [
        "Model:  opus\\x1b]0;owned\\x07, chosen by an operator; in use: unknown until its next "
        "turn",
        "Effort: low, from hive.toml; in use: high",
    ]
    assert chosen(daemon) == []


@pytest.mark.parametrize(
    ("words", "model", "effort"),
    [
        (["opus"], "opus", "max"),
        (["--effort", "high"], "sonnet", "high"),
        (["opus", "--effort", "high"], "opus", "high"),
        (["default"], None, "max"),
        (["--effort", "default"], "sonnet", None),
        (["default", "--effort", "default"], None, None),
    ],
)
def test_what_is_not_given_stays_as_it_was_chosen(swarm, daemon, hive, words, model, effort):
    swarm(chosen_model="sonnet", chosen_effort="max")
    ran = hive("model", "alice", *words)
    assert (ran.status, ran.out, ran.err) == (0, "", "")
    assert chosen(daemon) == [ChooseModel(name="alice", model=model, effort=effort)]


def test_the_document_is_that_of_the_turns_to_come(swarm, daemon, hive):
    document = {
        "name": "alice",
        "model": "opus",
        "model_source": "operator",
        "active_model": "claude-opus-4-8",
        "effort": "low",
        "effort_source": "hive.toml",
        "active_effort": "high",
    }
    assert json.loads(hive("model", "alice", "opus", "--json").out) == document
    assert len(chosen(daemon)) == 1
    swarm(chosen_model="opus")
    assert json.loads(hive("model", "alice", "--json").out) == document
    assert len(chosen(daemon)) == 1


def test_a_person_sees_what_was_chosen(swarm, terminal):
    shell = terminal("model", "alice", "opus", columns=200)
    assert shell.end() == 0
    assert "From its next turn on alice uses:" in shell.seen
    assert "Model:  opus, chosen by an operator; in use: claude-opus-4-8" in shell.seen


def test_a_stopped_agent_shows_its_choice_and_takes_another(swarm, daemon, hive):
    swarm(connected=False, state="stopped", active_model=None, active_effort=None)
    swarm(connected=False, active_model=None, active_effort=None, chosen_model="opus")
    assert hive("model", "alice").out.splitlines() == [
        "Model:  opus, chosen by an operator; in use: unknown until its next turn",
        "Effort: low, from hive.toml; in use: unknown until its next turn",
    ]
    assert hive("model", "alice", "--effort", "high").status == ExitStatus.OK
    assert chosen(daemon) == [ChooseModel(name="alice", model="opus", effort="high")]


@pytest.mark.parametrize(
    ("name", "fields", "sentence", "status"),
    [
        ("laptop", {}, "'laptop' is a peer", ExitStatus.REFUSED),
        ("bob", {}, "'bob' has the driver 'command'; only 'claude' has", ExitStatus.REFUSED),
        ("alcie", {}, "did you mean 'alice'?", ExitStatus.UNKNOWN_NAME),
    ],
)
@pytest.mark.parametrize("words", [[], ["opus"]])
def test_a_model_that_cannot_be_chosen(swarm, daemon, hive, name, fields, sentence, status, words):
    swarm(**fields)
    ran = hive("model", name, *words)
    assert (ran.status, ran.out) == (status, "")
    assert sentence in ran.err
    assert chosen(daemon) == []


def test_the_refusal_of_the_daemon_is_shown(swarm, daemon, hive):
    daemon.on(ChooseModel, ConflictError("'alice' is frozen"))
    ran = hive("model", "alice", "opus")
    assert (ran.status, ran.err) == (ExitStatus.REFUSED, "hive-c0re: 'alice' is frozen\n")


@pytest.mark.parametrize(
    ("effort", "said"),
    [("hihg", "did you mean 'high'?"), ("enormous", f"choose one of {', '.join(EFFORTS)}")],
)
def test_an_unknown_effort_is_refused_with_the_nearest(daemon, hive, effort, said):
    ran = hive("model", "alice", "--effort", effort)
    assert ran.status == ExitStatus.USAGE
    assert f"there is no effort '{effort}'" in ran.err
    assert said in ran.err
    assert daemon.requests == []
