"""Build the archives, examine them, and try them in a fresh environment: `python -m tests.release`.

Needs a package index. With `--release`, also examine whether all that names the version agrees, and
print what is left to do by hand.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from hive.version import VERSION
from tests.check_docs import ROOT
from tests.release import agreement, archives, installations


def problems(into: Path, *, release: bool) -> Iterator[str]:
    """Build the archives, and yield what is wrong with them and with the release."""
    if release:
        yield from agreement.problems(ROOT)
    made = archives.build(ROOT, into, isolated=True)
    with tempfile.TemporaryDirectory(prefix="hyperhive-dist-") as name:
        scratch = Path(name)
        yield from archives.problems(made, scratch / "unpacked", agreement.machine_paths())
        yield from installations.problems(scratch / "venv", made.wheel, VERSION)


def main() -> int:
    """Return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.release")
    parser.add_argument("--release", action="store_true", help="examine a release")
    parser.add_argument("--into", type=Path, default=ROOT / "dist", metavar="DIRECTORY")
    given = parser.parse_args()
    found = list(problems(given.into, release=given.release))
    for problem in found:
        click.echo(f"problem: {problem}", err=True)
    if found:
        return 1
    click.echo(f"hyperhive {VERSION}: the archives in {given.into} can be installed and work")
    if given.release:
        click.echo("Left to do by hand:")
        click.echo("\n".join(f"- {each}" for each in agreement.left_to_do()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
