"""A record of the method calls on the system bus, and which of them act on a peer.

Inside the testbed it is made of all tests. Nothing in a hive may act on a peer's container, so any
method call that names the peer and is no mere look makes the run fail, whoever sent it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.support.daemons import eventually

PEER = "damocles"
"""In the name of every container of the tests that is nobody's but its own."""

LOOKS = frozenset(
    {
        *("Get", "GetAll", "Introspect", "Subscribe", "AddMatch", "GetNameOwner"),
        *("GetUnit", "LoadUnit", "GetUnitByPID", "GetUnitByPIDFD", "GetUnitByInvocationID"),
        *("ListUnits", "ListUnitsByNames", "ListUnitsByPatterns", "GetUnitFileState"),
        *("GetMachine", "GetMachineByPID", "ListMachines", "GetImage", "ListImages"),
        *("GetMachineAddresses", "GetMachineOSRelease"),
    }
)
"""Methods of D-Bus, systemd and machined that change nothing."""

BY_ITSELF = frozenset({"RegisterMachine", "RegisterMachineWithNetwork", "UnregisterMachine"})
"""What a container's own systemd-nspawn tells machined."""

_PRIVATE = Path("/run/systemd/private")
"""Where systemd listens to root without any bus, and without anybody who could listen in."""

Call = Mapping[str, Any]
"""A method call, as `busctl --json` prints it."""


def acting(calls: Iterable[Call], peer: str) -> list[str]:
    """Return the calls that name a peer and are no mere looks, each as `member(arguments)`."""
    return [
        f"{call['member']}({json.dumps(call['payload'].get('data', []))}) on {call['path']}"
        for call in calls
        if call["member"] not in LOOKS | BY_ITSELF and peer in json.dumps(call)
    ]


def hide_private_socket() -> None:
    """Leave the system bus as the only way to systemd, even for root."""
    if not _PRIVATE.is_char_device():
        subprocess.run(["mount", "--bind", "/dev/null", str(_PRIVATE)], check=True)


def aside(*argv: str) -> tuple[str, ...]:
    """Return the command line that runs `systemctl` for a test itself, unheard on the bus."""
    return ("unshare", "--mount", "sh", "-c", f'umount {_PRIVATE} && exec "$@"', "sh", *argv)


@contextmanager
def recorded(path: Path) -> Iterator[Path]:
    """Record all method calls on the system bus into a file, one a line.

    After the block, all that was called within it is in the file.
    """
    monitor = ["busctl", "monitor", "--json=short", "--match=type='method_call'"]
    with path.open("wb") as out:
        process = subprocess.Popen(monitor, stdout=out, stderr=subprocess.PIPE)
    assert process.stderr
    process.stderr.readline()  # "Monitoring bus message stream."
    try:
        yield path
        _catch_up(path)
    finally:
        process.terminate()
        process.communicate()


def _catch_up(path: Path) -> None:
    """Call something, and wait until that is recorded: so is what came before."""
    mark = f"end{uuid4().hex}"
    subprocess.run(["systemctl", "show", mark], check=True, capture_output=True)
    eventually(lambda: mark in path.read_text(errors="replace"), what="the end of the record")


def read(path: Path) -> list[Call]:
    """Return what was recorded; a line that was cut off at the end is left out."""
    lines = path.read_text(errors="replace").split("\n")[:-1]
    return [json.loads(line) for line in lines]
