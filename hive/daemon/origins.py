"""Containers that are not all made of the same: an agent may have an image or flake of its own."""

from __future__ import annotations

from attrs import evolve

from hive.machines.runtime import MachineSpec
from hive.machines.systemd.machinectl import Machinectl
from hive.machines.systemd.nixos_container import NixosContainer


class MachinectlByAgent(Machinectl):
    """Copies the agent's own image if it names one, else the hive's."""

    async def create(self, spec: MachineSpec) -> None:
        """Copy the image if machined knows no image of the container's name."""
        await Machinectl.create(evolve(self, image=spec.origin or self.image), spec)


class NixosContainerByAgent(NixosContainer):
    """Builds the agent's own flake if it names one, else the hive's."""

    async def create(self, spec: MachineSpec) -> None:
        """Build the container's system if there is no such container."""
        await NixosContainer.create(evolve(self, flake=spec.origin or self.flake), spec)
