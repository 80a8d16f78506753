"""Modes of all that a daemon and its agents make, for any umask, as operating.md has them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.support.daemons import HiveOnDisk, eventually

HIVE = """
[manager]
exec = ["sleep", "100000"]

[agents.alice]
run = ["cat"]

[peers.damocles]
"""

EXACT = {
    "run/host.sock": 0o660,
    "run/manager.sock": 0o660,
    "run/agents/*/mcp.sock": 0o660,
    "run/host.lock": 0o600,
    "state/hive-c0re.lock": 0o600,
    "state/hive.sqlite": 0o600,
    "state/hive.sqlite.lock": 0o600,
    "state/hive.sqlite-wal": 0o600,
    "state/hive.sqlite-shm": 0o600,
    "state/backup.sqlite": 0o600,
    "state/agents/*/process.json": 0o600,
}
"""The umask changes nothing here."""

AT_MOST = {
    "run": 0o751,
    "run/agents": 0o751,
    "run/agents/*": 0o755,
    "state": 0o750,
    "state/agents": 0o750,
    "state/proposed": 0o750,
    "state/agents/*": 0o750,
    "state/agents/*/state": 0o750,
    "state/agents/*/output.log": 0o640,
}
"""The umask takes rights of group and others; the owner's stay."""

OF_AGENTS = "state/agents/*/state/*"
"""What the programs of agents make: never writable for others."""


def _expected(name: str, umask: int) -> int | None:
    for pattern, mode in EXACT.items():
        if _matches(name, pattern):
            return mode
    for pattern, mode in AT_MOST.items():
        if _matches(name, pattern):
            return mode & ~(umask & 0o077)
    return None


def _matches(name: str, pattern: str) -> bool:
    return name.count("/") == pattern.count("/") and fnmatchcase(name, pattern)


def _found(**roots: Path) -> Iterator[tuple[str, int]]:
    for name, root in roots.items():
        for path in (root, *root.rglob("*")):
            where = str(Path(name, path.relative_to(root)))
            yield where, stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777], ids=oct)
def test_no_umask_widens_or_breaks_what_a_daemon_makes(hive: HiveOnDisk, umask: int) -> None:
    if umask == 0o777 and os.geteuid() != 0:
        pytest.skip("an agent of another user could not use files without any rights")
    hive.configure(HIVE)
    hive.run_dir = hive.run_dir / "run"
    hive.env["HYPERHIVE_RUN_DIR"] = str(hive.run_dir)
    before = os.umask(umask)
    try:
        hive.start()
        hive.until_state("alice", "running")
        assert hive.ok("send", "alice", "a turn", "--wait", "20")
        hive.ok("backup", str(hive.state_dir / "backup.sqlite"))
    finally:
        os.umask(before)
    eventually((hive.run_dir / "agents/damocles/mcp.sock").exists, what="the peer")
    found = dict(_found(run=hive.run_dir, state=hive.state_dir))
    wrong = {}
    for name, mode in found.items():
        expected = _expected(name, umask)
        if expected is None:
            assert fnmatchcase(name, OF_AGENTS), f"{name} is in no table"
            expected = mode & ~0o002
        if mode != expected:
            wrong[name] = (oct(mode), oct(expected))
    assert not wrong
    for pattern in (*EXACT, *AT_MOST, OF_AGENTS):
        assert any(_matches(name, pattern) or fnmatchcase(name, pattern) for name in found), pattern
