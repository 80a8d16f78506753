"""Rows as plain lines: the tree, messages and events."""

from __future__ import annotations

import pytest

from hive.view.lines import event_line, message_lines, tree_lines
from hive.view.text import ASCII, UNICODE

TREE = {
    "path": "hive-c0re",
    "kind": "supervisor",
    "state": "running",
    "children": [
        {"path": "hive-c0re/store", "kind": "actor", "state": "running", "mailbox": 4},
        {
            "path": "hive-c0re/agents",
            "kind": "supervisor",
            "state": "running",
            "children": [
                {
                    "path": "hive-c0re/agents/alice",
                    "kind": "actor",
                    "state": "backoff",
                    "restarts": 2,
                    "last_exit": "crashed:\nboom",
                },
                {"path": "hive-c0re/agents/bob", "kind": "actor", "state": "running"},
            ],
        },
        {
            "path": "hive-c0re/gateway",
            "kind": "actor",
            "state": "running",
            "current": "OperatorSend 3s",
        },
    ],
}


def test_a_tree():
    assert tree_lines(TREE, UNICODE) == [
        "hive-c0re  supervisor  running",
        "├── store  actor  running  mailbox=4",
        "├── agents  supervisor  running",
        "│   ├── alice  actor  backoff  restarts=2  last exit: crashed:\\nboom",
        "│   └── bob  actor  running",
        "└── gateway  actor  running  now: OperatorSend 3s",
    ]


def test_a_tree_in_ascii_has_the_same_shape():
    fancy, plain = tree_lines(TREE, UNICODE), tree_lines(TREE, ASCII)

    assert plain[3] == "|   |-- alice  actor  backoff  restarts=2  last exit: crashed:\\nboom"
    assert [len(line) for line in plain] == [len(line) for line in fancy]
    assert all(line.isascii() for line in plain)


def test_a_message(now):
    row = {
        "id": 7,
        "from": "alice\x1b",
        "to": "operator",
        "body": "one\n\n\ttwo\x07\n",
        "sent_at": "2023-11-14T22:09:20Z",
        "state": "leased",
        "in_reply_to": 3,
    }

    assert message_lines(row, now) == [
        "#7  alice\\x1b -> operator  4m ago  reply to #3  [leased]",
        "    one",
        "",
        "            two\\x07",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("kernel", "kernel"),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ("", '""'),
        (3, "3"),
        (None, "null"),
        ([1, "x"], '[1, "x"]'),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x1b[2J now", '"\\u001b[2J now"'),
    ],
)
def test_the_details_of_an_event_can_be_read_back(value, shown):
    row = {
        "seq": 9,
        "at": "2026-01-02T03:04:05Z",
        "event": "x",
        "name": "bob",
        "detail": {"k": value},
    }

    assert event_line(row) == f"9  2026-01-02T03:04:05Z  x  bob  k={shown}"


@pytest.mark.parametrize(("length", "is_whole"), [(298, True), (299, False), (100_000, False)])
def test_a_long_detail_of_an_event_is_shortened_in_its_middle_for_a_person(length, is_whole):
    long = "a" * 10 + "=" + "b" * (length - 21) + "=" + "c" * 9
    row = {"seq": 9, "at": "2026-01-02T03:04:05Z", "event": "x", "detail": {"k": long, "l": 1}}

    shown = event_line(row, longest=300)

    assert (shown == event_line(row)) == is_whole
    assert shown.endswith('ccc"  l=1')
    assert len(shown) < 400
    if not is_whole:
        assert f" ... {length + 2 - 300} more, see --json ... " in shown


def test_an_event_without_participant_and_details():
    row = {"seq": 9, "at": "2026-01-02T03:04:05Z", "event": "started", "detail": {}}

    assert event_line(row) == "9  2026-01-02T03:04:05Z  started"


@pytest.mark.parametrize(
    ("state", "stamp", "now", "end"),
    [
        ("stored", "1970-01-01T01:00:00.000Z", 0.0, "[stored]  due in 1h"),
        ("stored", "1970-01-01T01:00:00.000Z", 3600.0, "[stored]"),
        ("stored", "1970-01-01T01:00:00.000Z", None, "[stored]  due 1970-01-01T01:00:00.000Z"),
        ("acked", "1970-01-01T01:00:00.000Z", None, "[acked]"),
        ("stored", None, 0.0, "[stored]"),
    ],
)
def test_a_message_that_waits_for_its_time_says_until_when(state, stamp, now, end):
    row = {"id": 1, "from": "reminder", "to": "alice", "body": "x", "sent_at": None}
    head, _ = message_lines({**row, "state": state, "not_before": stamp}, now)
    assert head.endswith(f"  {end}")
