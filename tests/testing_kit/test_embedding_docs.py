"""The examples of the embedding page and the example project work as they are."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hive.client.blocking import call
from tests.support.examples import examples, is_test, run

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "embedding.md"
TABLE_ENTRY = re.compile(r"^\| `(\w+)\(", re.MULTILINE)
PROGRAMS = [example for example in examples(PAGE) if not is_test(example)]
TESTS = [example for example in examples(PAGE) if is_test(example)]


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_a_program_of_the_page_runs(program: str, tmp_path: Path) -> None:
    assert "assert " in program or "simulate(" in program
    (tmp_path / "program.py").write_text(program)
    run("program.py", cwd=tmp_path)


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    for number, example in enumerate(TESTS):
        (tmp_path / f"test_{number}.py").write_text(example)
    options = ["--disable-plugin-autoload", "-p", "hyperhive", "-p", "no:cacheprovider"]
    assert f"{len(TESTS)} passed" in run("-m", "pytest", *options, cwd=tmp_path)


def test_the_page_lists_every_public_name() -> None:
    import hive.testing

    listed = set(TABLE_ENTRY.findall(PAGE.read_text()))
    assert listed == set(hive.testing.__all__) - {"answering", "InjectedFault"}


def test_the_example_projects_own_tests_pass() -> None:
    project = ["-c", "examples/embedding/pyproject.toml", "examples/embedding"]
    output = run("-m", "pytest", "-p", "no:cacheprovider", *project, cwd=ROOT)
    assert "8 passed" in output


def test_the_example_project_runs_as_a_program(tmp_path: Path) -> None:
    (tmp_path / "CHANGELOG.md").write_text("## 1.4.0\n")
    with subprocess.Popen(
        [sys.executable, "-m", "release_bot", "CHANGELOG.md", "state"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "examples" / "embedding")},
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        socket = Path(program.stdout.readline().split()[-1])
        call(socket, {"cmd": "send", "to": "bot", "body": "1.4.0"})
        answer = call(socket, {"cmd": "recv", "wait_seconds": 20})
        program.send_signal(signal.SIGINT)
    assert [message["body"] for message in answer["messages"]] == ["1.4.0 is released"]
    assert program.returncode == 0
    assert not socket.exists()
