"""Errors: one sentence on standard error, and the documented exit status."""

from __future__ import annotations

import sys

import pytest

from hive import errors
from hive.errors import BadRequestError, ExitStatus, HiveError, UnavailableError, UnknownNameError
from hive.wire import change_requests, host
from tests.cli.conftest import Ran


@pytest.mark.parametrize("kind", sorted(errors.BY_CODE.values(), key=lambda kind: kind.__name__))
def test_the_daemons_refusals(daemon, hive, kind: type[HiveError]):
    daemon.on(host.OperatorSend, kind("bob does not want mail"))

    ran = hive("send", "bob", "hello")

    assert ran.status == kind.exit_status
    assert ran.err == "hive-c0re: bob does not want mail\n"
    assert ran.out == ""


def test_no_daemon(hive):
    ran = hive("status")

    assert ran.status == ExitStatus.NO_DAEMON
    assert ran.err.startswith("hive-c0re: cannot connect to ")
    assert ran.err.count("\n") == 1


def test_a_refusal_cannot_write_on_the_terminal(daemon, hive):
    daemon.on(host.OperatorSend, UnknownNameError("no \x1b[2J\nhive-c0re: all is well"))

    assert hive("send", "x", "y").err == "hive-c0re: no \\x1b[2J\n  hive-c0re: all is well\n"


def test_the_problems_of_a_file_have_a_line_each_and_none_is_at_the_margin(daemon, hive):
    problems = "x.toml has 2 problems:\n  x.toml:1: \x1b[2J\nhive-c0re: all is well"
    daemon.on(change_requests.Reload, BadRequestError(problems))

    ran = hive("reload")

    assert ran.status == ExitStatus.USAGE
    assert ran.err == (
        "hive-c0re: x.toml has 2 problems:\n  x.toml:1: \\x1b[2J\n  hive-c0re: all is well\n"
    )


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "kill", "pause", "resume"])
def test_no_name_never_means_all(daemon, hive, verb):
    ran = hive(verb)

    assert ran.status == ExitStatus.USAGE
    assert "name at least one agent; no name never means all of them" in ran.err
    assert daemon.requests == []


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["sned", "bob"], "unknown verb 'sned'; did you mean 'send'?; see 'hive-c0re --help'"),
        (["approve", "x"], "'x' is no whole number; see 'hive-c0re approve --help'"),
        (["send", "--bdy"], "; see 'hive-c0re send --help'"),
        (["send"], "Missing argument 'NAME'; see 'hive-c0re send --help'"),
        (["send", "bob", "hi", "--wait", "soon"], "Write --wait=60, or put --wait last"),
        (["send", "--wait", "bob", "hi"], "Write --wait=60, or put --wait last"),
        (["send", "*", "hi", "--wait"], "--wait needs a recipient or a group"),
        (["inbox", "bob", "--ack"], "only bob can ack its mail"),
        (["spawn", "bob", "--exec"], "--exec needs a program"),
        (["spawn", "bob", "--from", "claude", "--file", "a.toml"], "give --from or --file"),
        (["spawn", "bob", "--from", "command"], "-- PROGRAM, or give another --from or --file"),
        (["spawn", "bob", "--driver", "command"], "say what bob runs"),
        (["stop"], "no name never means all of them; --all does; see 'hive-c0re stop --help'"),
        (["start", "--all", "bob"], "give names or --all, not both; see 'hive-c0re start --help'"),
        (["list", "--agents", "--peers"], "give --agents or --peers"),
        (["spawn", "bob", "--env", "PATH"], "'PATH' is not of the form KEY=VALUE"),
        (["spawn", "bob", "--env", "=x"], "'=' is not of the form KEY=VALUE"),
        (["status", "--watch", "0"], "0.0 is not in the range x>=0.1"),
        (["completion", "tcsh"], "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
        (["restart", "bob", "--timeout", "0"], "0.0 is not in the range x>0"),
        (["restart", "bob", "--timeout", "nan"], "'nan' is no number of seconds"),
        (["status", "--watch", "inf"], "'inf' is no number of seconds"),
        (["send", "bob", "hi", "--ttl", "0"], "'--ttl': 0.0 is not in the range x>0"),
        (["send", "bob", "hi", "--ttl", "nan"], "'nan' is no number of seconds"),
        (["send", "bob", "hi", "--wait", "inf"], "'inf' is no number of seconds"),
        (["dead-letters", "--older-than", "1e30"], "'1e30' is no number of seconds"),
        (["group"], "Choose from: list, add, remove; see 'hive-c0re group --help'"),
        (["doctor", "--db", "--fix"], "leave out --config and --fix"),
        (["doctor", "--db", "--config", "hive.toml"], "leave out --config and --fix"),
    ],
)
def test_wrong_command_lines(daemon, hive, args, sentence):
    ran = hive(*args)

    assert ran.status == ExitStatus.USAGE
    assert ran.err.startswith("hive-c0re: ")
    assert sentence in ran.err
    assert ran.err.count("\n") == 1
    assert daemon.requests == []


def test_no_verb_at_all_shows_help_as_an_error(hive):
    ran = hive()

    assert ran.status == ExitStatus.USAGE
    assert ran.out == ""
    assert "The daemon:" in ran.err


def test_one_failing_name_does_not_stop_the_others(daemon, hive):
    refuse = {"b": errors.NotAllowedError("b is a peer"), "c": errors.UnknownNameError("no c")}
    daemon.answers[host.Restart] = lambda request: [refuse.get(request.name, {})]

    ran = hive("restart", "a", "b", "c", "d")

    check, *acts = daemon.requests
    assert check == host.CheckNames(names=["a", "b", "c", "d"])
    assert [request.name for request in acts] == ["a", "b", "c", "d"]
    assert ran.err == "hive-c0re: b: b is a peer\nhive-c0re: c: no c\n"
    assert ran.status == ExitStatus.REFUSED


SEVERAL = ("start", "stop", "restart", "rebuild", "kill", "pause", "resume")
"""Verbs that act on several agents."""


@pytest.mark.parametrize("verb", [*SEVERAL, "cancel", "new-session"])
def test_a_wrong_name_among_several_is_told_alike_by_every_verb_and_none_is_acted_on(
    daemon, hive, verb
):
    why = errors.UnknownNameError("nothing was done: there is no participant 'c'")
    for kind in (host.CheckNames, host.Start, host.Stop):
        daemon.on(kind, why)

    ran = hive(verb, "a", "c", "b")

    assert len(daemon.requests) == 1
    assert (ran.out, ran.err) == ("", f"hive-c0re: {why}\n")
    assert ran.status == ExitStatus.UNKNOWN_NAME


@pytest.mark.parametrize("verb", [*SEVERAL, "cancel", "new-session"])
def test_the_only_name_needs_no_check_of_its_own_and_no_prefix(daemon, hive, verb):
    why = errors.NotAllowedError("'laptop' is a peer")
    daemon.answer_all(why)

    ran = hive(verb, "laptop")

    assert len(daemon.requests) == 1
    assert not isinstance(daemon.requests[0], host.CheckNames)
    assert (ran.err, ran.status) == (f"hive-c0re: {why}\n", ExitStatus.REFUSED)


def test_a_missing_daemon_is_reported_once(hive):
    ran = hive("restart", "a", "b")

    assert ran.status == ExitStatus.NO_DAEMON
    assert ran.err.count("cannot connect") == 1


def test_destroy_without_a_terminal_needs_yes(daemon, program):
    ran = program("destroy", "alice")

    assert ran.status == ExitStatus.USAGE
    assert "add --yes" in ran.err
    assert daemon.requests == [host.Destroy(name="alice", dry_run=True)]


def test_destroy_asks_for_nothing_if_it_would_be_refused(daemon, program):
    daemon.on(host.Destroy, errors.NotAllowedError("'damocles' is a peer"))
    ran = program("destroy", "damocles")

    assert ran.status == ExitStatus.REFUSED
    assert ran.err == "hive-c0re: 'damocles' is a peer\n"
    assert daemon.requests == [host.Destroy(name="damocles", dry_run=True)]


def test_destroy_asks_for_the_name(daemon, terminal):
    shell = terminal("destroy", "alice", "--purge")
    shell.expect("Destroying alice with its files and unread mail. Type its name to confirm")
    assert daemon.requests == [host.Destroy(name="alice", purge=True, dry_run=True)]
    shell.type("alice\n")

    assert shell.end() == ExitStatus.OK
    assert daemon.requests[1:] == [host.Destroy(name="alice", purge=True)]


def test_destroy_with_another_name_typed_does_nothing(daemon, terminal):
    shell = terminal("destroy", "alice")
    shell.expect("Type its name to confirm")
    shell.type("bob\n")

    assert shell.end() == ExitStatus.REFUSED
    assert "'bob' is not 'alice': nothing was destroyed" in shell.seen
    assert daemon.requests == [host.Destroy(name="alice", dry_run=True)]


def test_a_missing_body_on_a_terminal_is_an_error_and_no_hang(daemon, terminal):
    shell = terminal("send", "bob")

    assert shell.end() == ExitStatus.USAGE
    assert "give BODY, or pipe it in" in shell.seen


def test_a_body_that_is_not_text(daemon, hive, monkeypatch):
    from io import BytesIO, TextIOWrapper

    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b"ok \xff")))

    ran = hive("send", "bob")

    assert ran.status == ExitStatus.USAGE
    assert ran.err == "hive-c0re: standard input is not UTF-8 at byte 3: send text\n"
    assert daemon.requests == []


def test_a_word_of_the_command_line_that_is_not_text(daemon, hive):
    ran = hive("send", "bob", "x\udcff")

    assert ran.status == ExitStatus.USAGE
    assert "BODY is not UTF-8 at byte 1" in ran.err


@pytest.mark.parametrize("verb", [["logs", "bob", "-f"], ["watch", "bob"]])
def test_a_stream_that_the_daemon_closes(hive, daemon, verb):
    daemon.on(host.Logs, {"lines": ["one"]})
    daemon.on(host.Watch, {})
    daemon.hang_up = True

    ran = hive(*verb)

    assert ran.status == ExitStatus.NO_DAEMON
    assert ran.err == "hive-c0re: hive-c0re has closed the stream; it is probably shutting down\n"


def test_an_unknown_group_is_not_shown_as_an_empty_one(daemon, hive):
    daemon.on(host.Groups, {"groups": {"builders": ["bob"]}})

    ran = hive("group", "list", "@Bilders", "--json")

    assert ran == Ran(
        ExitStatus.UNKNOWN_NAME,
        "",
        "hive-c0re: there is no group '@Bilders'; did you mean 'builders'?\n",
    )


@pytest.mark.parametrize(
    ("verb", "kind", "what"),
    [("replay", host.Replay, "dead letter"), ("discard", host.Discard, "message")],
)
def test_an_id_that_is_not_there_is_reported_after_the_others_were_handled(
    daemon, hive, verb, kind, what
):
    daemon.on(kind, {"ids": [4]})

    ran = hive(verb, "3", "4", "5")

    assert (ran.status, ran.out) == (ExitStatus.UNKNOWN_NAME, "4\n")
    assert ran.err.startswith(f"hive-c0re: no such {what}: 3, 5; ")


def test_a_message_whose_answer_cannot_be_awaited_is_stored(daemon, hive):
    daemon.on(host.OperatorSend, {"id": 7})
    daemon.on(host.Answers, UnavailableError("the daemon stops"))

    ran = hive("send", "bob", "hi", "--wait")

    assert ran.status == ExitStatus.NO_DAEMON
    assert "message 7 is stored" in ran.err
    assert "the daemon stops" in ran.err
