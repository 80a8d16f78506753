"""What has to agree before a release, and what is left to do by hand."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from hive.version import VERSION
from tests.check_docs import ROOT, check, our_programs

UNRELEASED = "unreleased"
"""In the place of the date of a version that is not released yet."""

_HEADING = re.compile(r"^## (?P<version>\S+) - (?P<date>\S+)$", re.MULTILINE)

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

BY_HAND = (
    "make check, make test and, as root, make test-machines",
    "the figures of docs/benchmarks.md, docs/security-measured.md and docs/containers-measured.md: "
    "measure again what was changed since (make bench-delivery, bench-verbs, test-adversary …)",
    "in CHANGELOG.md, replace 'unreleased' by the date, and commit that",
    "tag that commit: git tag -s v{version}",
    "publish dist/* where installers find it, and say so in docs/installing.md",
    "for the next version: a heading in CHANGELOG.md, pyproject.toml and hive/version.py",
)
"""What nobody but a person can do, in order."""


def problems(root: Path) -> list[str]:
    """Return what does not agree in a clone, in sentences."""
    documentation = (str(each) for each in check(root, our_programs(root)))
    return [*version_problems(root), *documentation]


def version_problems(root: Path, version: str = VERSION) -> Iterator[str]:
    """Yield where a clone names another version, and what its newest heading lacks.

    Args:
        root: The clone.
        version: What `hive/version.py` says.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    if project["version"] != version:
        yield f"pyproject.toml says {project['version']}, hive/version.py {version}"
    newest = re.search(r"^## .*$", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    heading = newest and _HEADING.match(newest[0])
    if not heading:
        yield "the newest heading of CHANGELOG.md is not '## VERSION - DATE'"
        return
    if heading["version"] != version:
        yield f"CHANGELOG.md begins with {heading['version']}, hive/version.py says {version}"
    if heading["date"] != UNRELEASED and not _DATE.fullmatch(heading["date"]):
        yield f"{heading['date']} in CHANGELOG.md is neither a date nor {UNRELEASED!r}"


def machine_paths() -> list[str]:
    """Return paths of this machine that no archive may name."""
    own = [ROOT, Path(sys.prefix), Path(sys.base_prefix), *Path("/home").glob(Path.home().name)]
    return sorted({str(path) for path in own} - {"/", "/usr"})


def left_to_do(version: str = VERSION) -> list[str]:
    """Return what is left to do by hand, in order."""
    return [each.format(version=version) for each in BY_HAND]
