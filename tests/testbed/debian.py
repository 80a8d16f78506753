"""A fresh Debian for tests: a root directory from debootstrap, with the mirror that apt uses here.

Nothing of the mirror stands in the project: it comes from `HYPERHIVE_MIRROR`, or from apt's own
configuration.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import urllib.request
from pathlib import Path

MIRROR = "HYPERHIVE_MIRROR"

CERTIFICATES = ("PIP_CERT", "SSL_CERT_FILE")
"""Variables that name the certificates by which this machine's Python trusts servers."""

_PACKAGES = ("systemd-sysv", "dbus", "ca-certificates", "python3")
_REACH_SECONDS = 10.0
_TREE_SECONDS = 1200.0


def suite() -> str:
    """Return the code name of this machine's release; empty if it is not Debian."""
    found = platform.freedesktop_os_release()
    return found.get("VERSION_CODENAME", "") if found.get("ID") == "debian" else ""


def mirror() -> str | None:
    """Return the address of the archive that apt uses here; None if it uses none of Debian."""
    if named := os.environ.get(MIRROR):
        return named
    query = ("apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)")
    argv = [*query, "Created-By: Packages"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    rows = [line.split() for line in done.stdout.splitlines()]
    return next((row[2].rstrip("/") for row in rows if row[:2] == [suite(), "main"]), None)


def missing() -> str | None:
    """Return what keeps a fresh Debian from being made here, as one sentence; None if nothing."""
    if not suite():
        return "a fresh Debian needs a machine with Debian, for its keys and its mirror"
    if shutil.which("debootstrap") is None:
        return "a fresh Debian needs debootstrap: run tests/testbed/install.sh"
    found = mirror()
    if found is None:
        return f"apt has no mirror of Debian {suite()} here; name one in {MIRROR}"
    try:
        with urllib.request.urlopen(f"{found}/dists/{suite()}/InRelease", timeout=_REACH_SECONDS):
            return None
    except OSError as error:
        return f"the mirror of Debian that apt uses cannot be reached: {error}"


def make_tree(root: Path) -> None:
    """Make the root directory of a host; takes a minute, and longer on a busy machine."""
    options = ("--variant=minbase", f"--include={','.join(_PACKAGES)}")
    command = ("env", "DPKG_FORCE=unsafe-io", "debootstrap", *options, suite(), str(root))
    argv = [*command, str(mirror())]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_TREE_SECONDS)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    for name in CERTIFICATES:  # an own certificate authority of this machine
        if path := os.environ.get(name):
            shutil.copyfile(path, root / "root" / name)


def environment() -> dict[str, str]:
    """Return the variables for the programs in the host: how they reach mirror and index."""
    given = {
        name: value
        for name, value in os.environ.items()
        if name.lower() in {"http_proxy", "https_proxy", "no_proxy"} or name == "PIP_INDEX_URL"
    }
    trusted = {name: f"/root/{name}" for name in CERTIFICATES if os.environ.get(name)}
    if trusted:  # uv knows only this one
        trusted.setdefault("SSL_CERT_FILE", next(iter(trusted.values())))
    return given | trusted | {MIRROR: str(mirror()), "DEBIAN_FRONTEND": "noninteractive"}
