"""What names the version agrees, in this clone and in ones that are made wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hive.version import VERSION
from tests.check_docs import ROOT
from tests.release.agreement import left_to_do, machine_paths, problems, version_problems
from tests.release.installations import extras_of


def test_this_clone_agrees():
    assert problems(ROOT) == []


def clone(directory: Path, *, heading: str, project: str = "1.2.0") -> Path:
    (directory / "CHANGELOG.md").write_text(f"# Changelog\n\n{heading}\n\n## 1.1.0 - 2026-01-01\n")
    (directory / "pyproject.toml").write_text(f'[project]\nversion = "{project}"\n')
    return directory


@pytest.mark.parametrize("date", ["2026-12-01", "unreleased"])
def test_a_version_with_a_date_or_without_a_release(tmp_path: Path, date: str):
    made = clone(tmp_path, heading=f"## 1.2.0 - {date}")
    assert list(version_problems(made, "1.2.0")) == []


@pytest.mark.parametrize(
    ("heading", "problem"),
    [
        ("## Unreleased", "the newest heading of CHANGELOG.md is not '## VERSION - DATE'"),
        ("## 1.3.0 - 2026-12-01", "CHANGELOG.md begins with 1.3.0, hive/version.py says 1.2.0"),
        ("## 1.2.0 - soon", "soon in CHANGELOG.md is neither a date nor 'unreleased'"),
    ],
)
def test_a_heading_that_is_wrong(tmp_path: Path, heading: str, problem: str):
    assert list(version_problems(clone(tmp_path, heading=heading), "1.2.0")) == [problem]


def test_a_version_that_was_raised_in_one_place_only(tmp_path: Path):
    made = clone(tmp_path, heading="## 1.2.0 - unreleased", project="1.1.0")
    assert list(version_problems(made, "1.2.0")) == [
        "pyproject.toml says 1.1.0, hive/version.py 1.2.0"
    ]


def test_what_is_left_names_the_tag():
    assert any(f"v{VERSION}" in each for each in left_to_do())


def test_the_clone_is_a_path_of_this_machine():
    assert str(ROOT) in machine_paths()
    assert not {"/", "/usr", "/root"} & set(machine_paths())


@pytest.mark.parametrize(
    "words", [("hive.cli",), ("hive.harness", "agent"), ("hive.harness", "manager")]
)
def test_each_program_has_the_version_of_the_package(words: tuple[str, ...]):
    done = subprocess.run(
        [sys.executable, "-m", *words, "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith(f" {VERSION}\n")


def test_the_page_about_installing_has_each_extra():
    page = (ROOT / "docs/installing.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \| ", page, re.MULTILINE)) == set(extras_of(ROOT))
