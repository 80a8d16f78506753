"""What a container is, read from its `.nspawn` file, its `.conf` file and its unit. All pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import evolve

from hive.config.container_kinds import CAPABILITY, INTERFACE, PORT, TMPFS, is_read
from hive.config.model import Bind, Network
from hive.machines.found_container import FoundContainer
from hive.machines.systemd.generated_files import FORMER_NAME, NAME
from hive.machines.systemd.nixos_conf import CLEARED, FLAGS, has_own_users, read_conf

SHOWN = (
    *("Id", "LoadState", "FragmentPath", "DropInPaths", "TimeoutStopUSec", "RestartUSec"),
    *("MemoryMax", "CPUQuotaPerSecUSec", "TasksMax"),
)
"""Properties of a unit that `of_unit` reads."""

_SECONDS = {
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86_400.0,
    "w": 604_800.0,
    "month": 2_629_800.0,
    "y": 31_557_600.0,
}
"""Units of the time spans that systemd prints; see systemd.time(7)."""

# Not within a number: else each of its digits would be tried as a beginning.
_SPAN = re.compile(r"(?<![\d.])(\d++(?:\.\d++)?+)([a-z]+)")
_PIECE = re.compile(r"([^\\:]+)|(\\.?)|(:)", re.DOTALL)
_UNLIMITED = "infinity"
_DEFAULT_TASKS = 16_384
"""`TasksMax=` of both templates of container units, which is no setting of this container."""

_NOT_SAID = (*CLEARED, "HOST_PORT", "INTERFACES", "MACVLANS")
"""Variables of a `.conf` file that no manifest has."""

_LISTS = {
    ("Exec", "Capability"): ("capabilities", CAPABILITY),
    ("Files", "TemporaryFileSystem"): ("tmpfs", TMPFS),
    ("Network", "Port"): ("ports", PORT),
}
"""The attribute, and the kind of the words, of settings that may come several times."""

_UNIT = re.compile(r"(?:systemd-nspawn|container)@(?P<machine>.+)\.service")


def machine_of(subject: str) -> str | None:
    """Return the machine that a unit runs, or that a bare name is; None for any other unit."""
    found = _UNIT.fullmatch(subject)
    if found is not None:
        return found["machine"]
    return None if "." in subject else subject


def seconds(span: str) -> float | None:
    """Return a time span as systemd prints it; None for an infinite one, or another text."""
    parts = _SPAN.findall(span)
    if not parts or any(unit not in _SECONDS for _, unit in parts):
        return None
    return round(sum(float(number) * _SECONDS[unit] for number, unit in parts), 6)


def of_unit(shown: Mapping[str, str], machine: str) -> FoundContainer:
    """Return what `systemctl show` says about the unit of a container.

    A unit file of exactly its name declares it; an undeclared container has a template's.
    """
    unit = shown.get("Id", "")
    quota = seconds(shown.get("CPUQuotaPerSecUSec", ""))
    tasks = _number(shown.get("TasksMax", ""))
    return FoundContainer(
        machine=machine,
        unit=unit,
        declared=Path(shown.get("FragmentPath", "")).name == unit,
        stop_timeout=seconds(shown.get("TimeoutStopUSec", "")),
        restart_delay=seconds(shown.get("RestartUSec", "")),
        memory_max=_number(shown.get("MemoryMax", "")),
        cpu_quota=None if quota is None else round(quota * 100, 3),
        tasks_max=None if tasks == _DEFAULT_TASKS else tasks,
        unread=tuple(
            f"the drop-in {path} of its unit"
            for path in map(Path, shown.get("DropInPaths", "").split())
            if path.parent.name == f"{unit}.d" and path.name not in {NAME, FORMER_NAME}
        ),
    )


def with_nspawn(found: FoundContainer, text: str) -> FoundContainer:
    """Add what a `.nspawn` file says; see systemd.nspawn(5)."""
    changes: dict[str, Any] = {}
    binds, unread = list(found.binds), list(found.unread)
    for section, key, value in _assignments(text):
        kind = _LISTS.get((section, key))
        if kind is not None and all(is_read(kind[1], word) for word in value.split()):
            changes[kind[0]] = (*changes.get(kind[0], ()), *value.split())
            continue
        match section, key:
            case "Exec", "Ephemeral":
                changes["ephemeral"] = _is_true(value)
            case "Network", "Bridge" if is_read(INTERFACE, value):
                changes |= {"bridge": value, "network": Network.VETH}
            case "Files", "Bind" | "BindReadOnly":
                binds.append(_bind(value, read_only=key == "BindReadOnly"))
            case "Exec", "PrivateUsers":
                changes["private_users"] = value not in {"no", "false", "off", "0", "identity"}
            case "Network", "Private" if _is_true(value):
                changes.setdefault("network", Network.PRIVATE)
            case "Network", "Private":
                changes["network"] = Network.HOST
            case "Network", "VirtualEthernet" if _is_true(value):
                changes["network"] = Network.VETH
            case ("Exec", "Boot") | ("Network", "VirtualEthernet"):
                pass
            case _:
                unread.append(f"{key}={value} of [{section}]")
    return evolve(found, binds=tuple(binds), unread=tuple(unread), **changes)


def with_conf(found: FoundContainer, text: str, *, declared: bool) -> FoundContainer:
    """Add what the `.conf` file of a NixOS container says.

    Args:
        found: What is known.
        text: The content of the file.
        declared: Whether the file is a link into the store, as those of declared containers are.
    """
    values = read_conf(text)
    flags = values.get(FLAGS, "").split()  # as the start script does
    found = with_flags(found, flags)
    unread = list(found.unread)
    has_network = any(values.get(key) for key in CLEARED) or values.get("PRIVATE_NETWORK") == "1"
    unread += [f"{key}={values[key]}" for key in _NOT_SAID if values.get(key)]
    unread += ["AUTO_START=1"] if values.get("AUTO_START") == "1" else []
    is_declared = found.declared or declared
    return evolve(
        found,
        declared=is_declared,
        network=Network.VETH if has_network else Network.HOST,
        private_users=has_own_users(values),
        built_from=None if is_declared else _source(values),
        unread=tuple(unread),
    )


def with_flags(found: FoundContainer, flags: Iterable[str]) -> FoundContainer:
    """Add what flags of systemd-nspawn say; see systemd-nspawn(1)."""
    binds, unread = list(found.binds), list(found.unread)
    capabilities, tmpfs, ephemeral = list(found.capabilities), list(found.tmpfs), found.ephemeral
    for flag in flags:
        option, _, value = flag.partition("=")
        match option:
            case "--bind" | "--bind-ro" if value:
                binds.append(_bind(value, read_only=option == "--bind-ro"))
            case "--capability" if all(is_read(CAPABILITY, each) for each in value.split(",")):
                capabilities += value.split(",")
            case "--tmpfs" if is_read(TMPFS, value):
                tmpfs.append(value)
            case "--ephemeral" if not value:
                ephemeral = True
            case _:
                unread.append(f"the flag {flag}")
    return evolve(
        found,
        binds=tuple(binds),
        capabilities=tuple(capabilities),
        tmpfs=tuple(tmpfs),
        ephemeral=ephemeral,
        unread=tuple(unread),
    )


def _source(values: Mapping[str, str]) -> str:
    """Return what NixOS builds a container from that is not declared."""
    flake = values.get("FLAKE")
    return f"the flake {flake}" if flake else "its own /etc/nixos/configuration.nix"


def without(binds: Iterable[Bind], targets: Iterable[Path]) -> tuple[Bind, ...]:
    """Return the binds but those at these places inside: the hive makes its own."""
    hidden = set(targets)
    return tuple(bind for bind in binds if bind.target not in hidden)


def _assignments(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield section, key and value of each assignment of a unit file."""
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            yield section, key.strip(), value.strip()


def _bind(value: str, *, read_only: bool) -> Bind:
    """Read a bind of nspawn: a source, and optionally a target and options, after colons."""
    parts = _parts(value)
    target = parts[1] if len(parts) > 1 and parts[1] else parts[0]
    return Bind(Path(parts[0].lstrip("+-")), Path(target.lstrip("+-")), read_only)


def _parts(value: str) -> list[str]:
    """Split at colons; a backslash takes the meaning of the character that follows."""
    parts = [""]
    for plain, escaped, _ in _PIECE.findall(value):
        if plain or escaped:
            parts[-1] += plain or escaped[1:]
        else:
            parts.append("")
    return parts


def _number(value: str) -> int | None:
    return int(value) if value.isdecimal() and value != _UNLIMITED else None


def _is_true(value: str) -> bool:
    return value in {"yes", "true", "on", "1"}
