"""Events of a turn as a page shows them."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.web.tool_texts import ShownEvent, diff_classes, is_diff, turn_event


def call(name: str, **arguments: object) -> str:
    return f"{name} {json.dumps(arguments)}"


def test_text_has_no_title_and_a_note_has_one() -> None:
    assert turn_event("text", "I look") == ShownEvent("", "I look")
    assert turn_event("note", "compacting") == ShownEvent("note", "compacting")
    assert turn_event("tool_result", "done") == ShownEvent("result", "done")


def test_an_edit_is_a_diff() -> None:
    edit = call("Edit", file_path="/a.py", old_string="x = 1\ny = 2\n", new_string="x = 3")
    assert turn_event("tool", edit) == ShownEvent("Edit /a.py", "-x = 1\n-y = 2\n+x = 3", diff=True)


def test_a_written_file_is_a_diff_of_added_lines() -> None:
    found = turn_event("tool", call("Write", file_path="/a.py", content="one\ntwo\n"))
    assert found == ShownEvent("Write /a.py", "+one\n+two", diff=True)


def test_a_command_is_shown_as_it_is() -> None:
    found = turn_event("tool", call("Bash", command="ls -l\npwd", description="look"))
    assert found == ShownEvent("Bash", "ls -l\npwd")


def test_other_arguments_are_lines() -> None:
    assert turn_event("tool", call("Grep", pattern="x", n=3)) == ShownEvent(
        "Grep", "pattern: x\nn: 3"
    )
    assert turn_event("tool", "Look") == ShownEvent("Look", "")
    assert turn_event("tool", "Look [1]") == ShownEvent("Look", "[1]")


@pytest.mark.parametrize("cut", range(60, 105))
def test_an_edit_whose_arguments_were_cut_is_a_diff_as_far_as_they_go(cut: int) -> None:
    edit = call("Edit", file_path="/a.py", old_string='say("ä")\n', new_string="say(\\n)\n" * 9)
    found = turn_event("tool", edit[:cut])
    assert found.title == "Edit /a.py"
    assert found.diff
    assert found.text.startswith('-say("')


@given(st.text(), st.text(max_size=300))
def test_nothing_that_an_agent_reports_breaks_it(name: str, arguments: str) -> None:
    turn_event("tool", f"{name} {arguments}")
    turn_event("tool_result", arguments)
    assert [line for _, line in diff_classes(arguments.split("\n"))] == arguments.split("\n")


def test_a_result_that_is_a_patch_is_a_diff() -> None:
    assert is_diff("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b")
    assert not is_diff("- one\n- two")
    assert not is_diff("--- a heading")


def test_a_removed_line_that_looks_like_a_header_is_a_removed_line() -> None:
    patch = [
        "diff --git a/x b/x",
        "--- a/x",
        "+++ b/x",
        "@@ -1,3 +1,2 @@ def f",
        " same",
        "--- not a header",
        "-@@ -1 +1 @@",
        "+++ added",
        "\\ No newline at end of file",
        "diff --git a/y b/y",
    ]
    kinds = [kind for kind, _ in diff_classes(patch)]
    assert kinds == [
        "meta",
        "meta",
        "meta",
        "hunk",
        "same",
        "minus",
        "minus",
        "plus",
        "meta",
        "meta",
    ]


def test_arguments_that_are_too_deep_are_shown_as_they_are() -> None:
    for depth in range(1, sys.getrecursionlimit()):  # at one of them only printing is too deep
        text = f'{{"a": {"[" * depth}{"]" * depth}}}'
        assert "[" in turn_event("tool", f"Look {text}").text


def test_a_hunk_of_no_possible_length_is_a_line_as_any_other() -> None:
    patch = [f"@@ -1,{'9' * 5000} +1 @@", "-a"]
    assert [line for _, line in diff_classes(patch)] == patch
