"""The runtime that hive.toml names; the modules of the other runtimes are not imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hive.clock import Clock
from hive.config import HiveConfig, RuntimeName
from hive.machines.found_container import ContainerReader
from hive.machines.observer import Observer
from hive.machines.process.process_runtime import ProcessRuntime
from hive.machines.runtime import ByOthers, Runtime
from hive.participants.machine_specs import MachineDefaults, container_harness
from hive.paths import Paths


def runtime_of(
    config: HiveConfig,
    paths: Paths,
    clock: Clock,
    environ: Mapping[str, str],
    by_others: ByOthers,
) -> Runtime:
    """Return the runtime of a configuration.

    Args:
        config: Names the runtime, and has the settings of containers.
        paths: Where sockets and the agents' directories are.
        clock: Wall time.
        environ: The environment that processes inherit; containers inherit none.
        by_others: Called after starts and restarts of containers by other programs.
    """
    match config.runtime:
        case RuntimeName.PROCESS:
            return ProcessRuntime(
                paths, clock=clock, environment=environ, protection=config.machine
            )
        case RuntimeName.MACHINECTL:
            return _machinectl(config, paths, clock, by_others)
        case RuntimeName.NIXOS_CONTAINER:
            return _nixos_container(config, paths, clock, by_others)


def machine_defaults_of(config: HiveConfig) -> MachineDefaults:
    """Return the settings that the machines of all agents share."""
    if config.runtime is RuntimeName.PROCESS:
        return MachineDefaults()
    containers = config.containers
    return MachineDefaults(container_harness(containers.programs), containers.binds)


def observer_of(clock: Clock) -> Callable[[], Observer]:
    """Return the factory of the observer of peers; it imports systemd's modules when called."""

    def make() -> Observer:
        from hive.machines.systemd.observer import SystemdObserver

        return SystemdObserver(clock)

    return make


def container_reader_of(config: HiveConfig) -> ContainerReader | None:
    """Return what reads containers of this machine; None for a hive without containers."""
    if config.runtime is RuntimeName.PROCESS:
        return None
    from hive.machines.systemd.container_reader import SystemdContainerReader
    from hive.machines.systemd.nixos_places import NixosPlaces

    return SystemdContainerReader(nixos=NixosPlaces.of_host())


def runtime_state(runtime: Runtime) -> dict[str, object]:
    """Return the fields of the runtime that the operator is shown.

    `hears` is whether the ends of agents are signalled; otherwise they are found by polling.
    """
    from hive.machines.systemd.container_runtime import ContainerRuntime
    from hive.machines.systemd.event_source import DBusSignals

    if not isinstance(runtime, ContainerRuntime):
        return {"runtime": runtime.name, "hears": True, "hearing": "is notified by the kernel"}
    hears = isinstance(runtime.event_source, DBusSignals)
    return {"runtime": runtime.name, "hears": hears, "hearing": str(runtime.event_source)}


def _machinectl(config: HiveConfig, paths: Paths, clock: Clock, by_others: ByOthers) -> Runtime:
    from hive.machines.systemd import machinectl
    from hive.machines.systemd.unit_files import Settings

    containers = config.containers
    settings = Settings(containers.network, containers.private_users is not False)
    return machinectl.runtime(
        paths,
        image=containers.image,
        settings=settings,
        clock=clock,
        protection=config.machine,
        on_external_restart=lambda each: by_others.restarted(each.name, each.now, each.reason),
        on_external_start=by_others.started,
    )


def _nixos_container(
    config: HiveConfig, paths: Paths, clock: Clock, by_others: ByOthers
) -> Runtime:
    from hive.machines.systemd import nixos_container
    from hive.machines.systemd.nixos_places import NixosPlaces

    return nixos_container.runtime(
        paths,
        flake=config.containers.flake,
        places=NixosPlaces.of_host(),
        clock=clock,
        protection=config.machine,
        on_external_restart=lambda each: by_others.restarted(each.name, each.now, each.reason),
        on_external_start=by_others.started,
    )
