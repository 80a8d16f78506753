"""The NixOS modules in Nix: every file is parsed, and evaluated with the library of nixpkgs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.nix_modules import ROOT, evaluate, evaluated, text_of

FILES = [ROOT / "flake.nix", *sorted((ROOT / "nix").rglob("*.nix"))]
LIBRARY = os.environ.get("HYPERHIVE_TEST_NIXPKGS_LIB")

needs_nix = pytest.mark.skipif(
    shutil.which("nix-instantiate") is None, reason="needs Nix (Debian: nix-bin)"
)


@needs_nix
def test_every_file_is_nix() -> None:
    command = ["nix-instantiate", "--parse", *FILES]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr


@needs_nix
@pytest.mark.skipif(
    LIBRARY is None,
    reason="HYPERHIVE_TEST_NIXPKGS_LIB names no checkout of nixpkgs or nix-community/nixpkgs.lib",
)
def test_the_modules_evaluate_to_what_is_kept() -> None:
    assert text_of(evaluate(Path(LIBRARY or ""))) == text_of(evaluated())
