"""Builds the archives of a release, and finds what they lack or should not have."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from attrs import frozen

from hive.man_pages import PROGRAMS
from hive.shared_files import COMPLETIONS, DOCUMENTATION, MANUAL, SAMPLE
from tests.check_docs import ROOT, link_problems

WHEEL_ONLY = ("actors", "hive")
"""The packages of the wheel."""

SDIST_NEEDS = ("LICENSE", "Makefile", "README.md", "constraints.txt", "docs", "examples", "tests")
"""What the source archive has besides what the wheel is built of, so that its tests run."""


@frozen
class Archives:
    """The archives of one build."""

    sdist: Path
    wheel: Path


def build(root: Path, into: Path, *, isolated: bool) -> Archives:
    """Build both archives, the wheel from the source archive.

    Args:
        root: The clone.
        into: The directory of the archives.
        isolated: Install what the build needs into an environment for it, as installers do; without
            it this environment has to have that, and no network is needed.

    Raises:
        RuntimeError: The build has failed; it has the output.
    """
    isolation = () if isolated else ("--no-isolation", "--skip-dependency-check")
    words = (sys.executable, "-m", "build", *isolation, "--outdir", into, root)
    done = subprocess.run(
        words, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        raise RuntimeError(f"the build has failed:\n{done.stdout}")
    made = built(into)
    assert made is not None, "the build has ended without an error"
    return made


def built(directory: Path) -> Archives | None:
    """Return the newest archives in a directory; None without both."""
    found = [sorted(directory.glob(each), key=_made_at)[-1:] for each in ("*.tar.gz", "*.whl")]
    return Archives(*(path for each in found for path in each)) if all(found) else None


def _made_at(path: Path) -> float:
    return path.stat().st_mtime


def problems(archives: Archives, unpacked: Path, forbidden: Sequence[str]) -> list[str]:
    """Return what is wrong with the archives, in sentences.

    Args:
        archives: The archives, built from this clone.
        unpacked: An empty directory, into which the documentation is unpacked.
        forbidden: Paths of this machine, which nobody else has.
    """
    wheel, sdist = wheel_files(archives.wheel), sdist_files(archives.sdist)
    return [
        *(f"the wheel lacks {place}" for place in expected() if place not in wheel),
        *(f"the wheel has {name}" for name in wheel if not _belongs_into_wheel(name)),
        *(f"the source archive lacks {need}" for need in SDIST_NEEDS if not _has(sdist, need)),
        *(f"{name} of the wheel names {path}" for name, path in _paths(wheel, forbidden)),
        *(f"{name} of the source archive names {path}" for name, path in _paths(sdist, forbidden)),
        *_broken_links(wheel, unpacked),
    ]


def expected() -> set[str]:
    """Return the places in an installation that the wheel has to have, besides the packages."""
    pages = {f"{MANUAL}/{program}.1" for program in PROGRAMS}
    scripts = {place.format(each) for place in COMPLETIONS.values() for each in PROGRAMS}
    top = {f"{DOCUMENTATION}/{name}" for name in ("README.md", "CHANGELOG.md", "LICENSE")}
    docs = {f"{DOCUMENTATION}/docs/{page.name}" for page in ROOT.glob("docs/*.md")}
    return pages | scripts | top | docs | {SAMPLE}


def wheel_files(wheel: Path) -> dict[str, bytes]:
    """Return the files of a wheel by their places in an installation."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            name.partition(".data/data/")[2] or name: archive.read(name)
            for name in archive.namelist()
        }


def sdist_files(sdist: Path) -> dict[str, bytes]:
    """Return the files of a source archive by their paths below its only directory."""
    with tarfile.open(sdist) as archive:
        members = [each for each in archive if each.isfile()]
        read = ((each.name.partition("/")[2], archive.extractfile(each)) for each in members)
        return {name: file.read() for name, file in read if file is not None}


def _belongs_into_wheel(name: str) -> bool:
    first = PurePosixPath(name).parts[0]
    known = first in (*WHEEL_ONLY, "share") or first.endswith(".dist-info")
    return known and not name.endswith(".pyc")


def _has(files: Mapping[str, bytes], need: str) -> bool:
    return any(name == need or name.startswith(f"{need}/") for name in files)


def _paths(files: Mapping[str, bytes], forbidden: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name, content in files.items():
        yield from ((name, path) for path in forbidden if path.encode() in content)


def _broken_links(wheel: Mapping[str, bytes], unpacked: Path) -> Iterator[str]:
    """Unpack the documentation, and yield its links that lead nowhere."""
    documentation = {name: text for name, text in wheel.items() if name.startswith(DOCUMENTATION)}
    for name, text in documentation.items():
        path = unpacked / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    for page in sorted(unpacked.rglob("*.md")):
        for problem in link_problems(page):
            yield f"{page.relative_to(unpacked)}: {problem}"
