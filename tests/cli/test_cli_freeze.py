"""`estop` and `thaw`: all agents without a name, and each failure by name."""

import json

import pytest

from hive.errors import ConflictError, ExitStatus
from hive.wire import host

ROWS = [
    {"name": "hm1nd", "changed": True},
    {"name": "alice", "changed": False, "error": "no freezer"},
    {"name": "bob", "changed": False, "state": "it is stopped"},
]


@pytest.mark.parametrize(("verb", "kind"), [("estop", host.Estop), ("thaw", host.Thaw)])
def test_no_name_means_all_agents_and_each_name_comes_once(daemon, hive, verb, kind):
    daemon.on(kind, {"agents": []})
    assert hive(verb).status == ExitStatus.OK
    assert hive(verb, "a", "b", "a").status == ExitStatus.OK
    assert daemon.requests == [kind(), kind(names=["a", "b"])]


def test_what_became_of_each_agent_is_printed_and_a_failure_is_the_exit_status(daemon, hive):
    daemon.on(host.Estop, {"agents": ROWS})
    ran = hive("estop")
    assert ran.out == "hm1nd: frozen\nbob: frozen already, but it is stopped\n"
    assert ran.err == "hive-c0re: alice: no freezer\n"
    assert ran.status == ExitStatus.FAILED


def test_thaw_says_what_goes_on(daemon, hive):
    daemon.on(host.Thaw, {"agents": ROWS[:1]})
    ran = hive("thaw", "hm1nd")
    assert (ran.out, ran.err, ran.status) == ("hm1nd: no longer frozen\n", "", ExitStatus.OK)


def test_json_has_every_key(daemon, hive):
    daemon.on(host.Thaw, {"agents": ROWS})
    ran = hive("thaw", "--json")
    assert json.loads(ran.out) == [{"state": None, "error": None, **row} for row in ROWS]
    assert ran.status == ExitStatus.FAILED


def test_what_the_hive_says_is_escaped(daemon, hive):
    daemon.on(host.Estop, {"agents": [{"name": "a", "changed": True, "state": "\x1b[2J"}]})
    assert "\x1b" not in hive("estop").out


DRAINED = [
    {"name": "alice", "changed": True, "working": "holds 1 message"},
    {"name": "bob", "changed": True},
    {"name": "carol", "changed": False},
]


def test_drain_names_who_works_when_the_time_is_over_and_how_to_go_on(daemon, hive):
    daemon.on(host.Drain, {"agents": DRAINED})
    ran = hive("drain", "--timeout", "1")
    assert ran.out == (
        "paused before: carol\npaused: alice, bob; 'hive-c0re resume alice bob' ends that\n"
    )
    assert ran.err == "hive-c0re: alice: holds 1 message\n"
    assert ran.status == ExitStatus.TIMED_OUT
    waits = [each.wait_seconds for each in daemon.requests if isinstance(each, host.Drain)]
    assert waits == [0.0, 1.0], "who is paused is printed before the wait"
    assert hive("drain", "--no-wait").status == ExitStatus.OK


def test_all_is_what_no_name_means_and_excludes_names(daemon, hive):
    daemon.on(host.Estop, {"agents": []})
    assert hive("estop", "--all").status == ExitStatus.OK
    assert [each.names for each in daemon.requests if isinstance(each, host.Estop)] == [[]]
    for words in (("estop", "--all", "bob"), ("drain", "bob", "--all")):
        ran = hive(*words)
        assert ran.status == ExitStatus.USAGE
        assert "give names or --all, not both" in ran.err


def test_drain_as_json_has_every_key(daemon, hive):
    daemon.on(host.Drain, {"agents": DRAINED[1:]})
    ran = hive("drain", "--json")
    assert json.loads(ran.out) == [{"working": None, **row} for row in DRAINED[1:]]
    assert ran.status == ExitStatus.OK


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("estop",), "No agents.\n"),
        (("thaw",), "No agent is frozen.\n"),
        (("drain",), "No agents.\n"),
        (("start", "--all"), "No agents.\n"),
        (("stop", "--all"), "No agents.\n"),
        (("resume", "--all"), "No agents.\nNo agent is paused.\n"),
    ],
)
def test_a_verb_with_nothing_to_do_says_so_also_in_a_pipe(daemon, hive, words, said):
    for kind in (host.Estop, host.Thaw, host.Drain):
        daemon.on(kind, {"agents": []})
    daemon.on(host.ListAgents, {"agents": []})
    daemon.on(host.AgentStatus, {"agent_statuses": []})
    ran = hive(*words)
    assert (ran.out, ran.err, ran.status) == (said, "", ExitStatus.OK)


@pytest.mark.parametrize(
    ("verb", "said"), [("resume", "alice was not paused"), ("pause", "alice was paused before")]
)
def test_a_pause_or_a_resume_that_changes_nothing_says_so(daemon, hive, verb, said):
    daemon.on(host.SetPaused, {"changed": False})
    ran = hive(verb, "alice")
    assert (ran.out, ran.err, ran.status) == ("", f"hive-c0re: {said}\n", ExitStatus.OK)
    daemon.on(host.SetPaused, {})
    assert hive(verb, "alice").err == ""


def test_what_hinders_several_agents_has_a_line_each(daemon, hive):
    why = ConflictError("'a' is frozen; nothing was done\n'b' is frozen; nothing was done")
    daemon.on(host.ListAgents, {"agents": ["a", "b"]})
    daemon.on(host.Start, why)
    ran = hive("start", "--all")
    assert ran.err.splitlines() == [
        "hive-c0re: 'a' is frozen; nothing was done",
        "  'b' is frozen; nothing was done",
    ]
    assert ran.status == ExitStatus.REFUSED


def test_queues_shows_who_waits_for_a_turn(daemon, hive):
    waiting = [{"name": "bob", "since": "2020-01-01T00:00:00.000Z"}]
    holding = [{"name": "alice", "since": "2020-01-01T00:00:00.000Z"}]
    turns = {"limit": 1, "running": 1, "holding": holding, "waiting": waiting}
    daemon.on(host.Queues, {"queues": [], "groups": [], "turns": turns})
    first, second, third = hive("queues").out.splitlines()
    assert first == "turns: 1 of 1 run"
    assert second.startswith("alice  has a turn, ")
    assert third.startswith("bob  waits for a turn, ")
    assert json.loads(hive("queues", "--json").out)["turns"] == turns


def test_queues_says_nothing_of_turns_without_a_cap(daemon, hive):
    turns = {"limit": None, "running": 0, "holding": [], "waiting": []}
    daemon.on(host.Queues, {"queues": [], "groups": [], "turns": turns})
    assert hive("queues").out == ""


def test_resume_all_resumes_those_that_are_paused(daemon, hive):
    rows = [{"name": "alice", "paused": True}, {"name": "bob"}, {"name": "carol", "paused": True}]
    daemon.on(host.AgentStatus, {"agent_statuses": rows})
    daemon.on(host.ListAgents, {"agents": ["alice", "bob", "carol"]})
    assert hive("resume", "--all").status == ExitStatus.OK
    paused = [each.name for each in daemon.requests if isinstance(each, host.SetPaused)]
    assert paused == ["alice", "carol"]
    assert hive("resume", "--all", "alice").status == ExitStatus.USAGE
