"""docs/nixos-options.md, made from the NixOS modules as they were evaluated.

`python -m tests.nix_options_page` prints the page; with `--write` it replaces the file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.support.nix_modules import ROOT, evaluated

PAGE = ROOT / "docs" / "nixos-options.md"

HEAD = """\
# Options of the NixOS modules

Made from the modules by `python -m tests.nix_options_page --write`. [NixOS](nixos.md) shows them in
use. What is not an option here is a key of `hive.toml`, see [configuration](configuration.md).
"""

SECTIONS = {
    "host": ("On the host: `nixosModules.default`", "services.hyperhive."),
    "peer": ("In a peer: `nixosModules.peer`", "services.hive-ag3nt."),
    "agent": ("In the container of an agent: `nixosModules.agent`", "hyperhive."),
}


def page() -> str:
    """Return the text of the page."""
    options = evaluated()["options"]
    lines = [HEAD]
    for key, (title, prefix) in SECTIONS.items():
        lines += [
            f"## {title}",
            "",
            f"Below `{prefix[:-1]}`:",
            "",
            *_table(options[key], prefix),
            "",
        ]
    return "\n".join(lines)


def _table(options: Sequence[Mapping[str, Any]], prefix: str) -> Iterator[str]:
    yield "| option | type | default | meaning |"
    yield "|---|---|---|---|"
    for option in options:
        name = option["name"].removeprefix(prefix)
        default = option["default"] or ""
        shown = default if " " in default and not default.startswith("[") else f"`{default}`"
        meaning = " ".join(option["description"].split())
        if option["example"] and option["example"] != "true":
            meaning += f" Example: `{' '.join(option['example'].split())}`"
        yield "| " + " | ".join([f"`{name}`", option["type"], shown, meaning]) + " |"


def main(arguments: Sequence[str]) -> None:
    """Print the page, or replace the file."""
    if "--write" in arguments:
        PAGE.write_text(page())
    else:
        sys.stdout.write(page())


if __name__ == "__main__":
    main(sys.argv[1:])
