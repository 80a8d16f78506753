"""Which runtime a hive.toml asks for. Each is imported only when it is the one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hive.clock import Clock
from hive.config import Containers, HiveConfig, RuntimeName
from hive.machines.observer import Observer
from hive.machines.process.process_runtime import ProcessRuntime
from hive.machines.runtime import Running, Runtime
from hive.participants.machine_specs import Inside, harness_inside
from hive.paths import Paths

Replaced = Callable[[str, Running], None]
"""Told that somebody else restarted an agent's container: its name, and what runs now."""


def runtime_of(
    config: HiveConfig,
    paths: Paths,
    clock: Clock,
    environ: Mapping[str, str],
    replaced: Replaced,
) -> Runtime:
    """Return the runtime that the agents of a configuration run in.

    Args:
        config: Says which.
        paths: Where sockets and the agents' directories are.
        clock: Tells when something ended.
        environ: What processes inherit; containers inherit nothing.
        replaced: Told of restarts by others.
    """
    match config.runtime:
        case RuntimeName.PROCESS:
            return ProcessRuntime(paths, clock=clock, environment=environ)
        case RuntimeName.MACHINECTL:
            return _machinectl(config.containers, paths, clock, replaced)
        case RuntimeName.NIXOS_CONTAINER:
            return _nixos_container(config.containers, paths, clock, replaced)


def inside_of(config: HiveConfig) -> Inside:
    """Return what is the same for all agents where they run."""
    if config.runtime is RuntimeName.PROCESS:
        return Inside()
    containers = config.containers
    return Inside(harness_inside(containers.programs), containers.binds)


def observer_of(clock: Clock) -> Callable[[], Observer]:
    """Return what makes the observer of peers, when one is needed."""

    def make() -> Observer:
        from hive.machines.systemd.observer import SystemdObserver

        return SystemdObserver(clock)

    return make


def runtime_state(runtime: Runtime) -> dict[str, object]:
    """Return the state of the runtime for operators.

    `hears` is true if ends are signalled, false if they are polled; `hearing` says how, or why not.
    """
    from hive.machines.systemd.container_runtime import ContainerRuntime
    from hive.machines.systemd.event_source import DBusSignals

    if not isinstance(runtime, ContainerRuntime):
        return {"runtime": runtime.name, "hears": True, "hearing": "is told by the kernel"}
    hears = isinstance(runtime.event_source, DBusSignals)
    return {"runtime": runtime.name, "hears": hears, "hearing": str(runtime.event_source)}


def _machinectl(containers: Containers, paths: Paths, clock: Clock, replaced: Replaced) -> Runtime:
    from hive.machines.systemd import machinectl
    from hive.machines.systemd.unit_files import Settings, Users

    users = Users.SHIFTED if containers.private_users else Users.SAME
    settings = Settings(containers.network, users)
    return machinectl.runtime(
        paths,
        image=containers.image,
        settings=settings,
        clock=clock,
        on_external_restart=lambda restart: replaced(restart.name, restart.now),
    )


def _nixos_container(
    containers: Containers, paths: Paths, clock: Clock, replaced: Replaced
) -> Runtime:
    from hive.machines.systemd import nixos_container

    return nixos_container.runtime(
        paths,
        flake=containers.flake,
        clock=clock,
        on_external_restart=lambda restart: replaced(restart.name, restart.now),
    )
