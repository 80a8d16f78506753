"""Every command that a message, a finding, a help or a page names is taken by the real parser."""

from __future__ import annotations

import pytest

from tests.advice.commands import HOLE, ROOT, commands_in, texts_of, why_not

MODULES = sorted((ROOT / "hive").rglob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_commands_of_every_module_parse():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {command}: {problem}"
        for path in MODULES
        for line, text in texts_of(path.read_text())
        for command in commands_in(text)
        if (problem := why_not(command))
    ]

    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_every_page_parse(page):
    found = [(command, why_not(command)) for command in commands_in(page.read_text())]

    assert [(command, problem) for command, problem in found if problem] == []


def test_the_search_finds_what_messages_advise():
    found = {
        command
        for path in MODULES
        for _, text in texts_of(path.read_text())
        for command in commands_in(text)
    }

    assert len(found) > 40
    assert {f"hive-c0re destroy {HOLE}", "hive-c0re shutdown", "hive-c0re serve"} <= found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("'hive-c0re restrat alice' helps", "unknown verb 'restrat'"),
        ("'hive-c0re destroy'", "Missing argument"),
        ("'hive-c0re reload --purge'", "No such option"),
        ("'HYPERHIVE_RUN_DIR=/x hive-c0re shutdwon' ends it", "unknown verb"),
        ("start it: hive-c0re sevre", "unknown verb"),
        ("`hive-ag3nt nakc 7`", "unknown verb"),
        ("`hive-c0re send --wiat bob`", "No such option"),
    ],
)
def test_a_wrong_command_is_found(text, problem):
    [command] = commands_in(text)

    assert problem in str(why_not(command))
