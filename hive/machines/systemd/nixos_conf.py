"""The `.conf` file of a NixOS container: what hive-c0re changes in it. Pure.

`nixos-container create` fills in addresses, and any address makes the container's start script
give it a network of its own. It has no option for binds either; the start script takes them from
`EXTRA_NSPAWN_FLAGS`, as it stands, split at white space. It ignores `.nspawn` files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

CLEARED = ("HOST_ADDRESS", "LOCAL_ADDRESS", "HOST_ADDRESS6", "LOCAL_ADDRESS6", "HOST_BRIDGE")
"""The variables that would force a network of its own."""

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def read(text: str) -> dict[str, str]:
    """Return the variables of a `.conf` file."""
    found = (_LINE.fullmatch(line.strip()) for line in text.splitlines())
    return {line[1]: line[2].strip("\"'") for line in found if line}


def rewrite(text: str, *, flags: str) -> str:
    """Return the file with the host's network and these flags; all other lines stay as they are.

    The same text comes out when it is rewritten again.
    """
    ours = {
        "PRIVATE_NETWORK": "0",
        **dict.fromkeys(CLEARED, ""),
        "EXTRA_NSPAWN_FLAGS": f'"{flags}"',
    }
    kept = [line for line in text.splitlines() if _variable(line) not in ours]
    return "\n".join([*kept, *_assignments(ours), ""])


def _variable(line: str) -> str | None:
    found = _LINE.fullmatch(line.strip())
    return found[1] if found else None


def _assignments(variables: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in variables.items()]
