"""The page about the verbs explains the lines of `status NAME` that do not explain themselves."""

from __future__ import annotations

import re

import pytest

from hive.view import status_lines
from tests.house import ROOT

PAGE = (ROOT / "docs/operating.md").read_text()
SOURCE = (ROOT / "hive/view/status_lines.py").read_text()

PLAIN = {
    *("Description", "Kind", "PID", "Reason", "Restarts", "Unread", "Connected", "Last seen"),
    *("Next restart", "Last end", "Result", "Status", "Activity", "Reminders", "URL"),
}
"""Lines that say what they are, or that the text around the table explains."""


def test_each_line_of_a_status_is_plain_or_in_the_table() -> None:
    assert status_lines.__doc__
    shown = set(re.findall(r'^ +\*?\(?\[?\("([A-Z][\w ]+)", ', SOURCE, re.MULTILINE))
    table = PAGE.split("With NAME it shows everything")[1].split("\n\n")[1]
    rows = re.findall(r"^\| (`.*?`) \| ", table, re.MULTILINE)
    explained = {name for row in rows for name in re.findall(r"`(.*?)`", row)}
    assert shown - PLAIN == explained


@pytest.mark.parametrize("words", ["stop", "stop --now", "kill", "kill --force"])
def test_each_way_to_stop_an_agent_is_in_one_table(words: str) -> None:
    table = PAGE.split("The four ways to stop an agent:")[1].split("\n\n")[1]
    assert f"| `{words}` |" in table
