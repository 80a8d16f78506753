"""The verb `top` without a terminal, and where it cannot run."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from hive.cli import top_verb
from hive.errors import ExitStatus
from hive.extras import how_to_install
from hive.top.key_requests import may_write_to
from tests.top.fake_host import FakeHost, serve
from tests.top.swarm_answers import ITEMS, OVERVIEW, SWARM


@pytest.fixture(name="host")
def _host(run_dir: Path) -> Any:
    host = FakeHost(run_dir / "host.sock")
    host.answers = {
        "agent_status": {"agent_statuses": SWARM},
        "overview": OVERVIEW,
        "attention": {"items": ITEMS},
    }
    stop = serve(host)
    yield host
    stop()


def test_one_picture_as_text(hive: Any, host: FakeHost) -> None:
    ran = hive("top", "--once", "--size", "100x30")
    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert len(lines) == 30
    assert max(map(len, lines)) <= 100
    assert "merge or rebase?" in ran.out
    assert "boom: no such key" in ran.out


def test_an_older_daemon_is_asked_for_what_the_items_are_made_of(hive: Any, host: FakeHost) -> None:
    del host.answers["attention"]
    host.answers["questions"] = {
        "questions": [{"id": 5, "asker": "docs", "to": "operator", "question": "which one?"}]
    }
    assert "which one?" in hive("top", "--once").out


def test_one_picture_as_an_svg(hive: Any, host: FakeHost, tmp_path: Path) -> None:
    file = tmp_path / "hive.svg"
    ran = hive("top", "--svg", str(file), "--size", "120x40")
    assert (ran.status, ran.out, ran.err) == (0, "", "")
    drawn = file.read_text()
    assert drawn.startswith("<svg")
    words = re.sub("<[^>]*>|&#160;", " ", drawn)
    assert "coder" in words
    assert "NEEDS" in words
    assert not re.search(r"url\(['\"]?http|@font-face", drawn), "it fetches nothing"


def test_a_file_that_cannot_be_written(hive: Any, host: FakeHost, tmp_path: Path) -> None:
    ran = hive("top", "--svg", str(tmp_path / "no" / "hive.svg"))
    assert ran.status == ExitStatus.FAILED
    assert ran.err.startswith("hive-c0re: cannot write ")


def test_without_a_daemon_one_picture_is_an_error(hive: Any) -> None:
    ran = hive("top", "--once")
    assert ran.status == ExitStatus.NO_DAEMON
    assert "host.sock" in ran.err


@pytest.mark.parametrize("size", ["", "80", "80x", "19x24", "80x4", "axb", "80x24x2"])
def test_a_size_that_is_none(hive: Any, size: str) -> None:
    ran = hive("top", "--once", "--size", size)
    assert ran.status == ExitStatus.USAGE
    assert "such as 120x40" in ran.err


def test_without_a_terminal_it_says_what_to_do(hive: Any) -> None:
    ran = hive("top")
    assert ran.status == ExitStatus.USAGE
    assert "it needs a terminal; --once prints one picture without" in ran.err


def test_a_size_is_not_for_a_terminal(hive: Any) -> None:
    ran = hive("top", "--size", "80x24")
    assert ran.status == ExitStatus.USAGE
    assert "a terminal has its own size" in ran.err


def test_without_textual_one_sentence_says_how_to_install_it(
    hive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(top_verb, "is_installed", lambda: False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr("hive.cli.output.can_ask", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    ran = hive("top")
    assert ran.status == ExitStatus.FAILED
    assert ran.err.startswith("hive-c0re: the interactive view needs Textual: ")
    assert how_to_install("tui") in ran.err


def test_the_view_completes_as_the_shell_does(host: FakeHost, run_dir: Path) -> None:
    host.answers["list"] = {"agents": ["alice", "bob"], "peers": ["damocles"]}
    assert list(top_verb.completions((), "sta")) == ["start", "status", "statusline"]
    assert list(top_verb.completions(("status",), "al")) == ["alice"]


def test_textual_is_imported_by_the_view_on_a_terminal_alone(program: Any, host: FakeHost) -> None:
    code = "import sys; from hive.cli.main import main; main(['top', '--once']); "
    code += "sys.exit('textual' in sys.modules)"
    import subprocess

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_nobody_writes_to_the_operator_or_the_system() -> None:
    assert [may_write_to(name) for name in ("", "operator", "system", "alice")] == [
        *(False, False, False, True),
    ]
