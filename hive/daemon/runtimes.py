"""The runtime that hive.toml names; the modules of the other runtimes are not imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hive.clock import Clock
from hive.config import Containers, HiveConfig, RuntimeName
from hive.machines.observer import Observer
from hive.machines.process.process_runtime import ProcessRuntime
from hive.machines.runtime import Running, Runtime
from hive.participants.machine_specs import MachineDefaults, container_harness
from hive.paths import Paths

OnExternalRestart = Callable[[str, Running], None]
"""Called when another program restarted an agent's container: its name, and the new run."""


def runtime_of(
    config: HiveConfig,
    paths: Paths,
    clock: Clock,
    environ: Mapping[str, str],
    on_external_restart: OnExternalRestart,
) -> Runtime:
    """Return the runtime of a configuration.

    Args:
        config: Names the runtime, and has the settings of containers.
        paths: Where sockets and the agents' directories are.
        clock: Wall time.
        environ: The environment that processes inherit; containers inherit none.
        on_external_restart: Called after restarts by other programs.
    """
    match config.runtime:
        case RuntimeName.PROCESS:
            return ProcessRuntime(paths, clock=clock, environment=environ)
        case RuntimeName.MACHINECTL:
            return _machinectl(config.containers, paths, clock, on_external_restart)
        case RuntimeName.NIXOS_CONTAINER:
            return _nixos_container(config.containers, paths, clock, on_external_restart)


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


def _machinectl(
    containers: Containers, paths: Paths, clock: Clock, on_external_restart: OnExternalRestart
) -> Runtime:
    from hive.machines.systemd import machinectl
    from hive.machines.systemd.unit_files import Settings, Users

    users = Users.SHIFTED if containers.private_users else Users.SAME
    settings = Settings(containers.network, users)
    return machinectl.runtime(
        paths,
        image=containers.image,
        settings=settings,
        clock=clock,
        on_external_restart=lambda restart: on_external_restart(restart.name, restart.now),
    )


def _nixos_container(
    containers: Containers, paths: Paths, clock: Clock, on_external_restart: OnExternalRestart
) -> Runtime:
    from hive.machines.systemd import nixos_container

    return nixos_container.runtime(
        paths,
        flake=containers.flake,
        clock=clock,
        on_external_restart=lambda restart: on_external_restart(restart.name, restart.now),
    )
