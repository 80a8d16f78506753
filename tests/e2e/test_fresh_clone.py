"""First steps: clone, `make run`, send a message from another terminal, Ctrl-C."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.daemons import HiveOnDisk, eventually, pids_of

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make on this machine")
def test_make_run_on_a_fresh_clone_answers_and_ends_cleanly(
    hive: HiveOnDisk, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    env = {name: value for name, value in hive.env.items() if not name.startswith("PYTEST")}
    with hive.log.open("ab") as log:
        make = subprocess.Popen(
            ["make", "run", f"PYTHON={sys.base_prefix}/bin/python3"],
            cwd=clone,
            env={**env, "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        eventually(
            lambda: make.poll() is not None or (hive.run_dir / "host.sock").exists(),
            within=300,
            what="a running hive",
        )
        assert make.poll() is None, hive.output()
        program = clone / ".venv" / "bin" / "hive-c0re"
        ask = [program, "send", "alice", "log -1 --format=%H"]
        sent = subprocess.run(ask, env=env, check=False, capture_output=True, text=True)
        assert sent.returncode == 0, sent.stderr
        head = subprocess.check_output(["git", "-C", str(clone), "rev-parse", "HEAD"], text=True)
        eventually(lambda: head.strip() in hive.ok("inbox", "operator"), what="the answer")
    finally:
        os.killpg(make.pid, signal.SIGINT)
        status = make.wait(60)
    assert status in {0, 2, 130, -signal.SIGINT}, hive.output()
    assert pids_of(hive.state_dir) == {}
    assert "daemon_started" in hive.output()
    assert "Traceback" not in hive.output()
