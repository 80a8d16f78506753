"""What an installation says without an extra and with it, as programs made for this say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.check_docs import ROOT
from tests.release.installations import NEEDS, Installation, extras_of, with_extra, without_extra

WHEEL = Path("/w/hyperhive.whl")


@pytest.fixture(name="made")
def _made(tmp_path: Path) -> Installation:
    (tmp_path / "bin").mkdir()
    return Installation(tmp_path)


def program(made: Installation, name: str, *lines: str) -> None:
    path = made.directory / "bin" / name
    path.write_text("\n".join(["#!/bin/sh", *(f'echo "{line}"' for line in lines), ""]))
    path.chmod(0o755)


def needed(made: Installation) -> str:
    return f"it needs: {made.directory}/bin/python -m pip install '{WHEEL}[mcp]'"


def test_one_sentence_without_and_none_with_the_extra(made: Installation):
    program(made, "hive-ag3nt", needed(made))
    assert list(without_extra(made, "mcp", WHEEL)) == []
    assert len(list(with_extra(made, "mcp"))) == 1


@pytest.mark.parametrize("lines", [0, 2])
def test_no_sentence_and_two_of_them_are_problems(made: Installation, lines: int):
    program(made, "hive-ag3nt", *[needed(made)] * lines)
    assert len(list(without_extra(made, "mcp", WHEEL))) == 1


def test_a_traceback_is_a_problem_in_any_case(made: Installation):
    program(made, "hive-ag3nt", "Traceback", needed(made))
    assert len(list(without_extra(made, "mcp", WHEEL))) == 1
    program(made, "hive-ag3nt", "Traceback")
    assert len(list(with_extra(made, "mcp"))) == 1


def test_the_programs_see_the_installation_and_not_this_clone(made: Installation, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    program(made, "hive-ag3nt", "$PYTHONPATH", "$HYPERHIVE_STATE_DIR")
    assert made.run("hive-ag3nt").stdout == f"\n{made.directory}/state\n"


def test_there_is_a_command_line_for_each_extra():
    assert set(extras_of(ROOT)) <= set(NEEDS)
