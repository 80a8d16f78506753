"""The real `nixos-container` in place of the stand-in, if two variables name it and its unit.

`HYPERHIVE_NIXOS_CONTAINER` is the path of the program, `HYPERHIVE_NIXOS_UNITS` that of a directory
with NixOS's `container@.service`. What both need of the store is bound into the host of the tests.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

PROGRAM = "HYPERHIVE_NIXOS_CONTAINER"
UNITS = "HYPERHIVE_NIXOS_UNITS"
UNIT = "container@.service"

_STORE = Path("/nix/store")


def is_named(environ: Mapping[str, str]) -> bool:
    """Return whether the variables name a real program and its unit."""
    return bool(environ.get(PROGRAM) and environ.get(UNITS))


def program(environ: Mapping[str, str]) -> Path | None:
    """Return the path of the real program; None for the stand-in."""
    return Path(environ[PROGRAM]) if is_named(environ) else None


def units(environ: Mapping[str, str]) -> Path | None:
    """Return the directory of the real unit; None for the stand-in's."""
    return Path(environ[UNITS]) if is_named(environ) else None


def missing(environ: Mapping[str, str]) -> str | None:
    """Return why what the variables name cannot be used, as one sentence; None if it can."""
    given = [name for name in (PROGRAM, UNITS) if environ.get(name)]
    if len(given) == 1:
        other = UNITS if given == [PROGRAM] else PROGRAM
        return f"{given[0]} is set and {other} is not: a program needs its unit, set both"
    for path in (program(environ), (units(environ) or _STORE) / UNIT) if given else ():
        if path is not None and not path.is_file():
            return f"{PROGRAM} and {UNITS} name {path}, which is no file"
    return None


def variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for the programs in the host."""
    return {name: environ[name] for name in (PROGRAM, UNITS) if is_named(environ)}


def shared_paths(environ: Mapping[str, str]) -> list[Path]:
    """Return the directories of this machine that the host has to see, each once."""
    found: list[Path] = []
    for path in (program(environ), units(environ)):
        if path is None:
            continue
        target = path.resolve()
        if target.is_relative_to(_STORE):
            found += _closure(target)
        found.append(path.parent if path.is_file() else path)
    outside = [path for path in dict.fromkeys(found) if not path.is_relative_to("/usr")]
    return sorted(outside)


def _closure(path: Path) -> list[Path]:
    """Return all paths of the store that one of them needs."""
    query = ["nix-store", "--query", "--requisites", path]
    done = subprocess.run(query, capture_output=True, text=True, check=True)
    return [Path(line) for line in done.stdout.split()]
