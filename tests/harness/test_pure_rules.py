"""The harness's rules that are plain functions of values."""

import json

import pytest
from msgspec.structs import replace

from hive.client.agent import Delivery
from hive.errors import ConfigError
from hive.harness import environment
from hive.harness.command import message_environment, message_json, verdict
from hive.harness.driver import Deferred, Failed, SavedText
from hive.harness.programs import Cut, Ran
from hive.harness.replies import reply_text, too_long_notice, wants_reply
from hive.harness.serve import load_driver

MESSAGE = Delivery(
    id=7,
    sender="bob",
    body="hé\nllo",
    sent_at="2026-11-22T14:00:00.000Z",
    attempt=2,
    redelivered=True,
    lease="secret",
    kind="agent",
    in_reply_to=5,
    label="a\0b",
)


def test_a_message_as_json_has_the_names_of_the_wire_and_no_lease():
    line = message_json(MESSAGE)
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "id": 7,
        "from": "bob",
        "body": "hé\nllo",
        "sent_at": "2026-11-22T14:00:00.000Z",
        "attempt": 2,
        "redelivered": True,
        "kind": "agent",
        "in_reply_to": 5,
        "label": "a\0b",
    }


def test_a_message_becomes_environment_variables():
    inherited = {"PATH": "/bin", "HIVE_NAME": "alice", "HIVE_MESSAGE_SECRET": "old"}
    assert message_environment(MESSAGE, inherited) == {
        "PATH": "/bin",
        "HIVE_NAME": "alice",
        "HIVE_MESSAGE_ID": "7",
        "HIVE_MESSAGE_FROM": "bob",
        "HIVE_MESSAGE_KIND": "agent",
        "HIVE_MESSAGE_SENT_AT": "2026-11-22T14:00:00.000Z",
        "HIVE_MESSAGE_ATTEMPT": "2",
        "HIVE_MESSAGE_REDELIVERED": "true",
        "HIVE_MESSAGE_IN_REPLY_TO": "5",
        "HIVE_MESSAGE_LABEL": "a\ufffdb",
    }
    first = replace(MESSAGE, in_reply_to=None, label=None)
    inherited = {"HIVE_MESSAGE_IN_REPLY_TO": "1"}
    assert "HIVE_MESSAGE_IN_REPLY_TO" not in message_environment(first, inherited)


@pytest.mark.parametrize(
    ("sender", "in_reply_to", "to_replies", "wanted"),
    [
        ("bob", None, False, True),
        ("operator", None, False, True),
        ("bob", 5, False, False),
        ("bob", 5, True, True),
        ("system", None, True, False),
        ("reminder", None, True, False),
        ("alice", None, True, False),
    ],
)
def test_a_message_gets_an_answer_unless_it_is_a_reply_or_its_sender_has_no_inbox(
    sender, in_reply_to, to_replies, wanted
):
    message = replace(MESSAGE, sender=sender, in_reply_to=in_reply_to)
    assert wants_reply(message, "alice", to_replies=to_replies) is wanted


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (b"", None),
        (b"\r\n\n", None),
        (b" x \n\n", " x "),
        ("ü".encode(), "ü"),
        (
            b"a\xffb\xfe\n",
            "a\ufffdb\ufffd\n[hive: U+FFFD replaces 2 places with bytes that are no UTF-8]",
        ),
    ],
)
def test_output_becomes_text(output, text):
    assert reply_text(output) == text


def test_the_notice_about_a_long_answer_has_its_size_and_path(tmp_path):
    body = too_long_notice(SavedText(tmp_path / "7-1.txt", 70000), "alice")
    assert "70000 bytes" in body
    assert f"{tmp_path}/7-1.txt at alice" in body


@pytest.mark.parametrize(
    ("ran", "outcome"),
    [
        (Ran(3, None, ()), Failed("exited with status 3")),
        (Ran(-9, None, ()), Failed("killed by SIGKILL")),
        (Ran(-63, None, ()), Failed("killed by signal 63")),
        (Ran(1, None, ("a", "b")), Failed("exited with status 1; its last words: a | b")),
        (Ran(75, None, ()), Deferred("asked to try again later (exit status 75)")),
        (Ran(-15, Cut.TIME, ()), Failed("ended after the time limit of 60 s")),
        (Ran(0, Cut.TIME, ()), Failed("ended after the time limit of 60 s")),
    ],
)
def test_the_end_of_a_program_decides_the_outcome(ran, outcome):
    assert verdict(ran, 60.0) == outcome


def test_a_reason_is_the_end_of_standard_error_and_marks_a_cut():
    outcome = verdict(Ran(1, False, tuple(str(n) * 1500 for n in range(9))), 60.0)
    assert outcome.reason.startswith("exited with status 1; its last words: …")
    assert outcome.reason.endswith("8" * 1500)
    assert len(outcome.reason) < 2100


def test_socket_and_state_directory_have_defaults():
    assert str(environment.socket_path({})) == "/run/hive/mcp.sock"
    assert str(environment.socket_path({"HIVE_SOCKET": "/x"})) == "/x"
    assert str(environment.state_dir({"HIVE_STATE": "/s", "HOME": "/h"})) == "/s"
    assert str(environment.state_dir({"HOME": "/h"})) == "/h/.local/state/hive-ag3nt"
    assert str(environment.state_dir({"XDG_STATE_HOME": "/x"})) == "/x/hive-ag3nt"


@pytest.mark.parametrize("written", ["soon", "-1", "0", "nan", "inf"])
def test_an_invalid_stop_timeout_is_refused(written):
    with pytest.raises(ConfigError, match="HIVE_STOP_TIMEOUT"):
        environment.stop_timeout({"HIVE_STOP_TIMEOUT": written})


def test_the_drain_time_leaves_time_to_put_messages_back():
    assert environment.stop_timeout({}) == 10.0
    assert environment.drain_time(10.0) == 8.0
    assert environment.drain_time(1.0) == 0.5


def test_the_error_for_an_unknown_driver_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'command'"):
        load_driver("comand")


def test_an_installed_driver_is_found_by_its_entry_point(tmp_path, monkeypatch):
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hyperhive.drivers]\nother = other_driver:Driver\n")
    (tmp_path / "other_driver.py").write_text("class Driver: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert load_driver("other").__module__ == "other_driver"
    with pytest.raises(ConfigError, match="did you mean 'other'"):
        load_driver("othe")
