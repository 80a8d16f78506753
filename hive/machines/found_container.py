"""A container that exists already, as far as its files and its unit describe it."""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from hive.config.model import Bind, Network


@frozen(kw_only=True)
class FoundContainer:
    """What can be read of a container. None stands for what nothing says.

    Attributes:
        machine: Its name in machined.
        unit: The service that runs it.
        declared: Whether the host's configuration declares it and would write it again.
        binds: Its bind mounts.
        network: Its network.
        bridge: The bridge of the host that its link is connected to.
        ports: Ports of the host that lead into it.
        capabilities: Its capabilities, besides those that every container has.
        tmpfs: Its memory file systems.
        ephemeral: Whether it runs in a copy of its root that is removed at the end.
        private_users: Whether its users have ids of their own on the host.
        stop_timeout: Seconds between the request to end and the kill.
        restart_delay: Seconds before systemd restarts it.
        memory_max: Memory limit in bytes.
        cpu_quota: CPU limit in percent of one processor.
        tasks_max: Most processes and threads.
        built_from: What its NixOS system is built from, in words.
        unread: Settings that it has and that are not understood, each in words.
    """

    machine: str
    unit: str
    declared: bool = False
    binds: tuple[Bind, ...] = ()
    network: Network | None = None
    bridge: str | None = None
    ports: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    ephemeral: bool = False
    private_users: bool | None = None
    stop_timeout: float | None = None
    restart_delay: float | None = None
    memory_max: int | None = None
    cpu_quota: float | None = None
    tasks_max: int | None = None
    built_from: str | None = None
    unread: tuple[str, ...] = ()


class ContainerReader(Protocol):
    """Reads what describes a container, and changes nothing."""

    async def read(self, subject: str) -> FoundContainer | None:
        """Return the container of a unit or of a machine's name; None if there is none.

        Raises:
            FailedError: Its files or its unit cannot be read.
        """
        ...
