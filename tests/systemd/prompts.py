"""The prompts that gettys print to the consoles of containers."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from tests.support.daemons import eventually


def wait_for_prompt(*agents: str) -> None:
    """Wait until the getty in the container of each agent has printed its prompt.

    It prints it about a second after the boot, and then waits for input.
    """
    for agent in agents:
        unit = f"@h-{agent}.service"
        eventually(lambda unit=unit: any(unit in each for each in _waiting()), what="a prompt")


def _waiting() -> list[str]:
    """Return the control groups of the gettys that wait for input."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if (process / "comm").read_text() == "agetty\n":
                is_waiting = (process / "wchan").read_text().startswith("poll_")
                found += [(process / "cgroup").read_text()] if is_waiting else []
    return found
