"""What the NixOS modules evaluate to: `python -m tests.support.nix_modules LIB` writes it.

LIB is a checkout of nixpkgs, or of its library alone (github.com/nix-community/nixpkgs.lib). The
values are kept in `tests/nix/evaluated.json`, so that most tests need no Nix.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EVALUATION = ROOT / "nix" / "evaluation"
EVALUATED = ROOT / "tests" / "nix" / "evaluated.json"

STORE = "/nix/store"
"""Where the packages of the evaluation are; their names follow without a hash."""


def evaluate(library: Path) -> dict[str, Any]:
    """Return what the modules evaluate to.

    Args:
        library: A directory with `lib`, the library of nixpkgs.
    """
    command = ["nix-instantiate", "--eval", "--strict", "--json", EVALUATION]
    command += ["--arg", "lib", f"import {library.resolve()}/lib"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@cache
def evaluated() -> dict[str, Any]:
    """Return the values that are kept."""
    found: dict[str, Any] = json.loads(EVALUATED.read_text())
    return found


def text_of(values: Mapping[str, Any]) -> str:
    """Return evaluated values as the text of the file that keeps them."""
    return json.dumps(values, indent=1, sort_keys=True) + "\n"


def unit_lines(service: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of the unit that NixOS writes for a service.

    It adds a `PATH` to the environment, which is left out here.
    """
    yield from ("[Unit]", f"Description={service['description']}")
    yield from (f"{title}={' '.join(service[key])}" for title, key in _LISTS if service[key])
    yield from (f"{title}={service[key]}" for title, key in _LIMITS if service[key] is not None)
    yield from ("", "[Service]")
    yield from (f"Environment={_word(f'{k}={v}')}" for k, v in service["environment"].items())
    for key, value in service["serviceConfig"].items():
        values = value if isinstance(value, list) else [value]
        yield from (f"{key}={_value(each)}" for each in values)
    if service["wantedBy"]:
        yield from ("", "[Install]", f"WantedBy={' '.join(service['wantedBy'])}")


_LISTS = (("Wants", "wants"), ("After", "after"), ("Before", "before"))
_LIMITS = (
    ("StartLimitIntervalSec", "startLimitIntervalSec"),
    ("StartLimitBurst", "startLimitBurst"),
)


def _word(text: str) -> str:
    return json.dumps(text) if " " in text else text


def _value(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    EVALUATED.write_text(text_of(evaluate(Path(sys.argv[1]))))
