"""`shutdown --wait` ends the daemon that the other verbs speak to."""

from __future__ import annotations

from pathlib import Path

import pytest

from hive import base_directories
from hive.wire import host
from tests.cli.conftest import HostDaemon, Run


def test_who_operates_the_hive_of_the_machine_waits_for_its_end(
    daemon: HostDaemon, hive: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_directories, "MACHINE_RUN_DIR", str(daemon.path.parent))
    monkeypatch.delenv("HYPERHIVE_RUN_DIR")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "user"))
    monkeypatch.setattr("os.geteuid", lambda: 4242)
    done = hive("shutdown", "--wait=0.01")
    assert "has not ended within 0.01 s" in done.err, "the daemon of this test is this process"
    assert daemon.requests[0] == host.Shutdown()
