"""Which versions of systemd have which known vulnerability."""

import pytest

from hive.doctor.systemd_escapes import (
    ESCAPES,
    Exposure,
    Version,
    exposure,
    printed_version,
    version_of,
)

NSPAWN, MACHINED = ESCAPES
PATCHED = "systemd (1) stable; urgency=medium\n  * CVE-2026-40226 (In nspawn in systemd …)\n"
UNPATCHED = "systemd (1) stable; urgency=medium\n  * New upstream version\n"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("252.39-1~deb12u2", Version(252, 39, packaged=True)),
        ("255.4-1ubuntu8.16", Version(255, 4, packaged=True)),
        ("257.7-1.fc42", Version(257, 7, packaged=True)),
        ("257.9", Version(257, 9)),
        ("259", Version(259)),
        ("v259", Version(259)),
        ("259-rc2", Version(259, candidate=True)),
        ("260~rc1-1", Version(260, candidate=True, packaged=True)),
        ("260+suse.3", Version(260, packaged=True)),
        ("", None),
        ("devel", None),
        ("257.x", None),
    ],
)
def test_versions_of_upstream_and_of_packages_are_read(text: str, version: Version | None) -> None:
    assert version_of(text) == version


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("systemd 252 (252.39-1~deb12u2)\n+PAM +AUDIT\n", "252.39-1~deb12u2"),
        ("systemd 258 (258.2)\n+PAM\n", "258.2"),
        ("systemd 219\n", "219"),
        ("", None),
    ],
)
def test_the_printed_version_is_the_full_one(output: str, version: str | None) -> None:
    assert printed_version(output) == version


@pytest.mark.parametrize(
    ("text", "changelog", "nspawn", "machined"),
    [
        ("232.1", None, "NEVER", "NEVER"),
        ("233", None, "EXPOSED", "NEVER"),
        ("252.39-1~deb12u2", PATCHED, "FIXED", "NEVER"),
        ("252.39-1~deb12u1", UNPATCHED, "EXPOSED", "NEVER"),
        ("252.39-1~deb12u1", None, "UNKNOWN", "NEVER"),
        ("255.4-1ubuntu8.16", PATCHED, "FIXED", "NEVER"),
        ("257.9", None, "EXPOSED", "NEVER"),
        ("257.12", None, "FIXED", "NEVER"),
        ("257.12-1~deb13u1", UNPATCHED, "FIXED", "NEVER"),
        ("258.2", None, "EXPOSED", "NEVER"),
        ("258.6", None, "FIXED", "NEVER"),
        ("259-rc2", None, "EXPOSED", "EXPOSED"),
        ("259", None, "EXPOSED", "EXPOSED"),
        ("259.1", None, "EXPOSED", "UNKNOWN"),
        ("259.5", None, "FIXED", "UNKNOWN"),
        ("259.5-2.fc44", "- fix CVE-2026-40224", "FIXED", "FIXED"),
        ("260-rc1", None, "UNKNOWN", "UNKNOWN"),
        ("260", None, "FIXED", "FIXED"),
        ("260.1-3.fc45", None, "FIXED", "FIXED"),
        ("261-rc1", None, "FIXED", "FIXED"),
    ],
)
def test_each_version_has_the_vulnerabilities_that_were_published(
    text: str, changelog: str | None, nspawn: str, machined: str
) -> None:
    version = version_of(text)
    assert version
    found = [exposure(escape, version, changelog).name for escape in (NSPAWN, MACHINED)]
    assert found == [nspawn, machined]


def test_an_exposure_completes_a_sentence() -> None:
    assert all(" " in each.value for each in Exposure)
