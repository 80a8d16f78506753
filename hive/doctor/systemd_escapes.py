"""Known vulnerabilities of systemd by which a container or a local user becomes root of the host.

The table has the releases that upstream fixed. Distributions also patch older releases: their
changelogs show it. What cannot be seen is said to be unknown. All pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum

from attrs import field, frozen


class Exposure(Enum):
    """Whether a systemd has a vulnerability."""

    NEVER = "is older than the vulnerability"
    FIXED = "has the fix"
    EXPOSED = "does not have the fix"
    UNKNOWN = "may not have the fix; that cannot be seen here"


@frozen
class Version:
    """A version of systemd.

    Attributes:
        major: The release, such as 257.
        point: The stable release after it; 0 for none.
        candidate: Whether it is a release candidate.
        packaged: Whether it has the revision of a distribution's package.
    """

    major: int
    point: int = 0
    candidate: bool = False
    packaged: bool = False


@frozen
class Escape:
    """A vulnerability.

    Attributes:
        cve: Its number.
        danger: What it allows, as a sentence's end.
        first: The first release that has it.
        fixed: The first release without it.
        points: The first stable release with the fix, by release.
        all_points_known: Whether a stable release that `points` does not name has no fix.
    """

    cve: str
    danger: str
    first: int
    fixed: int
    points: Mapping[int, int] = field(factory=dict)
    all_points_known: bool = True


ESCAPES = (
    Escape(
        "CVE-2026-40226",
        "a crafted .nspawn file beside an image lets a container escape to the host",
        first=233,
        fixed=260,
        points={257: 12, 258: 6, 259: 4},
    ),
    Escape(
        "CVE-2026-40224",
        "a local user becomes root through systemd-machined",
        first=259,
        fixed=260,
        all_points_known=False,
    ),
)
"""The vulnerabilities that concern containers, newest release last."""

_VERSION = re.compile(r"(\d+)(?:\.(\d+))?([-~.]?rc\d+)?([-+~].*)?")


def version_of(text: str) -> Version | None:
    """Return the version in a text such as `252.39-1~deb12u2` or `259-rc2`; None if it is none."""
    found = _VERSION.fullmatch(text.strip().removeprefix("v"))
    if not found:
        return None
    major, point, candidate, revision = found.groups()
    return Version(int(major), int(point or 0), candidate is not None, revision is not None)


def printed_version(output: str) -> str | None:
    """Return the full version in the output of `systemctl --version`; None if it has none.

    Its first line is `systemd 252 (252.39-1~deb12u2)`.
    """
    found = re.match(r"systemd (\S+)(?: \(([^)]+)\))?", output)
    return (found[2] or found[1]) if found else None


def exposure(escape: Escape, version: Version, changelog: str | None) -> Exposure:
    """Return whether a systemd has a vulnerability.

    Args:
        escape: The vulnerability.
        version: The version of systemd.
        changelog: The changelog of its package; None if it cannot be read.
    """
    if version.major < escape.first:
        return Exposure.NEVER
    if changelog is not None and escape.cve in changelog:
        return Exposure.FIXED
    if version.major >= escape.fixed:
        return Exposure.UNKNOWN if _precedes(version, escape.fixed) else Exposure.FIXED
    point = escape.points.get(version.major)
    if point is not None and version.point >= point:
        return Exposure.FIXED
    if version.point and not escape.all_points_known:
        return Exposure.UNKNOWN
    unreadable = version.packaged and changelog is None
    return Exposure.UNKNOWN if unreadable else Exposure.EXPOSED


def _precedes(version: Version, release: int) -> bool:
    """Return whether it is a candidate of a release, which may lack a fix of the release."""
    return version.candidate and version.major == release
