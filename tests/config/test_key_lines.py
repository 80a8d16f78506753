"""Line numbers of keys."""

import time
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.config.loading import key_lines, line_of

TEXT = '''\
# a comment = [
runtime = "process"

[limits]          # first table
lease = "15m"
[agents.alice]
run = [
  "./a.sh",       # [agents.bob]
  "]",
]
env = { A = "1", "B.C" = "2" }
description = """
several lines
run = "not a key"
[neither]
"""
restart.within = "1m"

[[agents.alice.bind]]
source = "/a"
[[agents.alice.bind]]

source = "/b"
[agents."bob".restart]
cap = 1
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("runtime",), 2),
        (("limits",), 4),
        (("limits", "lease"), 5),
        (("agents",), 6),
        (("agents", "alice"), 6),
        (("agents", "alice", "run"), 7),
        (("agents", "alice", "run", 1), 7),
        (("agents", "alice", "env", "B.C"), 11),
        (("agents", "alice", "description"), 12),
        (("agents", "alice", "restart"), 17),
        (("agents", "alice", "restart", "within"), 17),
        (("agents", "alice", "bind", 0, "source"), 20),
        (("agents", "alice", "bind", 1), 21),
        (("agents", "alice", "bind", 1, "source"), 23),
        (("agents", "bob", "restart", "cap"), 25),
    ],
)
def test_lines(path, line):
    assert line_of(path, key_lines(TEXT)) == line


def test_a_key_that_is_missing_has_the_line_of_its_table():
    lines = key_lines(TEXT)
    assert line_of(("agents", "alice", "bind", 1, "target"), lines) == 21
    assert line_of(("peers",), lines) is None


def test_tables_inside_the_newest_item_of_an_array_of_tables():
    lines = key_lines("[[a]]\n[a.b]\nc = 1\n[[a]]\n[a.b]\nc = 2\n[[a.d]]\ne = 3\n")
    assert lines["a", 0, "b", "c"] == 3
    assert lines["a", 1, "b", "c"] == 6
    assert lines["a", 1, "d", 0, "e"] == 8


def test_windows_line_ends():
    assert key_lines("a = 1\r\n\r\n[b]\r\nc = 2\r\n")["b", "c"] == 4


KEYS = st.sampled_from(["a", "b", '"c d"', "e"])
VALUES = st.sampled_from(
    ["1", '"#"', "[1,\n 2]", "[\n  # ]\n]", '"""x\ny = 1\n"""', "'''\n[z]\n'''", "{ f = 1 }"]
)


@given(st.lists(st.tuples(KEYS, VALUES, st.integers(0, 2)), max_size=6, unique_by=lambda t: t[0]))
def test_every_key_of_any_document_has_its_line(entries):
    text, expected = "", {}
    for key, value, blanks in entries:
        text += "\n" * blanks
        expected[tomllib.loads(f"{key} = 1").popitem()[0]] = text.count("\n") + 1
        text += f"{key} = {value}\n"
    lines = key_lines(text)
    assert {path[0]: line for path, line in lines.items() if len(path) == 1} == expected


def test_a_value_of_very_many_lines_costs_no_minutes() -> None:
    text = "x = [\n" + "1,\n" * 20_000 + "]\ny = 1\n"
    started = time.process_time()
    assert key_lines(text) == {}, "problems of this file have no lines"
    assert time.process_time() - started < 20
