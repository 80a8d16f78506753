"""The rules for names and sizes of modules, and the script that counts them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import house

MOST_LINES = 600

SAME_FILE_NAMES = {
    # One subject, in the layers from a table to a verb of the command line.
    "agent.py": "wire: requests of an agent; gateway.handlers: their handlers; client: its client",
    "harness.py": "wire: the requests of a harness; gateway.handlers: their handlers",
    "host.py": "wire: the requests of the operator; gateway.handlers: their handlers",
    "inboxes.py": "broker: inboxes in memory; cli: the verbs that read them",
    "mail.py": "gateway.handlers: the operator's verbs about mail; harness.tools: the model's",
    "mail_admin.py": "broker: mail administration; cli: its verbs",
    "messages.py": "store: the table; broker: messages in memory; cli: the verbs that send them",
    "participants.py": "store: the table; harness.tools and cli: the verbs about its rows",
    "questions.py": "store: the table; broker: the rules; harness.tools: the model's verbs",
    "rows.py": "wire: the rows of responses; gateway: conversion of records to them",
    "schedules.py": "store: the table; wire: the requests; gateway.handlers and cli: the verbs",
    "turns.py": "gateway.handlers: the handlers; cli: the verbs",
    # One kind of module in several rooms.
    "checks.py": "doctor: findings about the machine; store: findings about the file",
    "driver.py": "harness: the interface of drivers; harness.claude: one that implements it",
    "errors.py": "hive: all errors; store: conversion of SQLite's errors",
    "observer.py": "machines: the interface of observers; machines.systemd: its implementation",
    "serve.py": "the entry of a long-running program: the daemon, the harness, the MCP server",
}
"""File names that may occur more than once in a package, each with the reason."""

SAME_CLASS_NAMES: dict[str, str] = {}
"""Public classes that two modules of a package may define, each with the reason."""

OTHER_WORDS = {
    "hive.harness.claude": ["claude"],  # the name of the driver
}
"""Words in the docstring of a package that name nothing in the package."""


IMPORTANT_LINES = 100
"""Lines from which on a module counts as important."""

BY_SUBJECT = {
    "actors": "docs/actors.md goes through them",
    "actors.testing": "what it exports is named instead",
    "hive": "small modules that every room may use, after those of docs/architecture.md",
    "hive.cli": "one module of verbs for each subject",
    "hive.gateway.handlers": "one module of handlers for each subject",
    "hive.harness.tools": "one module of tools for each subject",
    "hive.testing": "what it exports is named instead",
}
"""Packages whose docstring does not name each module, each with the reason."""


@pytest.fixture(scope="module")
def modules() -> list[house.Module]:
    return house.read(house.ROOT)


def check(found: Mapping[str, list[str]], allowed: Mapping[str, str]) -> None:
    """Fail unless exactly the allowed names were found."""
    added = [
        f"{name} is in {' and '.join(found[name])}: rename one" for name in found.keys() - allowed
    ]
    unneeded = [f"{name} occurs once: remove it from the list" for name in allowed.keys() - found]
    assert sorted(added) + sorted(unneeded) == []


def test_a_file_name_occurs_once_in_a_package(modules: list[house.Module]) -> None:
    check(house.file_names(modules), SAME_FILE_NAMES)


def test_a_public_class_name_occurs_once_in_a_package(modules: list[house.Module]) -> None:
    check(house.class_names(modules), SAME_CLASS_NAMES)


def test_no_module_is_too_long(modules: list[house.Module]) -> None:
    assert [module.path for module in modules if module.lines > MOST_LINES] == []


def test_every_room_has_a_docstring_of_one_sentence(modules: list[house.Module]) -> None:
    rooms = [module for module in modules if module.path.name == "__init__.py"]
    summaries = {module.name: module.docstring.partition("\n\n")[0] for module in rooms}
    assert {module.room for module in modules} == {str(module.path.parent) for module in rooms}
    assert [name for name, text in summaries.items() if not is_one_sentence(text)] == []


def test_the_docstring_of_a_package_names_only_what_is_in_it(modules: list[house.Module]) -> None:
    assert house.unknown_words(modules) == OTHER_WORDS


def test_the_docstring_of_a_package_names_its_important_modules(
    modules: list[house.Module],
) -> None:
    unnamed = house.unnamed_modules(modules, IMPORTANT_LINES)
    assert {name: left for name, left in unnamed.items() if name not in BY_SUBJECT} == {}


TELLING = re.compile(r"\b(?:told|tells)\b", re.IGNORECASE)
"""A participant "is notified" and a text "says" something; `tell` is the verb of actors."""


def test_no_text_tells_and_nobody_is_told() -> None:
    paths = [*(house.ROOT / "hive").rglob("*.py"), *(house.ROOT / "docs").glob("*.md")]
    lines = [(path.name, line) for path in paths for line in path.read_text().splitlines()]
    assert [found for found in lines if TELLING.search(found[1])] == []


def is_one_sentence(text: str) -> bool:
    return text.endswith(".") and not any(f"{end} " in text for end in ".?!")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One `hive.toml`, and more.", True),
        ("", False),
        ("No end", False),
        ("One. Two.", False),
        ("A question? An answer.", False),
    ],
)
def test_one_sentence(text: str, expected: bool) -> None:
    assert is_one_sentence(text) is expected


def test_a_name_that_is_new_or_no_longer_needed_fails() -> None:
    found = {"a.py": ["hive/x/a.py", "hive/y/a.py"], "b.py": ["hive/x/b.py", "hive/y/b.py"]}
    check(found, {"a.py": "a reason", "b.py": "a reason"})
    with pytest.raises(
        AssertionError, match=r"b\.py is in hive/x/b\.py and hive/y/b\.py: rename one"
    ):
        check(found, {"a.py": "a reason"})
    with pytest.raises(AssertionError, match=r"c\.py occurs once: remove it from the list"):
        check(found, dict.fromkeys(["a.py", "b.py", "c.py"], "a reason"))


# The script

FIRST = '''"""A module.

Two paragraphs.
"""

import os  # not a line of comments
from hive import room
from hive.room import second
# a line of comments


class Public:
    """Documented."""

    field = """a string
    of two lines"""
    """An attribute docstring."""

    def method(self):
        return 1

    def _private(self):
        pass


class _Private:
    def method(self):
        pass
'''

SECOND = """
class Public: pass
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    files = {
        "actors/__init__.py": '"""Actors."""\n',
        "actors/room/second.py": SECOND,
        "hive/__init__.py": '"""A hive."""\n',
        "hive/first.py": FIRST,
        "hive/room/__init__.py": "",
        "hive/room/second.py": SECOND,
        "hive/room/first.py": "import hive.room.second\n",
    }
    for name, source in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return tmp_path


def test_the_figures_of_a_module(tree: Path) -> None:
    [first] = [module for module in house.read(tree) if str(module.path) == "hive/first.py"]
    assert (first.name, first.room) == ("hive.first", "hive")
    assert first.docstring.startswith("A module.")
    assert (first.lines, first.code, first.imports) == (28, 13, 3)
    assert (first.comments, first.docstrings) == (1, 6)
    assert (first.classes, first.public_classes) == (2, ("Public",))
    assert sorted(first.functions) == [2, 2, 2]
    assert sorted(first.documented) == [False, True, True], "module, class and its public method"


def test_names_that_occur_in_one_package_only_are_not_repeated(tree: Path) -> None:
    modules = house.read(tree)
    assert house.file_names(modules) == {"first.py": ["hive/first.py", "hive/room/first.py"]}
    assert house.class_names(modules) == {"Public": ["hive/first.py", "hive/room/second.py"]}


def test_a_module_with_one_importer(tree: Path) -> None:
    assert house.single_importers(house.read(tree)) == {}
    (tree / "hive/room/first.py").write_text("from hive.room.second import Public\n")
    (tree / "hive/first.py").write_text("from hive import Hive\n")
    found = house.single_importers(house.read(tree))
    assert found == {"hive/room/second.py": "hive/room/first.py"}


def test_a_word_that_names_nothing_in_its_package(tree: Path) -> None:
    docstring = (
        "`second`, `run`, `LIMIT`, `Public`, `gone`, `gone`, `a-name`, `a.name` and `other`."
    )
    (tree / "hive/room/__init__.py").write_text(
        f'"""Room: {docstring}"""\nfrom hive.first import other\ndef run(): pass\n'
    )
    assert house.unknown_words(house.read(tree)) == {"hive.room": ["gone"]}
    (tree / "hive/__init__.py").write_text('"""`first`, `room` and `second`."""\n')
    found = house.unknown_words(house.read(tree))
    assert found == {"hive": ["second"], "hive.room": ["gone"]}


def test_a_long_module_that_its_package_does_not_name(tree: Path) -> None:
    found = house.read(tree)
    assert house.unnamed_modules(found, least=1)["hive"] == ["first"]
    (tree / "hive/__init__.py").write_text('"""`first` and `room`."""\n')
    assert "hive" not in house.unnamed_modules(house.read(tree), least=1)
    assert house.unnamed_modules(found, least=1000) == {}


def test_the_table_has_a_row_for_each_room_and_each_package(
    tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [" ".join(line.split()) for line in house.table(house.read(tree))]
    titles = ["actors", "actors/room", "actors (all)", "hive", "hive/room", "hive (all)"]
    assert all(row.startswith(title) for row, title in zip(rows[1:], titles, strict=True))
    assert rows[-1] == "hive (all) 5 32 1 28 15 4 1 7 3 3 2.0 38%"
    monkeypatch.setattr(house, "ROOT", tree)
    house.main()
    printed = capsys.readouterr().out
    assert (
        "File names used more than once (1)\n  first.py: hive/first.py, hive/room/first.py"
        in printed
    )
