"""How an extra of hyperhive is added to the installation that this process runs from.

The index may have no release, or another one. What an installer was given is known, though: it
records that beside the package, see "Recording the Direct URL Origin" of PyPA (PEP 610).
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from attrs import frozen

PACKAGE = "hyperhive"


@frozen
class Installation:
    """What is known about an installation of this package.

    Attributes:
        python: Path of its Python.
        origin: What it was installed from, as in `direct_url.json`; None for an index.
        has_pip: Whether its Python has pip; an environment of uv has none.
        is_gone: Whether the origin is a file or directory that no longer exists.
    """

    python: str
    origin: Mapping[str, Any] | None = None
    has_pip: bool = True
    is_gone: bool = False


def how_to_install(extra: str, installation: Installation | None = None) -> str:
    """Return the command that adds an extra, as words for a sentence.

    Args:
        extra: Name of the extra, as in `pyproject.toml`.
        installation: Where it is missing; None for the one that this process runs from.
    """
    found = this_installation() if installation is None else installation
    if found.python.startswith("/nix/store/"):
        return f'hyperhive.override {{ extras = [ … "{extra}" ]; }} in your Nix configuration'
    pip = f"{shlex.quote(found.python)} -m pip install"
    if not found.has_pip:
        pip = f"uv pip install --python {shlex.quote(found.python)}"
    command = f"{pip} {_requirement(extra, found.origin or {})}"
    if found.is_gone:
        command += " (that origin is gone: give the place of the same version instead)"
    return command


def this_installation() -> Installation:
    """Return what is known about the installation that this process runs from."""
    try:
        text = distribution(PACKAGE).read_text("direct_url.json")
    except PackageNotFoundError:
        text = None
    origin = json.loads(text) if text else None
    path = _path(origin or {})
    return Installation(
        sys.executable,
        origin,
        has_pip=find_spec("pip") is not None,
        is_gone=path is not None and not Path(path).exists(),
    )


def _requirement(extra: str, origin: Mapping[str, Any]) -> str:
    """Return what an installer is given, quoted: a path, a URL or the name of the package."""
    path = _path(origin)
    if path is not None:
        editable = "--editable " if origin.get("dir_info", {}).get("editable") else ""
        return editable + shlex.quote(f"{path}[{extra}]")
    name = f"{PACKAGE}[{extra}]"
    if "url" not in origin:
        return shlex.quote(name)
    vcs = origin.get("vcs_info", {})
    url = f"{vcs['vcs']}+{origin['url']}@{vcs['commit_id']}" if vcs else origin["url"]
    return shlex.quote(f"{name} @ {url}")


def _path(origin: Mapping[str, Any]) -> str | None:
    """Return the path of an origin that is a file or directory here; else None."""
    parts = urlsplit(origin.get("url", ""))
    local = parts.scheme == "file" and "vcs_info" not in origin
    return unquote(parts.path) if local else None
