"""The findings about the isolation of agents, and the facts that they need."""

import grp
import gzip
import pwd
from pathlib import Path

import pytest
from attrs import evolve

from hive.config import AgentManifest, Containers, HiveConfig, Network, RuntimeName
from hive.doctor.checks import examine, worst
from hive.doctor.facts import Facts
from hive.doctor.security_facts import (
    SecurityFacts,
    gather_security,
    read_changelog,
    sharing_disk,
)
from hive.findings import Finding, Verdict
from hive.paths import Paths

SAFE = SecurityFacts(systemd="260.1")
AGENT = AgentManifest(run=("x",))
SHARING = evolve(AGENT, private_users=False)
HOME = Paths(Path("/run/hive"), Path("/var/lib/hyperhive"))


def found(
    check: str, security: SecurityFacts, runtime: RuntimeName = RuntimeName.MACHINECTL
) -> list[Finding]:
    facts = Facts(runtime=runtime, security=security)
    return [finding for finding in examine(facts) if finding.check == check]


def test_a_hive_of_processes_gets_a_note_and_no_warning() -> None:
    findings = examine(Facts(security=SecurityFacts(admins=("bob",))))
    assert worst(findings) is Verdict.NOTE
    [note] = [each for each in findings if each.check == "isolation"]
    assert "isolates nothing" in note.sentence
    assert "machinectl" in note.remedy
    assert not found("isolation", SAFE)


def test_agents_with_users_of_the_host_are_named() -> None:
    shared = evolve(SAFE, host_users=("alice", "bob"))
    [warning] = found("users", shared)
    assert "containers of alice, bob is root of this machine, and they share its network" in (
        warning.sentence
    )
    [warning] = found("users", evolve(shared, host_network=False))
    assert "network" not in warning.sentence
    [warning] = found("users", shared, RuntimeName.NIXOS_CONTAINER)
    assert "'machinectl'" in warning.remedy


def test_each_vulnerability_is_a_warning_of_its_own() -> None:
    warnings = found("escapes", evolve(SAFE, systemd="259"))
    assert [each.verdict for each in warnings] == [Verdict.WARNING] * 2
    assert ["40226" in each.sentence for each in warnings] == [True, False]
    [good] = found("escapes", evolve(SAFE, systemd="252-1", changelog="CVE-2026-40226"))
    assert good.verdict is Verdict.OK


def test_members_of_the_admin_group_are_named() -> None:
    [note] = found("admins", evolve(SAFE, admins=("carol", "dave")))
    assert note.verdict is Verdict.NOTE
    assert "carol, dave" in note.sentence
    assert "as good as root" in note.sentence


def test_a_shared_disk_is_a_note_with_advice() -> None:
    [note] = found("quota", evolve(SAFE, sharing_disk=("alice",)))
    assert note.verdict is Verdict.NOTE
    assert "quota" in note.remedy


MOUNTS = """\
1 0 8:1 / / rw - ext4 /dev/a rw
2 1 8:2 / /var/lib/hyperhive/agents/own rw - ext4 /dev/b rw
3 1 8:3 / /var/lib/hyperhive/agents/sub rw - ext4 /dev/a rw
"""


@pytest.mark.parametrize(
    ("mounts", "sharing"),
    [
        (MOUNTS, ("plain", "sub")),
        (MOUNTS.replace("/dev/a rw", "/dev/a rw,prjquota"), ()),
        (
            "1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 8:2 / /var rw - zfs a rw\n",
            ("own", "plain", "sub"),
        ),
        ("", ()),
    ],
)
def test_agents_on_a_disk_of_their_own_or_with_quotas_share_none(
    mounts: str, sharing: tuple[str, ...]
) -> None:
    assert sharing_disk(HOME, ["plain", "own", "sub"], mounts) == sharing


@pytest.mark.parametrize(
    ("runtime", "hive", "shared"),
    [
        (RuntimeName.MACHINECTL, None, ("bob", "noted")),
        (RuntimeName.MACHINECTL, False, ("alice", "bob", "noted")),
        (RuntimeName.NIXOS_CONTAINER, None, ("alice", "bob", "noted")),
        (RuntimeName.PROCESS, None, ("noted",)),
    ],
)
def test_users_are_known_from_the_configuration_and_from_the_files_of_containers(
    tmp_path: Path, runtime: RuntimeName, hive: bool | None, shared: tuple[str, ...]
) -> None:
    for name, users in {"noted": "no", "picked": "pick", "alice": "pick"}.items():
        (tmp_path / f"h-{name}.nspawn").write_text(f"[Exec]\nPrivateUsers={users}\n")
    agents = {"alice": AGENT, "bob": SHARING}
    containers = Containers(private_users=hive, network=Network.PRIVATE)
    config = HiveConfig(runtime, containers, agents=agents)
    facts = gather_security(config, ["alice", "bob", "noted", "picked", "new"], HOME, tmp_path)
    assert facts.host_users == shared
    assert not facts.host_network


def test_members_are_those_of_the_group_and_those_whose_first_group_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def group(_: str) -> grp.struct_group:
        return grp.struct_group(("hive-admin", "x", 77, ["root", "carol"]))

    monkeypatch.setattr(grp, "getgrnam", group)
    users = [pwd.struct_passwd((name, "x", 1, gid, "", "", "")) for name, gid in USERS.items()]
    monkeypatch.setattr(pwd, "getpwall", lambda: users)
    assert gather_security(HiveConfig(), [], HOME, tmp_path).admins == ("carol", "dave")


USERS = {"dave": 77, "erin": 78}


def test_the_changelog_is_that_of_the_first_package_that_has_one(tmp_path: Path) -> None:
    broken, good = tmp_path / "broken.gz", tmp_path / "good.gz"
    broken.write_bytes(gzip.compress(b"x" * 100)[:20])
    good.write_bytes(gzip.compress(b"CVE-1"))
    assert read_changelog([tmp_path / "none", broken, good]) == "CVE-1"
