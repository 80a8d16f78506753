"""The pages about NixOS: the reference of the options, and the examples."""

import re
import shutil
import subprocess

import pytest

from tests.nix_options_page import PAGE, page
from tests.support.nix_modules import EVALUATION, ROOT, evaluated

GUIDE = (ROOT / "docs" / "nixos.md").read_text()
EXAMPLES = re.findall(r"^```nix\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def test_the_reference_is_the_one_of_the_modules() -> None:
    assert PAGE.read_text() == page(), "python -m tests.nix_options_page --write"


def test_the_complete_file_is_the_one_that_is_evaluated() -> None:
    assert (EVALUATION / "host.nix").read_text() in EXAMPLES


@pytest.mark.skipif(shutil.which("nix-instantiate") is None, reason="needs Nix (Debian: nix-bin)")
@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_nix(example: str) -> None:
    text = example if example.startswith("{") else f"{{ {example} }}"
    command = ["nix-instantiate", "--parse", "-"]
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, check=False, timeout=50
    )
    if "undefined variable" not in done.stderr:
        assert done.returncode == 0, done.stderr


def test_every_option_that_an_example_sets_exists() -> None:
    options = [each["name"] for group in evaluated()["options"].values() for each in group]
    used = set(re.findall(r"`((?:c0re|peers|services|hyperhive|settings)\.[\w.]+)`", GUIDE))
    free = ("settings.", "hyperhive.model", "hyperhive.effortLevel", "peers.damocles.container")
    missing = {
        name
        for name in used
        if not name.startswith(free) and not any(o.endswith(name) for o in options)
    }
    assert not missing
