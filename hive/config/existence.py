"""What a configuration names on this machine: programs, directories, sources of bind mounts.

A file can be right in itself and still name a program that is not there. Pure: what exists is asked
of a `Lookup`, so that a test needs no files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from attrs import frozen

from hive.config.model import AgentManifest, Bind, HiveConfig, RuntimeName
from hive.config.table_schema import KeyPath, Problem
from hive.executables import why_not_executable
from hive.extras import how_to_install
from hive.names import CLAUDE_DRIVER, MANAGER

_PACKAGES = {CLAUDE_DRIVER: "claude_agent_sdk"}
"""The package that a driver of this project needs, from the extra of the driver's name."""


OTEL_PACKAGE = "opentelemetry.exporter.otlp.proto.http"
"""The package that an export by OpenTelemetry needs, from the extra `otel`."""


class Lookup(Protocol):
    """Answers what exists on a machine."""

    def why_no_program(self, name: str, path: str | None) -> str | None:
        """Return why a program cannot be started, a path or a name on a search path; else None."""
        ...

    def package(self, name: str) -> bool:
        """Return whether a package of Python is installed where the harness runs."""
        ...

    def exists(self, path: Path) -> bool:
        """Return whether a file or directory exists."""
        ...

    def is_directory(self, path: Path) -> bool:
        """Return whether a directory exists."""
        ...


@frozen
class LocalLookup:
    """Looks at this machine; every method reads the disk.

    Attributes:
        search_path: The `PATH` of agents that have none of their own; by default that of this
            process.
    """

    search_path: str | None = None

    def why_no_program(self, name: str, path: str | None) -> str | None:
        """Return why a program cannot be started here; None if it can."""
        return why_not_executable(name, self.path_of(path))

    def path_of(self, path: str | None) -> str:
        """Return the search path of an agent whose manifest has this one, or none."""
        return path or self.search_path or os.environ.get("PATH", os.defpath)

    def package(self, name: str) -> bool:
        """Return whether this program could import a package."""
        with suppress(ModuleNotFoundError):  # one that it is in
            return find_spec(name) is not None
        return False

    def exists(self, path: Path) -> bool:
        """Return whether a file or directory exists."""
        return path.exists()

    def is_directory(self, path: Path) -> bool:
        """Return whether a directory exists."""
        return path.is_dir()


def missing(config: HiveConfig, lookup: Lookup) -> Iterator[Problem]:
    """Yield what a configuration names and this machine lacks."""
    for name, manifest in config.all_agents().items():
        table: KeyPath = ("manager",) if name == MANAGER else ("agents", name)
        yield from missing_of(manifest, config.runtime, lookup, table)
    if (why := why_no_export(config, lookup)) is not None:
        yield Problem(("otel", "endpoint"), why)
    for key in ("needs_you", "done", "failed"):
        words = getattr(config.notices, key)
        why = lookup.why_no_program(words[0], None) if words else None
        if why is not None:
            yield Problem(("notices", key), why)
    for key, path in (("certificate", config.web.certificate), ("key", config.web.key)):
        if path is not None and not lookup.exists(path):
            yield Problem(("web", key), f"there is no {path}; create the file")
    yield from _binds(("containers",), config.containers.binds, lookup)


def missing_of(
    manifest: AgentManifest, runtime: str, lookup: Lookup, table: KeyPath = ()
) -> Iterator[Problem]:
    """Yield what the manifest of an agent names and this machine lacks.

    Programs and working directories are those of this machine only under the runtime `process`; in
    a container they are paths inside.

    Args:
        manifest: The manifest.
        runtime: Name of the runtime that starts the agent.
        lookup: Looks at the machine.
        table: The table of the manifest in its file.
    """
    if runtime == RuntimeName.PROCESS:
        yield from missing_programs(manifest, lookup, table)
    yield from _binds(table, manifest.binds, lookup)
    if runtime != RuntimeName.PROCESS:
        for at, device in enumerate(manifest.devices):
            if not lookup.exists(Path(device.partition(" ")[0])):
                yield Problem((*table, "devices", at), "there is no such device; load its module")
    for name, path in manifest.credentials.items():
        if not lookup.exists(path):
            yield Problem((*table, "credentials", name), f"there is no {path}; create the file")


def missing_programs(
    manifest: AgentManifest, lookup: Lookup, table: KeyPath = ()
) -> Iterator[Problem]:
    """Yield what an agent's process would lack: its program, its directory, its driver's package.

    The arguments are those of `missing_of`, for the runtime `process`.
    """
    words = manifest.run or manifest.exec
    why = lookup.why_no_program(words[0], manifest.env.get("PATH")) if words else None
    if why is not None:
        yield Problem((*table, "run" if manifest.run else "exec"), why)
    if manifest.cwd is not None and not lookup.is_directory(manifest.cwd):
        yield Problem((*table, "cwd"), f"there is no directory {manifest.cwd}; create it")
    package = _PACKAGES.get(manifest.driver) if manifest.exec is None else None
    if package is not None and not lookup.package(package):
        yield Problem((*table, "driver"), missing_extra(manifest.driver))


def missing_extra(driver: str) -> str:
    """Return the sentence about a driver whose extra is not installed."""
    return f"the driver {driver!r} needs the extra: {how_to_install(driver)}"


def why_no_export(config: HiveConfig, lookup: Lookup) -> str | None:
    """Return why nothing can be exported by OpenTelemetry although it is to be; else None."""
    if config.otel.endpoint is None or lookup.package(OTEL_PACKAGE):
        return None
    return f"an export needs the extra: {how_to_install('otel')}"


def _binds(table: KeyPath, binds: Sequence[Bind], lookup: Lookup) -> Iterator[Problem]:
    for at, bind in enumerate(binds):
        if not bind.create and not lookup.exists(bind.source):
            yield Problem(
                (*table, "bind", at, "source"),
                f"there is no {bind.source}; create it, mount what belongs there, or set "
                "create = true beside it",
            )
