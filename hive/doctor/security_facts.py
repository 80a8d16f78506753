"""Facts about the isolation of agents from this machine. Blocking and read-only."""

from __future__ import annotations

import grp
import gzip
import pwd
from collections.abc import Collection, Iterable
from pathlib import Path

from attrs import frozen

from hive.config import HiveConfig, Network
from hive.doctor.read_output import output
from hive.doctor.systemd_escapes import printed_version, version_of
from hive.mounts import Mount, mount_of, read_mountinfo
from hive.names import ADMIN_GROUP, container_name
from hive.paths import Paths

CHANGELOGS = tuple(
    Path("/usr/share/doc", package, "changelog.Debian.gz")
    for package in ("systemd-container", "systemd", "libsystemd0")
)
"""Changelogs of Debian and Ubuntu; one package has all changes of its source."""

QUOTA_OPTIONS = frozenset({"prjquota", "pquota"})
"""Mount options of ext4 and xfs with which a directory can have a quota."""


@frozen(kw_only=True)
class SecurityFacts:
    """The facts that the checks of isolation need.

    Attributes:
        host_users: Agents in containers whose root is root of the host.
        host_network: Whether containers share the network of the host.
        systemd: The full version of systemd; None if it is not known.
        changelog: The changelog of its package; None if it cannot be read.
        admins: Members of the group that may use host.sock, except root.
        sharing_disk: Agents that can fill the file system of the store.
    """

    host_users: tuple[str, ...] = ()
    host_network: bool = True
    systemd: str | None = None
    changelog: str | None = None
    admins: tuple[str, ...] = ()
    sharing_disk: tuple[str, ...] = ()


def gather_security(
    config: HiveConfig,
    agents: Collection[str],
    paths: Paths,
    nspawn_files: Path = Path("/run/systemd/nspawn"),
) -> SecurityFacts:
    """Return the facts.

    Args:
        config: The configuration of the hive.
        agents: The names of all agents.
        paths: The directories of the hive.
        nspawn_files: Directory of the settings of containers, which show the users of agents that
            the configuration does not have.
    """
    systemd = printed_version(output("systemctl", "--version") or "")
    version = version_of(systemd) if systemd else None
    return SecurityFacts(
        host_users=_host_users(config, agents, nspawn_files),
        host_network=config.containers.network is Network.HOST,
        systemd=systemd,
        changelog=read_changelog() if version and version.packaged else None,
        admins=_admins(),
        sharing_disk=sharing_disk(paths, agents, read_mountinfo()),
    )


def read_changelog(files: Iterable[Path] = CHANGELOGS) -> str | None:
    """Return the changelog of the package of systemd; None if there is none."""
    for path in files:
        try:
            with gzip.open(path, "rt", errors="replace") as file:
                return file.read()
        except (OSError, EOFError):
            continue
    return output("rpm", "--query", "--changelog", "systemd")


def sharing_disk(paths: Paths, agents: Iterable[str], mountinfo: str) -> tuple[str, ...]:
    """Return the agents whose files are on the store's file system and cannot have a quota."""
    store = mount_of(paths.state_dir.resolve(), mountinfo)
    return tuple(
        name
        for name in sorted(agents)
        if _shared(store, mount_of(paths.agent_state(name).resolve(), mountinfo))
    )


def _shared(store: Mount | None, files: Mount | None) -> bool:
    if store is None or files is None or store.source != files.source:
        return False
    return store.file_system == files.file_system and not QUOTA_OPTIONS & {*files.options}


def _host_users(config: HiveConfig, agents: Collection[str], nspawn_files: Path) -> tuple[str, ...]:
    manifests = config.all_agents()
    shared = {name for name, manifest in manifests.items() if config.shares_users(manifest)}
    for name in {*agents} - {*manifests}:
        try:
            text = (nspawn_files / f"{container_name(name)}.nspawn").read_text()
        except OSError:
            continue
        if "\nPrivateUsers=no\n" in text:
            shared.add(name)
    return tuple(sorted(shared))


def _admins() -> tuple[str, ...]:
    try:
        group = grp.getgrnam(ADMIN_GROUP)
    except KeyError:
        return ()
    primary = (user.pw_name for user in pwd.getpwall() if user.pw_gid == group.gr_gid)
    return tuple(sorted({*group.gr_mem, *primary} - {"root"}))
