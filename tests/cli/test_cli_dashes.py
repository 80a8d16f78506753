"""Texts that begin with a dash: sent after `--`, and an error that says so without."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from hive.errors import ExitStatus
from hive.harness.cli.verb_groups import agent
from hive.wire import host

REMEDY = "Write -- before a text that begins with a dash: '{} … -- TEXT'"


@pytest.mark.parametrize(
    "words",
    [
        ["send", "operator", "- [ ] fix it"],
        ["send", "operator", "-1"],
        ["send", "operator", "--help"],
        ["send", "--priority", "high", "operator", "--help"],
        ["send", "operator", "--", "x", "y"],
        ["answer", "3", "-no"],
        ["answer", "3", "--help"],
        ["search", "-foo"],
    ],
)
def test_the_error_names_the_two_dashes(daemon, hive, words):
    ran = hive(*words)

    assert (ran.status, ran.out) == (ExitStatus.USAGE, "")
    named = REMEDY.format(f"hive-c0re {words[0]}") in ran.err
    assert named == ("y" not in words), "it is no remedy against a third argument"
    assert daemon.requests == []


@pytest.mark.parametrize("body", ["- [ ] fix it", "-1", "--help", "--"])
def test_after_two_dashes_any_text_is_sent(daemon, hive, body):
    daemon.on(host.OperatorSend, {"id": 7, "recipients": ["bob"]})

    assert hive("send", "bob", "--", body).status == 0
    [sent] = daemon.requests
    assert sent.body == body


@pytest.mark.parametrize("words", [["send", "--help"], ["send", "--reply-to", "5", "--help"]])
def test_the_help_of_a_verb_is_shown_before_its_arguments(hive, words):
    ran = hive(*words)

    assert ran.status == 0
    assert ran.out.startswith("Usage: hive-c0re send")


@pytest.mark.parametrize("body", ["- [ ] fix it", "-1", "--help"])
def test_hive_ag3nt_says_the_same_and_sends_nothing(tmp_path, body):
    words = ["send", "--socket", str(tmp_path / "none.sock"), "operator", body]
    ran = CliRunner().invoke(agent, words, prog_name="hive-ag3nt")

    assert ran.exit_code == ExitStatus.USAGE
    assert REMEDY.format("hive-ag3nt send") in ran.output
