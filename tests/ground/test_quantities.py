"""Numbers with their nouns: singular and plural fit in every sentence of the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from hive.quantities import counted
from tests.house import ROOT

PLURAL = re.compile(
    r" (?:(?:dead|deferred|free|left|more|new|open|other|unread) )?([a-z]{2,}s)(?![a-z'=])"
)
IN_TEXT = re.compile(r"%d ([a-z]+s)\b")

NO_NOUN = {
    *("is", "was", "has", "does", "as", "its", "this", "always", "less", "names", "runs"),
    *("allows", "asks", "becomes", "begins", "belongs", "borrows", "brings", "comes"),
    *("delivers", "ends", "exists", "follows", "gets", "gives", "goes", "keeps", "leads", "lets"),
    *("makes", "needs", "reads", "records", "repeats", "sends", "shows", "stands", "starts"),
    *("stays", "stops", "takes", "uses", "works", "writes", "removes", "waits", "knows", "returns"),
}
"""Words with an s at their end that follow a value and are no plural."""


@pytest.mark.parametrize(
    ("number", "noun", "expected"),
    [
        (0, "message", "0 messages"),
        (1, "message", "1 message"),
        (2, "message", "2 messages"),
        (1, "unread message", "1 unread message"),
        (3, "reply", "3 replies"),
        (3, "day", "3 days"),
        (2, "inbox", "2 inboxes"),
    ],
)
def test_a_number_with_its_noun(number: int, noun: str, expected: str) -> None:
    assert counted(number, noun) == expected


def plurals(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the words of each number with a plural that is written out.

    Upper-case constants are known to be more than one.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            for value, after in zip(node.values, node.values[1:], strict=False):
                if _may_be_one(value) and isinstance(after, ast.Constant):
                    match = PLURAL.match(str(after.value))
                    if match and match[1] not in NO_NOUN:
                        yield value.lineno, match[0].strip()
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = IN_TEXT.finditer(node.value)
            yield from ((node.lineno, match[0]) for match in found if match[1] not in NO_NOUN)


def _may_be_one(value: ast.expr) -> bool:
    """Return whether a value in an f-string may be the number one."""
    if not isinstance(value, ast.FormattedValue) or value.conversion == ord("r"):
        return False
    return not re.fullmatch(r"_?[A-Z][A-Z_]+", ast.unparse(value.value))


def test_no_sentence_has_a_number_with_a_plural_that_is_written_out() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {words!r}, use hive.quantities.counted"
        for path in sorted((ROOT / "hive").rglob("*.py"))
        for line, words in plurals(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('f"{count} messages wait"', ["messages"]),
        ('f"{count} unread messages"', ["unread messages"]),
        ('f"has {len(x):,} bytes"', ["bytes"]),
        ('f"at most {counts[0]} " f"files"', ["files"]),
        ('log("%d changes", 1)', ["%d changes"]),
        ('f"{MOST} files"', []),
        ('f"{name!r} files"', []),
        ('f"{name} has"', []),
        ("f\"{counted(1, 'file')}\"", []),
    ],
)
def test_a_plural_is_found(source: str, expected: list[str]) -> None:
    assert [words for _, words in plurals(source)] == expected
