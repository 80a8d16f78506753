"""The kinds of values that only containers have: capabilities, devices, ports, and the like."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hive.config.kinds import STRING
from hive.config.readers import InvalidValueError, choice, text
from hive.config.table_schema import ReadContext, ValueKind, scalar

CAPABILITIES = tuple(
    f"CAP_{name}"
    for name in (
        *("AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF"),
        *("CHECKPOINT_RESTORE", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID"),
        *("IPC_LOCK", "IPC_OWNER", "KILL", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN"),
        *("MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW"),
        *("PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYSLOG", "SYS_ADMIN", "SYS_BOOT"),
        *("SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO"),
        *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "WAKE_ALARM"),
    )
)
"""The capabilities of Linux, see capabilities(7)."""

FLAG_SPECIAL = frozenset(": \t\n\"'\\*?[]$`#;&|<>(){}~!")
"""Characters that a path in a flag of a NixOS container's start script must not have: they have a
meaning to a shell, or separate the parts of the flag."""

_DEVICE = re.compile(r"/dev(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)+(?: [rwm]{1,3})?")
_TMPFS = re.compile(
    r"(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)+(?::[a-z]+(?:=[\w.%-]+)?(?:,[a-z]+(?:=[\w.%-]+)?)*)?"
)
_PORT = re.compile(r"(?:(?:tcp|udp):)?(\d{1,5})(?::(\d{1,5}))?")
_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}", re.ASCII)


def _port(value: Any) -> str:
    """Read a port of the host that leads into a container, and return it unchanged."""
    written = text(value)
    match = _PORT.fullmatch(written)
    if match is None or not all(0 < int(port) < 1 << 16 for port in match.groups() if port):
        raise InvalidValueError(
            'expected a port such as "8080", "tcp:8080" or "tcp:8080:80" (host, container)'
        )
    return written


def _device(value: Any) -> str:
    """Read a device of the host, with the kinds of access."""
    written = text(value)
    if not _DEVICE.fullmatch(written):
        raise InvalidValueError(
            'expected a device such as "/dev/kvm", or with the access as in DeviceAllow=: '
            '"/dev/net/tun rw"'
        )
    return written


def _tmpfs(value: Any) -> str:
    """Read a memory file system: its place inside, and mount options."""
    written = text(value)
    if not _TMPFS.fullmatch(written):
        raise InvalidValueError(
            'expected a plain path inside, as "/scratch", or with options of tmpfs(5): '
            '"/scratch:size=2G,mode=0700"'
        )
    return written


def _interface(value: Any) -> str:
    """Read the name of a network interface."""
    written = text(value)
    if not _INTERFACE.fullmatch(written):
        raise InvalidValueError('expected the name of an interface such as "br0"')
    return written


CAPABILITY = scalar("word", choice(CAPABILITIES), {"type": "string", "enum": list(CAPABILITIES)})
DEVICE = scalar("text", _device, {"type": "string", "pattern": f"^{_DEVICE.pattern}$"})
TMPFS = scalar("text", _tmpfs, {"type": "string", "pattern": f"^{_TMPFS.pattern}$"})
INTERFACE = scalar("text", _interface, STRING)
PORT = scalar("text", _port, STRING)


def is_read(kind: ValueKind, value: str) -> bool:
    """Return whether a manifest may have a value of one of these kinds."""
    try:
        kind.read(value, ReadContext(Path()))
    except InvalidValueError:
        return False
    return True
