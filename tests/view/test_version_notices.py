"""One sentence for each version that differs from the daemon's, and none that does not."""

from __future__ import annotations

import pytest

from hive.version import VERSION
from hive.view.version_notices import NAMES_MAX, version_notices


def row(name: str, version: str | None, kind: str = "agent") -> dict[str, object]:
    return {"name": name, "kind": kind, "harness_version": version}


def test_nothing_is_said_about_equal_and_unknown_versions():
    rows = [row("alice", "0.2.0"), row("bob", None), {"name": "carl", "kind": "agent"}]
    assert list(version_notices(rows, "0.2.0", "0.2.0")) == []


def test_nothing_is_said_about_a_daemon_that_does_not_say():
    assert list(version_notices([row("alice", "0.2.0")], None, "0.2.0")) == []


def test_harnesses_of_one_version_are_one_sentence():
    rows = [row("alice", "0.1.9"), row("bob", "0.2.0"), row("carl", "0.1.9")]
    assert list(version_notices(rows, "0.2.0", "0.2.0")) == [
        "the harness of alice, carl is of version 0.1.9, the daemon of 0.2.0; "
        "'hive-c0re restart NAME' when it suits"
    ]


def test_a_peer_is_not_to_be_restarted():
    (sentence,) = version_notices([row("damocles", "0.3.0", "peer")], "0.2.0", "0.2.0")
    assert sentence.endswith("; install that version there")
    assert "restart" not in sentence


@pytest.mark.parametrize("more", [0, 1])
def test_many_names_are_counted(more: int):
    rows = [row(f"a{number}", "0.1.0") for number in range(NAMES_MAX + more)]
    (sentence,) = version_notices(rows, "0.2.0", "0.2.0")
    assert ("a4 and 1 more is" in sentence) == bool(more)
    assert "a5" not in sentence


def test_the_daemon_that_is_to_be_restarted_comes_first():
    first, second = version_notices([row("alice", "0.2.0")], "0.1.0", "0.2.0")
    assert first == "the daemon is of version 0.1.0, this program of 0.2.0: restart it"
    assert second.startswith("the harness of alice is of version 0.2.0, the daemon of 0.1.0;")


def test_what_a_harness_says_cannot_move_the_cursor():
    (sentence,) = version_notices([row("alice", "\x1b[2J")], VERSION)
    assert "\x1b" not in sentence
