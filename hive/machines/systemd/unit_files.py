"""Text of the files that are generated for a container. All pure.

Three of them are for the host: the unit's drop-in, the `.nspawn` settings, and (on NixOS) the
equivalent flags. Two are bound into the container, so that its systemd runs the agent as a
service of its own and ends the whole container when the agent ends, with the agent's exit status.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from attrs import frozen

from hive.base_directories import IN_CONTAINER_SOCKET
from hive.config.container_kinds import FLAG_SPECIAL
from hive.config.model import Bind, MachineProtection, Network
from hive.errors import FailedError
from hive.machines.inside import environment, guest_directory, inner_state, search_path
from hive.machines.runtime import MachineSpec
from hive.machines.systemd.agents_slice import LOG_SECONDS, limit_lines
from hive.machines.systemd.console_output import AGENT
from hive.machines.systemd.exit_cause import EXIT_MARKER
from hive.machines.systemd.user_ranges import UserRange

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

STOP_MARGIN = 15.0
"""Seconds by which systemd's stop timeout exceeds the drain deadline."""

SYNC = "journalctl --sync"
"""Shell command that waits until the journal inside has passed all lines on to the console. At the
end of the container it is ended, too, and what it has not read by then is lost."""

AFTER_FLOOD = f"sleep {LOG_SECONDS + 0.1:g}"
"""Shell command that waits until the host's journal takes lines again after a flood of output. The
signal that killed an agent is only in the marker; an exit status is also that of the container."""

OWN_UNITS = Path("/run/hive-units")
"""Directory inside in which systemd finds the agent's unit. Not below /run/systemd: with a range of
users nspawn would make that directory for the bind, and the guest could not write to it."""

RUNTIME_UNITS = Path("/run/systemd/system")
"""The same in a NixOS container, whose users are those of the host."""

CREDENTIALS = "credentials"
"""Directory of an agent's credentials, below that of its unit files."""

IN_CONTAINER_CREDENTIALS = Path("/run/hive-credentials")
"""The same inside; the systemd there gives the agent copies of them, as systemd.exec(5) says."""

GUEST_FILES = (
    *(f"{AGENT}.service", f"multi-user.target.d/{AGENT}.conf"),
    f"console-getty.service.d/{AGENT}.conf",
)
"""The agent's unit, the drop-in by which it is started, and one that leaves the console to it,
relative to that directory."""


@frozen
class Settings:
    """Settings common to the containers of a hive.

    Attributes:
        network: Kind of network.
        private_users: Whether a container whose spec does not say it has a range of users of its
            own.
        binds: Directories of the host visible in each, the programs of agents for instance.
    """

    network: Network = Network.HOST
    private_users: bool = True
    binds: tuple[Bind, ...] = ()


def binds(spec: MachineSpec) -> tuple[Bind, ...]:
    """Return the binds of an agent: its socket, its state, those of its spec.

    An agent may connect to a socket in a directory that it may not write to, so that it can neither
    replace the socket nor fill the file system of all sockets.
    """
    sockets = Bind(spec.socket_dir, Path(IN_CONTAINER_SOCKET).parent, read_only=True)
    state = Bind(spec.state_dir, Path(inner_state(spec.name)))
    return (sockets, state, *spec.binds, *device_binds(spec))


def device_binds(spec: MachineSpec) -> tuple[Bind, ...]:
    """Return the binds of the devices that an agent may use, each at its place in the host."""
    nodes = (Path(device.partition(" ")[0]) for device in spec.devices)
    return tuple(Bind(node, node) for node in nodes)


def guest_files(spec: MachineSpec) -> dict[str, str]:
    """Return the unit files bound into the container; none if its own system runs the agent."""
    if not spec.command:
        return {}
    return dict(zip(GUEST_FILES, (agent_unit(spec), _agent_wanted(), _getty()), strict=True))


def nspawn_file(
    spec: MachineSpec, guest_units: Path, settings: Settings, users: UserRange | None
) -> str:
    """Return the settings of a container for systemd-nspawn; see systemd.nspawn(5).

    Args:
        spec: The agent.
        guest_units: Directory of its unit files.
        settings: Settings of all containers.
        users: Its range of users; None for those of the host.
    """
    visible = [*binds(spec), *settings.binds]
    variables = environment(spec)
    if spec.command:
        # The agent gets its variables from its unit, which the systemd inside finds by this one.
        variables = {"SYSTEMD_UNIT_PATH": f"{OWN_UNITS}:"}
        visible.append(Bind(guest_units, OWN_UNITS, read_only=True))
    visible += _credentials_bind(spec, guest_units)
    network = spec.network or settings.network
    lines = ["[Exec]", "Boot=yes", f"PrivateUsers={users.setting if users else 'no'}"]
    lines += ["Ephemeral=yes"] if spec.ephemeral else []
    lines += [f"Capability={' '.join(spec.capabilities)}"] if spec.capabilities else []
    lines += [f"Environment={key}={value}" for key, value in variables.items()]
    lines += ["[Files]"]
    lines += ["PrivateUsersOwnership=auto"] if users else []
    lines += [_bind_line(bind, users) for bind in visible]
    lines += [f"TemporaryFileSystem={each}" for each in spec.tmpfs]
    lines += ["[Network]", f"Private={_yes(network is not Network.HOST)}"]
    lines += [f"VirtualEthernet={_yes(network is Network.VETH)}"]
    lines += [f"Bridge={spec.bridge}"] if spec.bridge else []
    lines += [f"Port={port}" for port in spec.ports]
    return _file(lines)


def drop_in(spec: MachineSpec, protection: MachineProtection, log: Path) -> str:
    """Return the drop-in of a container's service on the host.

    `Restart=no` alone is insufficient: a status in `RestartForceExitStatus=` restarts nevertheless,
    and systemd would forget one in `SuccessExitStatus=` (133, a reboot) before it is reported.
    What nspawn itself says goes to a file, out of reach of the container: on the console it would
    continue a prompt, and journald would leave it out after a flood of the agent's output.

    Args:
        spec: The agent.
        protection: Limits of all containers together, and of their output.
        log: Where nspawn's own messages go.
    """
    lines = [
        *("[Unit]", "StartLimitIntervalSec=0"),
        *("[Service]", "Restart=no", "RestartForceExitStatus=", "SuccessExitStatus="),
        *("Environment=SYSTEMD_LOG_TARGET=console", f"StandardError=append:{_unit_word(str(log))}"),
        "WatchdogSec=0",  # a frozen container reports nothing, and is not hung
        f"TimeoutStartSec={spec.start_timeout:g}s",
        f"TimeoutStopSec={spec.stop_timeout + STOP_MARGIN:g}s",
        *limit_lines(spec, protection),
        *(f"DeviceAllow={_allowed(device)}" for device in spec.devices),
    ]
    return _file(lines)


def agent_unit(spec: MachineSpec) -> str:
    """Return the service inside that runs the agent; its end ends the container."""
    marker = (
        f'{SYNC}; [ "$$EXIT_CODE" = exited ] || {AFTER_FLOOD}; '
        f'echo "{EXIT_MARKER} $$SERVICE_RESULT $$EXIT_CODE $$EXIT_STATUS"; {SYNC}'
    )
    lines = [
        *("[Unit]", f"Description=The agent {spec.name}"),
        *("SuccessAction=exit", "FailureAction=exit"),
        *("[Service]", "Type=exec", "User=root"),
        f"SyslogIdentifier={AGENT}",
        *("StandardOutput=journal+console", "StandardError=inherit"),
        f"WorkingDirectory={_unit_word(str(guest_directory(spec)))}",
        f"ExecSearchPath={_unit_word(search_path(spec))}",  # also $PATH, unless it is set below
        *(f"Environment={quote(f'{key}={value}')}" for key, value in environment(spec).items()),
        *(f"LoadCredential={name}:{IN_CONTAINER_CREDENTIALS / name}" for name in spec.credentials),
        f"ExecStart=:{' '.join(map(quote, spec.command))}",
        f"ExecStopPost=-/bin/sh -c {quote(marker)}",
        f"TimeoutStopSec={spec.stop_timeout:g}s",
    ]
    return _file(lines)


def nspawn_flags(spec: MachineSpec, guest_units: Path) -> str:
    """Return the settings as flags for `EXTRA_NSPAWN_FLAGS`, which a shell splits at white space.

    Args:
        spec: The agent.
        guest_units: Directory of its unit files.

    Raises:
        FailedError: A path or variable has characters that the shell would change.
    """
    units = [Bind(guest_units / file, RUNTIME_UNITS / file, True) for file in guest_files(spec)]
    visible = (*binds(spec), *units, *_credentials_bind(spec, guest_units))
    for path in (path for bind in visible for path in (bind.source, bind.target)):
        _require_plain(spec, str(path), FLAG_SPECIAL)
    flags = [
        f"--bind{'-ro' if bind.read_only else ''}={bind.source}:{bind.target}" for bind in visible
    ]
    flags += [f"--tmpfs={each}" for each in spec.tmpfs]
    flags += [f"--capability={','.join(spec.capabilities)}"] if spec.capabilities else []
    flags += ["--ephemeral"] if spec.ephemeral else []
    if not spec.command:
        flags += [f"--setenv={key}={value}" for key, value in environment(spec).items()]
    for flag in flags:
        _require_plain(spec, flag, FLAG_SPECIAL - {":"})
    return " ".join(flags)


def _require_plain(spec: MachineSpec, word: str, special: Collection[str]) -> None:
    """Refuse a word that the start script of a NixOS container would change."""
    if not set(word).isdisjoint(special):
        raise FailedError(
            f"{spec.name}: {word!r} cannot be given to a NixOS container, whose start script "
            "splits and expands its flags; use a plainer path or value"
        )


def _allowed(device: str) -> str:
    """Return the value of `DeviceAllow=` of a device; without a kind of access it has all."""
    node, _, access = device.partition(" ")
    return f"{node} {access or 'rwm'}"


def _credentials_bind(spec: MachineSpec, guest_units: Path) -> list[Bind]:
    bind = Bind(guest_units / CREDENTIALS, IN_CONTAINER_CREDENTIALS, read_only=True)
    return [bind] if spec.credentials else []


def quote(word: str) -> str:
    """Return a word quoted and escaped for a unit file, without specifiers."""
    return json.dumps(word, ensure_ascii=False).replace("\x7f", "\\x7f").replace("%", "%%")


def _agent_wanted() -> str:
    """Return the drop-in of the container's multi-user.target that starts the agent's service."""
    return _file(["[Unit]", f"Wants={AGENT}.service"])


def _getty() -> str:
    """Return the drop-in by which no getty runs on the console, as ordinary images start it.

    When it starts, agetty(8) discards what the console has yet to pass on to nspawn: lines of an
    agent that was started at the same time. Nobody can log in there, since the console of a
    container that runs as a service has no input.
    """
    return _file(["[Unit]", "ConditionVirtualization=!container"])


def _bind_line(bind: Bind, users: UserRange | None) -> str:
    mapped = users is not None and bind.source not in users.unmapped
    key = "BindReadOnly" if bind.read_only else "Bind"
    source, target = (_escaped(path) for path in (bind.source, bind.target))
    return f"{key}={source}:{target}" + (":idmap" if mapped else "")


def _escaped(path: Path) -> str:
    """Return a path as one part of a bind of nspawn: a backslash takes the meaning of the next."""
    return str(path).replace("\\", "\\\\").replace(":", "\\:")


def _unit_word(word: str) -> str:
    """Return a word as the whole value of a setting.

    Raises:
        FailedError: It would end the line, or continue it with the next.
    """
    if _CONTROL.search(word) or word.endswith("\\"):
        raise FailedError(f"{word!r} cannot stand in a unit file; use a plainer path")
    return word.replace("%", "%%")


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _file(lines: Iterable[str]) -> str:
    return "\n".join(["# Written by hive-c0re, and again before each start.", *lines, ""])
