"""`make test` runs what failed once more, alone, and hides nothing by it."""

import os
import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from tests.check_docs import ROOT
from tests.whole_run import AGAIN_MAX

ONCE = """
from pathlib import Path
def test_passes(): pass
def test_fails_once():
    been = Path({been!r})
    first = not been.exists()
    been.touch()
    assert not first
"""


def whole_run(directory: Path, text: str) -> subprocess.CompletedProcess[str]:
    (directory / "test_some.py").write_text(text)
    (directory / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    words = [sys.executable, "-m", "tests.whole_run", "--verbose"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        words, cwd=directory, env=environ, capture_output=True, text=True, check=False
    )


def test_the_project_is_compiled_wherever_python_stores_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    compiled = Path(cache_from_source(str(ROOT / "tests/nix_options_page.py")))
    compiled.unlink(missing_ok=True)
    assert whole_run(tmp_path, "def test_passes(): pass").returncode == 0
    assert compiled.exists()


def test_what_fails_once_passes_and_is_listed(tmp_path: Path) -> None:
    done = whole_run(tmp_path, ONCE.format(been=str(tmp_path / "been")))
    assert done.returncode == 0, done.stdout
    assert "1 failed, 1 passed" in done.stdout
    assert "collected 1 item" in done.stdout
    assert "Once more, alone, what failed: 1" in done.stdout
    assert done.stdout.rstrip().endswith("test_some.py::test_fails_once")


@pytest.mark.parametrize(
    "text",
    [
        "def test_fails(): assert False",
        "import no_such_module",
        f"""
import pytest
@pytest.mark.parametrize("n", range({AGAIN_MAX + 1}))
def test_fails(n): assert False""",
    ],
    ids=["always", "not collected", "very many"],
)
def test_what_fails_twice_or_cannot_run_fails(tmp_path: Path, text: str) -> None:
    done = whole_run(tmp_path, text)
    assert done.returncode != 0
    assert "Find out why" not in done.stdout


def test_what_passes_runs_once(tmp_path: Path) -> None:
    done = whole_run(tmp_path, "def test_passes(): pass")
    assert done.returncode == 0
    assert "Once more" not in done.stdout
