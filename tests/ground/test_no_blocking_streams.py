"""Only what may block writes to a stream: verbs, and the thread of a queued output."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import hive

ROOT = Path(hive.__file__).parent

STREAMS = {"stdin", "stdout", "stderr", "__stdout__", "__stderr__"}

MAY_USE_STREAMS = {
    "stdio.py": "verbs without a loop",
    "queued_output.py": "the thread that writes for all others",
    "client/blocking.py": "the blocking client of such verbs",
    "harness/hook.py": "a verb without a loop",
    "harness/cli/call.py": "verbs without a loop",
    "harness/mcp/request_lines.py": "takes standard input, which a thread reads",
    "man_pages.py": "a program of the build, without a loop",
    "daemon/view_process.py": "asks whether standard input is a terminal, and restores its modes",
    "daemon/serve.py": "names standard output for its queued output",
    "web/serving.py": "names standard output for its queued output",
}
"""Modules outside `cli` that name a standard stream, each with the reason."""

MAY_WRITE_DESCRIPTORS = {
    "queued_output.py": "the thread of a queued output",
    "machines/output_log.py": "a regular file, from a thread",
    "harness/notifier.py": "a terminal that is opened non-blocking, from a thread",
    "piped_programs.py": "a pipe that is non-blocking",
}


def nodes() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted(ROOT.rglob("*.py")):
        name = str(path.relative_to(ROOT))
        if not name.startswith(("cli/", "testing/")):
            for node in ast.walk(ast.parse(path.read_text())):
                yield name, node


def attribute(node: ast.AST) -> tuple[str, str] | None:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.value.id, node.attr
    return None


def test_no_module_with_a_loop_writes_to_a_standard_stream() -> None:
    found = {
        name
        for name, node in nodes()
        if (named := attribute(node)) is not None and named[0] == "sys" and named[1] in STREAMS
    }
    assert found == MAY_USE_STREAMS.keys()


def test_no_module_writes_to_a_descriptor_on_the_loops_thread() -> None:
    found = {name for name, node in nodes() if attribute(node) == ("os", "write")}
    assert found == MAY_WRITE_DESCRIPTORS.keys()


def test_the_log_of_every_program_goes_through_a_queued_output() -> None:
    handlers = {"basicConfig", "StreamHandler", "FileHandler"}
    found = {
        name
        for name, node in nodes()
        if (named := attribute(node)) is not None and named[0] == "logging" and named[1] in handlers
    }
    assert found == {"queued_output.py"}
