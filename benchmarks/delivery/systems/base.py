"""The interfaces of a system under test."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

BODY = "x" * 200
"""Body of every message."""

TAKE = 16
"""Most messages that a receiver takes at once."""

Stored = Callable[[], None]
"""Called when the system has confirmed a message."""

Delivered = Callable[[int], None]
"""Called with the number of messages that have arrived; the lane acks them by itself."""


class Lane(Protocol):
    """A path from a sender to a receiver, with a connection for each of them."""

    def send(self, stored: Stored) -> None:
        """Send one message; not called again before `stored` was."""
        ...

    def listen(self, delivered: Delivered) -> None:
        """Receive from now on."""
        ...

    async def close(self) -> None:
        """Disconnect both ends."""
        ...


class Driven(Protocol):
    """A server with lanes."""

    @property
    def name(self) -> str:
        """Its name in the report."""
        ...

    async def connect(self, count: int) -> list[Lane]:
        """Open the first `count` lanes."""
        ...

    def cpu_seconds(self) -> float:
        """Return the CPU time that the server has used so far."""
        ...


class Broker(Driven, Protocol):
    """A server that senders and receivers connect to over sockets."""

    @property
    def missing(self) -> str | None:
        """Why it cannot be run here, in words; None if it can."""
        ...

    async def start(self, directory: Path, lanes: int) -> None:
        """Start the server with all its files in `directory`, ready for that many lanes."""
        ...

    def stop(self) -> None:
        """End the server, if it runs."""
        ...


class Embedded(Protocol):
    """A queue that is a library: it is called on a thread, with no server and no socket."""

    @property
    def name(self) -> str:
        """Its name in the report."""
        ...

    @property
    def missing(self) -> str | None:
        """Why it cannot be run here, in words; None if it can."""
        ...

    def open(self, directory: Path) -> Callable[[], object]:
        """Open a queue in `directory`; the result puts one message into it and blocks."""
        ...


def without_module(module: str, package: str) -> str | None:
    """Return a sentence if a Python package is not installed, else None."""
    if importlib.util.find_spec(module) is not None:
        return None
    return f"the Python package {package} is not installed"


def imported(module: str) -> Any:
    """Import an optional module that is known to be installed."""
    return importlib.import_module(module)


def find_program(program: str) -> Path | None:
    """Return the path of a program: in the directory of this Python, or on the PATH."""
    local = Path(sys.executable).with_name(program)
    found = str(local) if local.exists() else shutil.which(program)
    return Path(found) if found else None


def without_program(program: str, package: str) -> str | None:
    """Return a sentence if a program is not installed, else None."""
    if find_program(program) is not None:
        return None
    return f"the program {program} is not installed ({package})"
