"""Settings of hive.toml that take effect in a running daemon.

`reload_plan` says which ones these are; each is set here in the object that uses it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from hive.broker.service import BrokerService
from hive.config import HiveConfig, MachineProtection
from hive.disk_space import shortage
from hive.gateway.budget import Budgets
from hive.gateway.sockets import ParticipantSockets
from hive.machines.pressure import limits_of
from hive.participants.machine_gate import MachineGate
from hive.participants.supervision import Supervision
from hive.store.disk_reserve import DiskReserve


@frozen
class LiveSettings:
    """The objects that hold settings of hive.toml.

    Attributes:
        disks: The directories whose free space `disk_free` of [machine] is about.
    """

    broker: BrokerService
    budgets: Budgets
    sockets: ParticipantSockets
    disk_reserve: DiskReserve
    supervision: Supervision
    gate: MachineGate
    disks: tuple[Path, ...]

    def apply(self, config: HiveConfig) -> None:
        """Set what takes effect at once; everything else of the configuration is in force."""
        limits, machine = config.limits, config.machine
        self.broker.set_limits(limits)
        self.budgets.set_requests(limits.requests)
        self.sockets.set_connections(limits.connections)
        self.disk_reserve.set_reserve(limits.disk_reserve)
        self.supervision.set_policy(config.restart)
        self.gate.set_limits(
            limits_of(machine), machine.pressure_wait, shortage_of(machine, self.disks)
        )
        self.gate.slots.set_at_once(starts_of(machine))


def shortage_of(machine: MachineProtection, disks: tuple[Path, ...]) -> Callable[[], str | None]:
    """Return the function that looks whether a disk is too full for the start of an agent."""
    minimum = machine.disk_free
    return lambda: None if minimum is None else shortage(disks, minimum)


def starts_of(machine: MachineProtection) -> int:
    """Return how many agents may start at a time: by default twice the processors."""
    return machine.starts or 2 * (os.cpu_count() or 1)
