"""Verbs that print files to install: the daemon's unit file, a shell completion script."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from hive.cli import output

HARDENING = (
    *("NoNewPrivileges=yes", "ProtectSystem=full"),
    *("ProtectClock=yes", "ProtectHostname=yes", "ProtectKernelLogs=yes"),
    *("ProtectKernelModules=yes", "LockPersonality=yes", "RestrictRealtime=yes"),
)
"""Restrictions of the service; they apply to agents of the process runtime, too."""


@click.command()
@click.option(
    "--config",
    type=click.Path(dir_okay=False, readable=False, path_type=Path),
    help="The hive.toml to run. Default: the agents already known to the store.",
)
def install_unit(config: Path | None) -> None:
    """Print the unit file that makes the daemon a systemd service. Nothing is changed."""
    program = Path(sys.executable).parent / output.PROGRAM
    output.lines(unit_file(program, config and config.absolute()).splitlines())


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes names in a shell: `eval "$(hive-c0re completion bash)"`."""
    from click.shell_completion import get_completion_class

    from hive.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None, "the choice above allows only shells that click knows"
    output.lines([found(cli, {}, output.PROGRAM, "_HIVE_C0RE_COMPLETE").source()])


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
        *("Wants=dbus.socket", "After=dbus.socket network.target"),
        *("StartLimitIntervalSec=60", "StartLimitBurst=10"),
        *("", "[Service]", "Type=notify", f"ExecStart={' '.join(map(_word, command))}"),
        "# The watchdog restarts a daemon that hangs; containers keep running.",
        *("Restart=on-failure", "RestartSec=1s", "WatchdogSec=30s", "TimeoutStopSec=90s"),
        "# Each connection is a descriptor; the daemon raises its own limit up to this one.",
        "LimitNOFILE=1024:524288",
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


def _word(word: str) -> str:
    """Return a word of a command line, quoted and without specifiers or variables."""
    plain = word.replace("%", "%%").replace("$", "$$")
    simple = plain.replace("/", "").replace("-", "").replace("_", "").replace(".", "").isalnum()
    return plain if simple else json.dumps(plain, ensure_ascii=False)
