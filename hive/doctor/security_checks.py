"""The rules of `hive-c0re doctor` about the isolation of agents. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from hive.config import RuntimeName
from hive.doctor.facts import Facts
from hive.doctor.systemd_escapes import ESCAPES, Exposure, exposure, version_of
from hive.findings import Finding, Verdict
from hive.names import ADMIN_GROUP


def admins(facts: Facts) -> Iterator[Finding]:
    """Say who may do everything that the operator may."""
    names = facts.security.admins
    if not names:
        yield Finding("admins", Verdict.OK, f"no user is in the group {ADMIN_GROUP}")
        return
    yield Finding(
        "admins",
        Verdict.NOTE,
        f"the group {ADMIN_GROUP} has the members {', '.join(names)}, who may use host.sock: "
        "under a daemon that is root, that is as good as root",
    )


def isolation(facts: Facts) -> Iterator[Finding]:
    """Say that processes are not isolated."""
    yield Finding(
        "isolation",
        Verdict.NOTE,
        "the runtime 'process' isolates nothing: an agent can do all that the daemon's user can",
        'for agents that you do not trust: runtime = "machinectl", and see docs/security.md',
    )


def users(facts: Facts) -> Iterator[Finding]:
    """Find agents whose root is root of the host."""
    shared = facts.security.host_users
    if not shared:
        yield Finding("users", Verdict.OK, "root in a container is no root of this machine")
        return
    network = ", and they share its network" if facts.security.host_network else ""
    remedy = "use the runtime 'machinectl' for agents that you do not trust"
    if facts.runtime is RuntimeName.MACHINECTL:
        remedy = "take private_users = false out of hive.toml and restart these agents"
    yield Finding(
        "users",
        Verdict.WARNING,
        f"root in the containers of {', '.join(shared)} is root of this machine{network}",
        remedy,
    )


def escapes(facts: Facts) -> Iterator[Finding]:
    """Find the known vulnerabilities of this systemd."""
    text = facts.security.systemd
    version = version_of(text) if text else None
    if version is None:
        yield Finding("escapes", Verdict.WARNING, "the version of systemd cannot be seen", _TRACKER)
        return
    found = [(each, exposure(each, version, facts.security.changelog)) for each in ESCAPES]
    open_ = [pair for pair in found if pair[1] in {Exposure.EXPOSED, Exposure.UNKNOWN}]
    for escape, exposed in open_:
        yield Finding(
            "escapes",
            Verdict.WARNING,
            f"systemd {text} {exposed.value} of {escape.cve}: {escape.danger}",
            f"upgrade systemd to {escape.fixed} or to a package with the fix"
            if exposed is Exposure.EXPOSED
            else _TRACKER,
        )
    if not open_:
        yield Finding("escapes", Verdict.OK, f"systemd {text} has none of the known escapes")


def disk(facts: Facts) -> Iterator[Finding]:
    """Find agents that can fill the disk of the store."""
    sharing = facts.security.sharing_disk
    if not sharing:
        yield Finding("quota", Verdict.OK, "no agent's directory is on the store's file system")
        return
    yield Finding(
        "quota",
        Verdict.NOTE,
        f"the directories of {', '.join(sharing)} are on the store's file system without a "
        "quota: one of these agents can fill it, and all sends are refused then",
        "put the agents' directories on a file system of their own, or set a project quota "
        "(ext4, xfs) or a quota of a subvolume (btrfs)",
    )


_TRACKER = "look at the security tracker of your distribution, or upgrade systemd to 260"
