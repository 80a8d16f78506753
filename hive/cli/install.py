"""Verbs that print files to install: unit files of the services, a shell completion script."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import click

import hive
from hive.cli import output
from hive.names import ADMIN_GROUP
from hive.shell_completion import completion_verb

HARDENING = (
    *("NoNewPrivileges=yes", "ProtectSystem=full"),
    *("ProtectClock=yes", "ProtectHostname=yes", "ProtectKernelLogs=yes"),
    *("ProtectKernelModules=yes", "LockPersonality=yes", "RestrictRealtime=yes"),
)
"""Restrictions of the service; they apply to agents of the process runtime, too."""

WEB_USER = "hyperhive-web"
"""The user of the dashboard's service, with a group of its own."""

WEB_HARDENING = (
    *("NoNewPrivileges=yes", "CapabilityBoundingSet=", "UMask=0077", "RemoveIPC=yes"),
    *("ProtectSystem=strict", "PrivateTmp=yes", "PrivateDevices=yes", "DevicePolicy=closed"),
    *("ProtectClock=yes", "ProtectHostname=yes", "ProtectKernelLogs=yes", "ProtectProc=invisible"),
    *("ProtectKernelModules=yes", "ProtectKernelTunables=yes", "ProtectControlGroups=yes"),
    *("RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6", "RestrictNamespaces=yes"),
    *("RestrictRealtime=yes", "RestrictSUIDSGID=yes", "LockPersonality=yes"),
    *("MemoryDenyWriteExecute=yes", "SystemCallArchitectures=native"),
    *("SystemCallFilter=@system-service", "SystemCallErrorNumber=EPERM"),
    *("MemoryMax=512M", "TasksMax=100"),
)
"""Restrictions of the dashboard: it reads its program, and writes two directories of its own."""


@click.command()
@click.option(
    "--config",
    type=click.Path(dir_okay=False, readable=False, path_type=Path),
    help="The hive.toml to run. Default: the agents already known to the store.",
)
@click.option("--web", is_flag=True, help="Print that of the dashboard instead.")
def install_unit(config: Path | None, web: bool) -> None:
    """Print the unit file that makes the daemon a systemd service. Nothing is changed.

    The dashboard has a service of its own, whose user is hyperhive-web.
    """
    program = Path(sys.executable).parent / output.PROGRAM
    if web and config is not None:
        raise output.misuse("install-unit", "the dashboard asks the daemon; --config is for that")
    if web:
        reads = (Path(sys.prefix), Path(sys.base_prefix), Path(hive.__file__))
        output.lines(web_unit_file(program, reads=reads).splitlines())
        return
    output.lines(unit_file(program, config and config.absolute()).splitlines())


completion = completion_verb(output.PROGRAM)


def unit_file(program: Path, config: Path | None) -> str:
    """Return the unit file, see systemd.service(5).

    Args:
        program: The absolute path of `hive-c0re`.
        config: The hive.toml to run; None for the agents already known to the store.
    """
    command = [str(program), "serve", "--no-status", "--keep-agents"]
    command += [] if config is None else ["--config", str(config)]
    lines = [
        *("[Unit]", "Description=hyperhive, the supervisor of a hive of coding agents"),
        *("Wants=dbus.socket", "After=dbus.socket nix-daemon.socket network.target"),
        *("StartLimitIntervalSec=60", "StartLimitBurst=10"),
        *("", "[Service]", "Type=notify", f"ExecStart={' '.join(map(_word, command))}"),
        f"ExecReload={_word(str(program))} reload",
        "# The watchdog restarts a daemon that hangs; containers keep running.",
        *("Restart=on-failure", "RestartSec=1s", "WatchdogSec=30s", "TimeoutStopSec=90s"),
        "# Each connection is a descriptor; the daemon raises its own limit up to this one.",
        "LimitNOFILE=1024:524288",
        "# When memory runs out, the kernel ends agents first, and the supervisor last.",
        *("OOMScoreAdjust=-500", "MemoryMin=256M"),
        "# Agents of the process runtime outlive the daemon.",
        "KillMode=process",
        "# Containers outlive the daemon with its sockets bound into them: keep their directory.",
        *("RuntimeDirectory=hyperhive", "RuntimeDirectoryMode=0751"),
        *("RuntimeDirectoryPreserve=yes", "StateDirectory=hyperhive", "StateDirectoryMode=0750"),
        *(
            "Environment=HYPERHIVE_RUN_DIR=%t/hyperhive",
            "Environment=HYPERHIVE_STATE_DIR=%S/hyperhive",
        ),
        "# nixos-container writes there; create it now, since /etc is read-only afterwards.",
        *("ConfigurationDirectory=nixos-containers", "ReadWritePaths=/etc/nixos-containers"),
        *HARDENING,
        *("", "[Install]", "WantedBy=multi-user.target"),
    ]
    return "\n".join([*lines, ""])


def web_unit_file(program: Path, *, reads: Iterable[Path] = ()) -> str:
    """Return the unit file of the dashboard, see systemd.service(5) and systemd.exec(5).

    Args:
        program: The absolute path of `hive-c0re`.
        reads: Where its Python and its libraries are: home directories stay visible for that.
    """
    is_at_home = any(is_below_home(path) for path in (program, *reads))
    lines = [
        *("[Unit]", "Description=hyperhive, the dashboard"),
        *("After=network.target hive-c0re.service", "StartLimitIntervalSec=60"),
        *("StartLimitBurst=10", "", "[Service]", "Type=exec"),
        f"ExecStart={_word(str(program))} web",
        *("Restart=on-failure", "RestartSec=1s", "TimeoutStopSec=10s"),
        "# That group may use host.sock; a proxy in the group of this user may use its own socket.",
        *(f"User={WEB_USER}", f"Group={WEB_USER}", f"SupplementaryGroups={ADMIN_GROUP}"),
        *("RuntimeDirectory=hyperhive-web", "RuntimeDirectoryMode=0751"),
        *("StateDirectory=hyperhive-web", "StateDirectoryMode=0700"),
        *(
            "Environment=HYPERHIVE_RUN_DIR=%t/hyperhive",
            "Environment=HYPERHIVE_STATE_DIR=%S/hyperhive",
        ),
        f"ProtectHome={'read-only' if is_at_home else 'yes'}",
        *WEB_HARDENING,
        *("", "[Install]", "WantedBy=multi-user.target"),
    ]
    return "\n".join([*lines, ""])


def is_below_home(path: Path) -> bool:
    """Return whether `ProtectHome=yes` would hide a path."""
    return any(path.is_relative_to(home) for home in ("/home", "/root", "/run/user"))


def _word(word: str) -> str:
    """Return a word of a command line, quoted and without specifiers or variables."""
    plain = word.replace("%", "%%").replace("$", "$$")
    simple = plain.replace("/", "").replace("-", "").replace("_", "").replace(".", "").isalnum()
    return plain if simple else json.dumps(plain, ensure_ascii=False)
