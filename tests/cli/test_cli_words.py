"""Help, wrong verbs, ranges and texts: what a person gets to read for a wrong command line."""

from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO, TextIOWrapper

import pytest

from hive.cli.main import VERBS
from hive.errors import ExitStatus, UnknownNameError
from hive.view.text import ASCII, UNICODE, for_encoding
from hive.wire import host


@pytest.mark.parametrize("verb", VERBS)
def test_help_verb_is_the_verbs_own_help(hive, verb):
    ran = hive("help", verb)

    assert (ran.status, ran.err) == (0, "")
    assert hive(verb, "-h").out == ran.out
    assert hive(verb, "--help").out == ran.out
    assert ran.out.startswith(f"Usage: hive-c0re {verb}")


def test_help_alone_lists_the_verbs(hive):
    assert hive("help").out == hive("--help").out == hive("-h").out
    assert "\n  dead-letters" in hive("help").out


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["version"], "unknown verb 'version'; did you mean '--version'?; see 'hive-c0re --help'"),
        (["help", "sned"], "unknown verb 'sned'; did you mean 'send'?; see 'hive-c0re --help'"),
        (["trace", "abc"], "Invalid value for 'ID': 'abc' is no whole number"),
        (["answer", "0", "x"], "Invalid value for 'ID': 0 is too small, at least 1 is needed"),
        (["send", "", "hi"], "Invalid value for 'NAME': it is empty"),
        (["stop", ""], "Invalid value for '[NAME...]': it is empty"),
        (["send", "bob", "- [ ] fix it"], "Write -- before a text that begins with a dash"),
        (["answer", "5", "-no"], "Write -- before a text that begins with a dash"),
        (["spawn", "nop"], "say what nop runs: hive-c0re spawn nop -- PROGRAM"),
    ],
)
def test_a_wrong_command_line(daemon, hive, args, sentence):
    ran = hive(*args)

    assert ran.status == ExitStatus.USAGE
    assert sentence in ran.err
    assert ran.err.count("\n") == 1
    assert daemon.requests == []


@pytest.mark.parametrize(
    ("args", "most"),
    [
        (["logs", "bob"], 5000),
        (["inbox"], 1000),
        (["events"], 1000),
        (["search", "x"], 1000),
        (["dead-letters"], 1000),
        (["turns", "bob"], 1000),
        (["questions"], 1000),
        (["watch", "bob"], 200),
        (["audit"], 1000),
        (["deploys"], 1000),
    ],
)
def test_a_number_of_lines_has_its_range_in_the_help(daemon, hive, args, most):
    beyond = hive(*args, "-n", str(most + 1))
    negative = hive(*args, "-n", "-1")

    assert f"{most + 1} is too large, at most {most} is allowed" in beyond.err
    assert "-1 is too small" in negative.err
    assert f"<=x<={most}" in "".join(hive(args[0], "--help").out.split())
    assert daemon.requests == []


def test_a_text_after_two_dashes_may_begin_with_one(daemon, hive):
    daemon.on(host.OperatorSend, {"id": 7, "recipients": ["bob"]})

    assert hive("send", "bob", "--", "- [ ] fix it").out == "7\n"
    assert daemon.requests == [host.OperatorSend(to="bob", body="- [ ] fix it")]


@pytest.mark.parametrize("args", [["send", "bob"], ["send", "bob", "-"], ["answer", "5"]])
def test_an_empty_standard_input_is_no_message(daemon, hive, monkeypatch, args):
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b"")))

    ran = hive(*args)

    assert ran.status == ExitStatus.USAGE
    assert "standard input is empty, so nothing was sent; give " in ran.err
    assert daemon.requests == []


def test_an_empty_message_can_be_sent_on_purpose(daemon, hive):
    daemon.on(host.OperatorSend, {"id": 7, "recipients": ["bob"]})

    assert hive("send", "bob", "").status == 0


def test_each_copy_of_a_broadcast_is_printed(daemon, hive):
    skipped = [{"name": "eve", "reason": "its inbox is full"}]
    daemon.on(host.OperatorSend, {"id": 26, "recipients": ["alice", "bob"], "skipped": skipped})

    for name in ("*", "@all"):
        ran = hive("send", name, "hi")

        assert ran.out == "26 alice\n27 bob\n"
        assert ran.err == "hive-c0re: eve gets no copy: its inbox is full\n"


def test_a_broadcast_of_which_nothing_was_stored_prints_no_id(daemon, hive):
    daemon.on(host.OperatorSend, {"recipients": []})

    assert (hive("send", "*", "hi").out, hive("send", "*", "hi").status) == ("", 0)


def test_the_inbox_after_a_message_is_cut_to_the_number_asked_for(daemon, hive):
    def page(request: host.ShowInbox):
        rows = [{"id": n, "to": "operator", "from": "a", "body": ""} for n in (1, 2, 3, 4, 5)]
        found = [row for row in rows if row["id"] > request.after][:2]
        return [{"messages": found, "cursor": found[-1]["id"] if found else request.after}]

    daemon.answers[host.ShowInbox] = page

    for most, ids in ((1, [2]), (3, [2, 3, 4]), (50, [2, 3, 4, 5])):
        ran = hive("inbox", "--after", "1", "-n", str(most), "--json")
        assert [row["id"] for row in json.loads(ran.out)] == ids


@pytest.mark.parametrize("verb", ["replay", "discard"])
def test_a_filter_with_a_name_that_nobody_has_is_refused(daemon, hive, verb):
    unknown = UnknownNameError("there is no participant 'nobody'")
    daemon.on(host.Replay, {"ids": []})
    daemon.on(host.Discard, {"ids": []})
    daemon.on(host.ListDeadLetters, unknown)

    ran = hive(verb, "--inbox", "nobody")

    assert (ran.status, ran.err) == (ExitStatus.UNKNOWN_NAME, f"hive-c0re: {unknown}\n")


def test_the_operator_has_no_state(daemon, hive):
    daemon.on(host.AgentStatus, {"agent_statuses": []})

    ran = hive("status", "operator")

    assert ran.status == ExitStatus.REFUSED
    assert ran.err == ("hive-c0re: the operator has no state; 'hive-c0re inbox' shows your mail\n")


def test_the_c_locale_gets_ascii():
    assert for_encoding("utf-8", {"LC_ALL": "C"}) is ASCII
    assert for_encoding("utf-8", {"LC_ALL": "POSIX"}) is ASCII
    assert for_encoding("utf-8", {"LC_ALL": "C.UTF-8"}) is UNICODE
    assert for_encoding("utf-8", {}) is UNICODE


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["sned"], "unknown verb 'sned'; did you mean 'send'?; see 'hive-ag3nt --help'"),
        (["send"], "Missing argument 'TO'; see 'hive-ag3nt send --help'"),
        (["send", "", "hi"], "Invalid value for 'TO': it is empty"),
        (["send", "bob", "-1"], "Write -- before a text that begins with a dash"),
        (["send", "bob"], "standard input is empty, so nothing was sent"),
        (["wake", "--from", "cron"], "give --body, or ''"),
        (["recv", "--max", "x"], "'x' is no whole number"),
        (["help", "sned"], "did you mean 'send'?"),
    ],
)
def test_a_usage_error_of_hive_ag3nt_is_one_sentence(words, sentence):
    ran = subprocess.run(
        [sys.executable, "-m", "hive.harness", "agent", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == ExitStatus.USAGE
    assert sentence in ran.stderr
    assert ran.stderr.startswith("hive-ag3nt: ")
    assert ran.stderr.count("\n") == 1


def test_hive_ag3nt_shows_the_help_of_a_verb():
    def run(*words: str) -> str:
        command = [sys.executable, "-m", "hive.harness", "agent", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert run("help", "send") == run("send", "-h")
    assert run("help") == run("-h")
