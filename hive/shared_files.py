"""What an installation has in `share` beside the package: see docs/installing.md for the places.

Manual pages, completions and the sample hive.toml are made by the programs themselves. The pages of
the documentation and the examples lie to each other as in a clone, so that their links work.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from hive.config.starter_file import starter_text
from hive.man_pages import PROGRAMS, write_pages
from hive.shell_completion import completion_script

MANUAL = "share/man/man1"

DOCUMENTATION = "share/doc/hyperhive"

SAMPLE = f"{DOCUMENTATION}/examples/hive.toml"
"""Every key with its meaning and its default, as `hive-c0re init` writes it."""

COMPLETIONS = {
    "bash": "share/bash-completion/completions/{}",
    "zsh": "share/zsh/site-functions/_{}",
    "fish": "share/fish/vendor_completions.d/{}.fish",
}
"""Where each shell looks for the script of a program by itself."""

_TOP_PAGES = ("README.md", "CHANGELOG.md", "LICENSE")

_DIRECTORIES = ("docs", "examples")

_SUFFIXES = frozenset({".md", ".png", ".py", ".service", ".svg", ".timer", ".toml", ".yml"})
"""Suffixes of the files of these, among which there may be others that a run has left."""


def made_files(directory: Path, now: float) -> dict[str, Path]:
    """Write the files that are made, and return their paths by their places.

    Args:
        directory: Where they are written; it is made if it does not exist.
        now: Unix time of the date on the manual pages.
    """
    pages = write_pages(directory, now)
    texts = {**completions(), SAMPLE: starter_text()}
    return {f"{MANUAL}/{page.name}": page for page in pages} | _written(directory, texts)


def copied_files(root: Path) -> dict[str, Path]:
    """Return the files of the documentation and of the examples by their places.

    Args:
        root: The clone or unpacked archive; what it does not have is left out.
    """
    pages = (root / name for name in _TOP_PAGES)
    below = (each for name in _DIRECTORIES for each in sorted(root.glob(f"{name}/**/*")))
    found = (*pages, *(each for each in below if each.suffix in _SUFFIXES))
    return {f"{DOCUMENTATION}/{each.relative_to(root)}": each for each in found if each.is_file()}


def completions() -> dict[str, str]:
    """Return the completion scripts of all programs by their places."""
    commands = {
        program: getattr(import_module(module), name)
        for program, (module, name) in PROGRAMS.items()
    }
    return {
        place.format(program): f"{completion_script(command, program, shell)}\n"
        for program, command in commands.items()
        for shell, place in COMPLETIONS.items()
    }


def _written(directory: Path, texts: Mapping[str, str]) -> dict[str, Path]:
    paths = {place: directory / place for place in texts}
    for place, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[place], encoding="utf-8")
    return paths
