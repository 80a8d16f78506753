"""The actor that reads the pressure of the machine for the gate of starts and turns."""

from __future__ import annotations

import asyncio
import logging

from actors import Actor
from hive.machines.pressure import Pressures, ReadPressures
from hive.participants.machine_gate import MachineGate

PERIOD = 5.0
"""Seconds between two readings; the kernel averages over ten."""

READ = "read"

logger = logging.getLogger(__name__)


class PressureWatch(Actor[str]):
    """Reads the pressures at its start, before any agent starts, and then every `PERIOD` seconds.

    It does nothing without limits, or where the kernel measures no pressure.

    Args:
        gate: Decides by the readings.
        read: Reads the pressures.
    """

    def __init__(self, gate: MachineGate, read: ReadPressures) -> None:
        self._gate = gate
        self._read = read

    async def on_start(self) -> None:
        """Read for the first time."""
        if not self._gate.has_limits:
            return
        pressures = await asyncio.to_thread(self._read)
        if pressures:
            self._update(pressures)
        else:
            logger.info("the kernel measures no pressure (PSI), so agents are not held for it")

    def receive(self, message: str) -> None:
        """Read again, in a task."""
        del message
        self.context.create_task(self._read_again(), name="read the pressure")

    async def _read_again(self) -> None:
        self._update(await asyncio.to_thread(self._read))

    def _update(self, pressures: Pressures) -> None:
        self._gate.update(pressures)
        self.context.start_timer(PERIOD, READ)
