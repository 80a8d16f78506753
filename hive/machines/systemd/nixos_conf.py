"""The `.conf` file of a NixOS container: variables, one a line. All pure.

The hive's containers share the host's network and have their binds in `EXTRA_NSPAWN_FLAGS`, which
the container's start script splits at white space. Nothing but the hive starts them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from hive.errors import FailedError
from hive.machines.systemd.generated_files import HEADER

CLEARED = ("HOST_ADDRESS", "LOCAL_ADDRESS", "HOST_ADDRESS6", "LOCAL_ADDRESS6", "HOST_BRIDGE")
"""Variables that would force a network of its own."""

FLAGS = "EXTRA_NSPAWN_FLAGS"

_SET = {"PRIVATE_NETWORK": "0", **dict.fromkeys(CLEARED, ""), "AUTO_START": "0"}
"""Variables whose values are the same in all containers of a hive."""

_HOST_USERS = ("", "no", "0", "identity")
"""Values of `PRIVATE_USERS` with which the ids inside are those of the host.

Only newer start scripts of NixOS read that variable, so the daemon does not set it.
"""

_MARK = f"{HEADER}: it sets {', '.join((*_SET, FLAGS))} before each start."
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_QUOTED = re.compile(r"\"[^\"\\]*\"|'[^'\\]*'|[^\"'\\]*")


def read_conf(text: str) -> dict[str, str]:
    """Return the variables of a `.conf` file; of one that is set twice, the last value."""
    found = (_LINE.fullmatch(line.strip()) for line in text.split("\n"))
    return {line[1]: line[2].strip("\"'") for line in found if line}


def check_conf(text: str, path: Path) -> dict[str, str]:
    """Return the variables of a `.conf` file that can be rewritten line by line.

    Raises:
        FailedError: A line is neither a comment nor one plain assignment, or its users have ids of
            their own.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if not _is_plain(line.strip(" \t\r")):
            raise FailedError(
                f"line {number} of {path} is neither a comment nor a plain NAME=value without "
                "escapes and control characters; correct it"
            )
    variables = read_conf(text)
    users = variables.get("PRIVATE_USERS", "")
    if users not in _HOST_USERS:
        raise FailedError(
            f"{path} has PRIVATE_USERS={users}, and the socket and the files of the agent would "
            "belong to nobody inside; remove that line, or use the runtime 'machinectl'"
        )
    return variables


def has_own_users(variables: Mapping[str, str]) -> bool:
    """Return whether the users of a container have ids of their own on the host."""
    return variables.get("PRIVATE_USERS", "") not in _HOST_USERS


def is_rewritten(text: str, guest_units: Path) -> bool:
    """Return whether a file was written by the hive.

    Args:
        text: The file.
        guest_units: Directory of the container's unit files: earlier versions left only its bind.
    """
    return text.startswith(HEADER) or str(guest_units) in read_conf(text).get(FLAGS, "")


def rewrite_conf(text: str, *, flags: str) -> str:
    """Return the file with the settings of the hive and these flags; all other lines are unchanged.

    Idempotent.
    """
    return _with(text, {**_SET, FLAGS: f'"{flags}"'}, mark=(_MARK,))


def give_back(text: str, before: str | None) -> str:
    """Return the file without what the hive has set.

    Args:
        text: The file.
        before: What it was before; None for a container that the hive has made, which keeps the
            host's network.
    """
    if before is None:
        return _with(text, {**_SET, FLAGS: '""'})
    lines = [line for line in before.split("\n") if _variable(line) in {*_SET, FLAGS}]
    return "\n".join([*_others(text), *lines, ""])


def _with(text: str, variables: Mapping[str, str], mark: tuple[str, ...] = ()) -> str:
    assignments = [f"{key}={value}" for key, value in variables.items()]
    return "\n".join([*mark, *_others(text), *assignments, ""])


def _others(text: str) -> Iterator[str]:
    """Yield the lines that the hive leaves alone."""
    for line in text.rstrip("\n").split("\n"):
        if line and not line.startswith(HEADER) and _variable(line) not in {*_SET, FLAGS}:
            yield line


def _variable(line: str) -> str | None:
    found = _LINE.fullmatch(line.strip())
    return found[1] if found else None


def _is_plain(line: str) -> bool:
    if _CONTROL.search(line):
        return False
    if not line or line[0] in "#;":
        return not line.endswith("\\")
    found = _LINE.fullmatch(line)
    return found is not None and _QUOTED.fullmatch(found[2].strip()) is not None
