"""What besides the hive would start or restart a container, from the properties systemd has loaded.

Only what systemd has loaded counts: not what a file says that was changed since, nor which file
should win. The files are read only to name the one to change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from attrs import frozen

OWN_SETTINGS = {"Restart": "no", "RestartForceExitStatus": "", "SuccessExitStatus": ""}
"""Settings of a container's unit, with the only value under which systemd restarts nothing and
reports each end. The drop-in of the hive sets them; see systemd.service(5)."""

OF_OTHERS = {
    "UpheldBy": "Upholds",
    "WantedBy": "Wants",
    "RequiredBy": "Requires",
    "BoundBy": "BindsTo",
    "TriggeredBy": "Unit",
    "OnFailureOf": "OnFailure",
    "OnSuccessOf": "OnSuccess",
}
"""Properties that name other units which start this one, and the setting that those units have;
see systemd.unit(5), "Mapping of unit properties to their inverses"."""

_BY_LINKS = {"UpheldBy": "upholds", "WantedBy": "wants", "RequiredBy": "requires"}
"""Those that a link in a directory of the other unit can cause, and the suffix of it."""

FILES = ("FragmentPath", "DropInPaths")
"""Properties with the files of a unit, in the order in which systemd reads them."""

ENABLED = frozenset({"enabled", "enabled-runtime"})
"""States of a unit file under which systemd starts the unit at boot; see systemctl(1)."""

SHOWN = ("Id", "UnitFileState", *OWN_SETTINGS, *OF_OTHERS, *FILES)
"""The properties that the rules need."""

SHOW = ("systemctl", "show", f"--property={','.join(SHOWN)}", "--")
"""The command that prints them."""

ReadText = Callable[[str], str]
"""Returns the text of a file; "" if it cannot be read."""

Shown = Mapping[str, str]
"""Properties of a unit as `systemctl show` prints them."""


@frozen
class Restarter:
    """Something that starts or restarts a container beside the hive.

    Attributes:
        unit: The container's unit.
        what: The setting, and where it is.
        remedy: What to change.
    """

    unit: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


def find_restarters(
    unit: Shown, others: Mapping[str, Shown], read: ReadText
) -> tuple[Restarter, ...]:
    """Return what starts or restarts a container beside the hive; empty if nothing does.

    Args:
        unit: The properties of the container's unit.
        others: Those of the units that it names, as far as they are known.
        read: Reads the files of units.
    """
    return (*_by_own_settings(unit, read), *_by_others(unit, others, read))


def named_units(unit: Shown) -> list[str]:
    """Return the units that start this one, by the properties of this one."""
    return sorted({name for key in OF_OTHERS for name in unit.get(key, "").split()})


def _by_own_settings(unit: Shown, read: ReadText) -> Iterator[Restarter]:
    for key, harmless in OWN_SETTINGS.items():
        value = unit.get(key, harmless)
        if value != harmless:
            file = _file_with(unit, key, read)
            yield Restarter(
                unit["Id"],
                f"{unit['Id']} has {key}={value}" + (f" from {file}" if file else ""),
                f"take it out of {file or 'its files'}, then 'systemctl daemon-reload'",
            )


def _by_others(unit: Shown, others: Mapping[str, Shown], read: ReadText) -> Iterator[Restarter]:
    own = unit["Id"]
    is_enabled = unit.get("UnitFileState") in ENABLED
    if is_enabled:
        yield Restarter(
            own,
            f"{own} is enabled, so systemd starts it at boot",
            f"'systemctl disable {own}', then 'systemctl daemon-reload'",
        )
    for key, setting in OF_OTHERS.items():
        for name in unit.get(key, "").split():
            shown = others.get(name, {})
            file = _file_with(shown, setting, read, naming=own)
            if file is None and is_enabled and key in _BY_LINKS:
                continue  # `systemctl disable` removes the link
            place = file or _place(name, key, shown)
            yield Restarter(
                own,
                f"{name} has {setting}={own} from {place}",
                f"take it out of {place}, then 'systemctl daemon-reload'",
            )


def _place(name: str, key: str, shown: Shown) -> str:
    """Return where another unit says that it starts this one, if none of its files names it."""
    link = f"{name}.{_BY_LINKS[key]}" if key in _BY_LINKS else None
    return " or ".join(filter(None, (link, shown.get("FragmentPath")))) or f"the files of {name}"


def _file_with(
    unit: Shown, setting: str, read: ReadText, *, naming: str | None = None
) -> str | None:
    """Return the last file of a unit that has a setting, or one that names a unit; else None."""
    line = re.compile(rf"^\s*{setting}\s*=(.*)$", re.MULTILINE)
    found = None
    for path in " ".join(unit.get(key, "") for key in FILES).split():
        if any(naming is None or naming in value for value in line.findall(read(path))):
            found = path
    return found


def by_id(out: str) -> dict[str, Shown]:
    """Parse what `systemctl show` prints about several units."""
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in out.split("\n\n")
    ]
    return {block["Id"]: block for block in blocks if "Id" in block}


def read_text(path: str) -> str:
    """Return the text of a file; "" if it cannot be read. Blocks."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
