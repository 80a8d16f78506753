"""What a tree may contain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.errors import FailedError
from hive.git.tree_check import (
    FILE_BYTES,
    FILES_MAX,
    PATH_MAX,
    TREE_BYTES,
    Entry,
    leads_outside,
    parse_tree,
    problems_of,
)

ID = "0" * 40


def file(path: str, size: int = 1, mode: str = "100644") -> Entry:
    return Entry(mode, ID, size, path)


def test_plain_files_are_allowed() -> None:
    assert problems_of([file("agent.toml"), file("bin/run.sh", mode="100755")], {}) == []


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("a\x1b[31m", "print"),
        ("a\nb", "print"),
        ("a\u202eb", "print"),
        ("a\udcff", "print"),
        ("x" * (PATH_MAX + 1), "characters"),
        ("/etc/passwd", "begins"),
        ("a\\b", "begins"),
        ("../x", "'..'"),
        ("a/../b", "'..'"),
        ("a//b", "empty"),
        ("./a", "'.'"),
        (".git/config", "own directory"),
        ("a/.GIT/hooks/x", "own directory"),
        (".git ./config", "own directory"),
        ("GIT~1/config", "own directory"),
        (".git::$INDEX_ALLOCATION/config", "own directory"),
    ],
)
def test_a_path_that_may_mislead_is_refused_and_shown_escaped(path: str, word: str) -> None:
    (problem,) = problems_of([file(path)], {})
    assert word in problem
    assert problem.isprintable()


@pytest.mark.parametrize(
    ("mode", "word"), [("160000", "submodule"), ("100664", "mode"), ("040000", "mode")]
)
def test_an_entry_that_is_no_plain_file_is_refused(mode: str, word: str) -> None:
    (problem,) = problems_of([file("x", mode=mode)], {})
    assert word in problem


@pytest.mark.parametrize("target", ["b", "../c", "./d//e", ".."])
def test_a_link_that_stays_inside_is_allowed(target: str) -> None:
    assert problems_of([file("a/link", mode="120000")], {"a/link": target}) == []


@pytest.mark.parametrize(
    "target", ["/etc/shadow", "../../x", "..", "a\0b", "\x1b]0;x", "", "x" * 600]
)
def test_a_link_that_leads_out_is_refused(target: str) -> None:
    assert leads_outside("a/link", target) is (target != "..")
    assert leads_outside("link", target)
    (problem,) = problems_of([file("link", mode="120000")], {"link": target})
    assert "leads out" in problem
    assert problem.isprintable()


def test_a_link_may_not_climb_by_way_of_another_link() -> None:
    """`up` leads to the root, so `up/..` leads out, although by its words it does not."""
    links = {"a/b/up": "../..", "out": "a/b/up/../../etc/shadow"}
    files = [file(path, mode="120000") for path in links]
    (problem,) = problems_of(files, links)
    assert "the link 'out' leads out" in problem


@given(
    st.lists(st.sampled_from(["a", "b", "..", "."]), min_size=1, max_size=5).map("/".join),
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map("/".join),
)
def test_an_allowed_link_never_names_what_is_above(target: str, path: str) -> None:
    depth = path.count("/")
    lowest = depth
    for part in target.split("/"):
        depth += {"..": -1, ".": 0}.get(part, 1)
        lowest = min(lowest, depth)
    if lowest < 0:
        assert leads_outside(path, target)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("agent.toml", "Agent.toml"),
        ("caf\u00e9", "cafe\u0301"),
        ("dir/x", "DIR/y"),
        ("stra\u00dfe", "STRASSE"),
        ("\ufb01le", "file"),
    ],
)
def test_two_paths_that_look_the_same_are_refused(one: str, other: str) -> None:
    (problem, *_) = problems_of([file(one), file(other)], {})
    assert "differ only in their writing" in problem
    assert problem.isprintable()


def test_files_of_one_directory_are_no_twins() -> None:
    assert problems_of([file("dir/x"), file("dir/y"), file("other/x"), file("other/z/y")], {}) == []


def test_a_name_that_no_file_system_has_is_refused() -> None:
    (problem,) = problems_of([file("\u00fc" * 128)], {})
    assert "255 bytes" in problem


def test_sizes_and_numbers_are_bounded() -> None:
    assert "at most" in problems_of([file("x", FILE_BYTES + 1)], {})[0]
    many = [file(f"f{number}", 0) for number in range(FILES_MAX + 1)]
    assert str(FILES_MAX + 1) in problems_of(many, {})[0]
    half = TREE_BYTES // 8
    assert str(9 * half) in problems_of([file(f"f{n}", half) for n in range(9)], {})[0]


def test_the_first_problems_of_many_are_told() -> None:
    problems = problems_of([file(f"../{number}") for number in range(500)], {})
    assert len(problems) == 6
    assert problems[-1] == "and more"


@given(st.lists(st.tuples(st.binary(min_size=1).filter(lambda p: b"\0" not in p), st.integers(0))))
def test_a_listing_is_read_whatever_its_paths_are(found: list[tuple[bytes, int]]) -> None:
    lines = [b"100644 blob %s %7d\t%s" % (ID.encode(), size, path) for path, size in found]
    entries = parse_tree(b"".join(line + b"\0" for line in lines))
    assert [(e.path.encode(errors="surrogateescape"), e.size) for e in entries] == found
    assert all(problem.isprintable() for problem in problems_of(entries, {}))


def test_another_listing_is_an_error() -> None:
    with pytest.raises(FailedError, match="unknown form"):
        parse_tree(b"nonsense\0")
