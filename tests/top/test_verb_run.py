"""Verbs that the view runs as programs of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hive.daemon.view_process import COMMAND
from hive.top.acting import VerbRun
from hive.top.actions import RunVerb


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory in which somebody else has put a module; the file says if it is run."""
    ran = tmp_path / "ran"
    (tmp_path / "json.py").write_text(f"open({str(ran)!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    return ran


def test_a_verb_runs_no_module_of_the_working_directory(trap: Path) -> None:
    lines = VerbRun(RunVerb(("statusline", "--json")), trap.parent / "host.sock").output()
    assert not trap.exists()
    assert '"running": false' in lines[0]


def test_the_view_of_a_daemon_runs_no_module_of_the_working_directory(trap: Path) -> None:
    subprocess.run([*COMMAND, "--once"], capture_output=True, check=False)
    assert not trap.exists()
