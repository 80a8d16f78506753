"""Text of the files that are generated for a container. All pure.

Three of them are for the host: the unit's drop-in, the `.nspawn` settings, and (on NixOS) the
equivalent flags. Two are bound into the container, so that its systemd runs the agent as a
service of its own and ends the whole container when the agent ends, with the agent's exit status.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from enum import Enum
from pathlib import Path, PurePosixPath

from attrs import frozen

from hive.config.model import Bind, Network
from hive.errors import FailedError
from hive.machines.runtime import MachineSpec
from hive.machines.systemd.exit_cause import AGENT, EXIT_MARKER
from hive.paths import IN_CONTAINER_SOCKET

STOP_MARGIN = 15.0
"""Seconds by which systemd's stop timeout exceeds the drain deadline."""

OWN_UNITS = Path("/run/hive-units")
"""Directory inside in which systemd finds the agent's unit. Not below /run/systemd: with shifted
users nspawn would make that directory for the bind, and the guest could not write to it."""

RUNTIME_UNITS = Path("/run/systemd/system")
"""The same in a NixOS container, whose users are not shifted."""

GUEST_FILES = (f"{AGENT}.service", f"multi-user.target.d/{AGENT}.conf")
"""The agent's unit, and the drop-in by which it is started, relative to that directory."""

_SPECIAL = frozenset(" \t\n\"'\\*?[]$`#;&|<>(){}~!")
"""Characters with a meaning to a shell."""


class Users(Enum):
    """User ids inside: those of the host (SAME) or a range of their own (SHIFTED)."""

    SAME = "same"
    SHIFTED = "shifted"


@frozen
class Settings:
    """Settings common to the containers of a hive.

    Attributes:
        network: Kind of network.
        users: User ids inside.
        binds: Directories of the host visible in each, the programs of agents for instance.
    """

    network: Network = Network.HOST
    users: Users = Users.SAME
    binds: tuple[Bind, ...] = ()


def inner_state(name: str) -> PurePosixPath:
    """Return the directory of an agent's own files inside its container."""
    return PurePosixPath("/agents", name, "state")


def binds(spec: MachineSpec) -> tuple[Bind, ...]:
    """Return the binds of an agent: its socket, its state, those of its spec.

    An agent may connect to a socket in a directory that it may not write to, so that it can neither
    replace the socket nor fill the file system of all sockets.
    """
    sockets = Bind(spec.socket_dir, IN_CONTAINER_SOCKET.parent, read_only=True)
    state = Bind(spec.state_dir, Path(inner_state(spec.name)))
    return (sockets, state, *spec.binds)


def guest_files(spec: MachineSpec) -> dict[str, str]:
    """Return the unit files bound into the container; none if its own system runs the agent."""
    return dict(
        zip(GUEST_FILES, (agent_unit(spec), _agent_wanted()), strict=True) if spec.command else ()
    )


def nspawn_file(spec: MachineSpec, guest_units: Path, settings: Settings) -> str:
    """Return the settings of a container for systemd-nspawn; see systemd.nspawn(5).

    Args:
        spec: The agent.
        guest_units: Directory of its unit files.
        settings: Settings of all containers.
    """
    shifted = settings.users is Users.SHIFTED
    visible = [*binds(spec), *settings.binds]
    variables = environment(spec)
    if spec.command:
        # The agent gets its variables from its unit, which the systemd inside finds by this one.
        variables = {"SYSTEMD_UNIT_PATH": f"{OWN_UNITS}:"}
        visible.append(Bind(guest_units, OWN_UNITS, read_only=True))
    lines = ["[Exec]", "Boot=yes", f"PrivateUsers={'pick' if shifted else 'no'}"]
    lines += [f"Environment={key}={value}" for key, value in variables.items()]
    lines += ["[Files]"]
    lines += ["PrivateUsersOwnership=auto"] if shifted else []
    lines += [_bind_line(bind, shifted=shifted) for bind in visible]
    lines += ["[Network]", f"Private={_yes(settings.network is not Network.HOST)}"]
    lines += [f"VirtualEthernet={_yes(settings.network is Network.VETH)}"]
    return _file(lines)


def drop_in(spec: MachineSpec) -> str:
    """Return the drop-in of a container's service on the host.

    `Restart=no` alone is insufficient: a status in `RestartForceExitStatus=` restarts nevertheless,
    and systemd would forget one in `SuccessExitStatus=` (133, a reboot) before it is reported.
    nspawn logs to the container's console, so its messages are in order with the container's.
    """
    lines = [
        *("[Unit]", "StartLimitIntervalSec=0"),
        *("[Service]", "Restart=no", "RestartForceExitStatus=", "SuccessExitStatus="),
        "Environment=SYSTEMD_LOG_TARGET=console",
        f"TimeoutStopSec={spec.stop_timeout + STOP_MARGIN:g}s",
    ]
    if spec.memory_max is not None:
        lines.append(f"MemoryMax={spec.memory_max}")
    if spec.cpu_quota is not None:
        lines.append(f"CPUQuota={spec.cpu_quota}")
    return _file(lines)


def agent_unit(spec: MachineSpec) -> str:
    """Return the service inside that runs the agent; its end ends the container."""
    marker = f'echo "{EXIT_MARKER} $$SERVICE_RESULT $$EXIT_CODE $$EXIT_STATUS"'
    lines = [
        *("[Unit]", f"Description=The agent {spec.name}"),
        *("SuccessAction=exit", "FailureAction=exit"),
        *("[Service]", "Type=exec", "User=root"),
        f"SyslogIdentifier={AGENT}",
        *("StandardOutput=journal+console", "StandardError=inherit"),
        f"WorkingDirectory={_unit_word(str(_inner_directory(spec)))}",
        *(f"Environment={quote(f'{key}={value}')}" for key, value in environment(spec).items()),
        f"ExecStart=:{' '.join(map(quote, spec.command))}",
        f"ExecStopPost=-/bin/sh -c {quote(marker)}",
        f"TimeoutStopSec={spec.stop_timeout:g}s",
    ]
    return _file(lines)


def environment(spec: MachineSpec) -> dict[str, str]:
    """Return the agent's variables, with paths as they are inside."""
    inside = {
        "HIVE_NAME": spec.name,
        "HIVE_SOCKET": str(IN_CONTAINER_SOCKET),
        "HIVE_STATE": str(inner_state(spec.name)),
    }
    return {**spec.environment, **inside}


def nspawn_flags(spec: MachineSpec, guest_units: Path) -> str:
    """Return the binds as flags for `EXTRA_NSPAWN_FLAGS`, which a shell splits at white space.

    Args:
        spec: The agent.
        guest_units: Directory of its unit files.

    Raises:
        FailedError: A path or variable has characters that the shell would change.
    """
    units = [Bind(guest_units / file, RUNTIME_UNITS / file, True) for file in guest_files(spec)]
    flags = [
        f"--bind{'-ro' if bind.read_only else ''}={bind.source}:{bind.target}"
        for bind in (*binds(spec), *units)
    ]
    if not spec.command:
        flags += [f"--setenv={key}={value}" for key, value in environment(spec).items()]
    for flag in flags:
        if set(flag) & _SPECIAL:
            raise FailedError(
                f"{spec.name}: {flag!r} cannot be given to a NixOS container, whose start script "
                "splits and expands its flags; use a plainer path or value"
            )
    return " ".join(flags)


def quote(word: str) -> str:
    """Return a word quoted and escaped for a unit file, without specifiers."""
    return json.dumps(word, ensure_ascii=False).replace("\x7f", "\\x7f").replace("%", "%%")


def _agent_wanted() -> str:
    """Return the drop-in of the container's multi-user.target that starts the agent's service."""
    return _file(["[Unit]", f"Wants={AGENT}.service"])


def _inner_directory(spec: MachineSpec) -> PurePosixPath:
    outside = spec.working_directory or spec.state_dir
    if outside.is_relative_to(spec.state_dir):
        return inner_state(spec.name) / outside.relative_to(spec.state_dir)
    return PurePosixPath(outside)


def _bind_line(bind: Bind, *, shifted: bool) -> str:
    key = "BindReadOnly" if bind.read_only else "Bind"
    source, target = (str(path).replace(":", "\\:") for path in (bind.source, bind.target))
    return f"{key}={source}:{target}" + (":idmap" if shifted else "")


def _unit_word(word: str) -> str:
    return word.replace("%", "%%")


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _file(lines: Iterable[str]) -> str:
    return "\n".join(["# Written by hive-c0re, and again before each start.", *lines, ""])
