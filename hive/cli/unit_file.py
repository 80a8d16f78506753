"""The unit file of the daemon itself. Pure: text from a few paths."""

from __future__ import annotations

import json
from pathlib import Path

HARDENING = (
    *("NoNewPrivileges=yes", "ProtectSystem=full"),
    *("ProtectClock=yes", "ProtectHostname=yes", "ProtectKernelLogs=yes"),
    *("ProtectKernelModules=yes", "LockPersonality=yes", "RestrictRealtime=yes"),
)
"""What the daemon never needs. It holds for agents of the process runtime, too."""


def unit_file(program: Path, config: Path | None) -> str:
    """Return the unit file, see systemd.service(5).

    Args:
        program: The absolute path of `hive-c0re`.
        config: The hive.toml to serve; None serves what was spawned before.
    """
    words = [str(program), "serve", "--no-status", "--keep-agents"]
    words += [] if config is None else ["--config", str(config)]
    lines = [
        *("[Unit]", "Description=hyperhive, the supervisor of a hive of coding agents"),
        *("Wants=dbus.socket", "After=dbus.socket network.target"),
        *("StartLimitIntervalSec=60", "StartLimitBurst=10"),
        *("", "[Service]", "Type=notify", f"ExecStart={' '.join(map(_word, words))}"),
        "# A hang is ended and started again; containers never notice.",
        *("Restart=on-failure", "RestartSec=1s", "WatchdogSec=30s", "TimeoutStopSec=90s"),
        "# Agents of the process runtime outlive the daemon.",
        "KillMode=process",
        "# Sockets are bound into containers that outlive the daemon: their directory stays.",
        *("RuntimeDirectory=hyperhive", "RuntimeDirectoryMode=0751"),
        *("RuntimeDirectoryPreserve=yes", "StateDirectory=hyperhive", "StateDirectoryMode=0750"),
        *(
            "Environment=HYPERHIVE_RUN_DIR=%t/hyperhive",
            "Environment=HYPERHIVE_STATE_DIR=%S/hyperhive",
        ),
        "# nixos-container writes there; it is made now, since /etc is read-only afterwards.",
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
