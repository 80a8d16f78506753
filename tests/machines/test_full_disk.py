"""Logs on a disk that is full: what they filled is freed, and agents start and end as ever."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from hive.config.model import MachineProtection
from hive.exits import Exited
from hive.machines.output_log import TAIL_BYTES
from tests.machines.labs import ProcessLab

UNSHARE = ("unshare", "--map-root-user", "--mount", "--propagation=private")

LIMIT = 200_000
"""Bytes after which a log is rotated here."""

ROOM = 350_000
"""Bytes of the disk that are free at first: too few for a log of this size and its copy."""

UNLIMITED = MachineProtection(log_rate=1 << 30, log_burst=1 << 30)


def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run((*UNSHARE, "true"), capture_output=True, check=False).returncode == 0


async def open_lab(root: Path) -> ProcessLab:
    """Return a lab whose state is on a small disk of its own."""
    lab = ProcessLab(root)
    mount_small_disk(lab.paths.state_dir)
    lab.runtime = lab.another_runtime(log_limit=LIMIT, protection=UNLIMITED)
    await lab.runtime.open()
    return lab


def mount_small_disk(path: Path) -> None:
    path.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=2m", "hive", path), check=True)
    fill(path / "filler", free(path) - ROOM)


def fill(path: Path, size: int) -> None:
    with suppress(OSError), path.open("ab", buffering=0) as file:
        while size > 0:
            size -= file.write(bytes(min(size, 4096)))


def free(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


async def until_free(lab: ProcessLab, size: int) -> None:
    async with asyncio.timeout(20):
        while free(lab.paths.state_dir) < size:
            await asyncio.sleep(0.01)


async def the_disk_is_freed(root: Path) -> None:
    lab = await open_lab(root)
    spec = lab.script("yes 2>/dev/null | head -c 1000000; echo $$ > $READY; exec sleep 1000")
    ends = await lab.start(spec)
    await lab.ready()  # it has met the end of the disk
    await until_free(lab, ROOM - 2 * TAIL_BYTES)
    assert not ends.received, "the agent runs on"
    assert [path.name for path in spec.log_file.parent.glob("*.log*")] == ["output.log"]
    assert "bytes dropped: no copy, No space left on device" in spec.log_file.read_text()
    await lab.runtime.kill("alice")
    await lab.runtime.close()


async def an_agent_starts(root: Path) -> None:
    lab = await open_lab(root)
    spec = lab.script("exit 7")
    spec.log_file.parent.mkdir(parents=True)
    fill(spec.log_file, LIMIT + 1)
    fill(lab.paths.state_dir / "filler", 1 << 30)
    assert free(lab.paths.state_dir) == 0
    ended = await (await lab.start(spec)).first()
    assert ended.how == Exited(7)
    await lab.runtime.close()


SCENARIOS = (the_disk_is_freed, an_agent_starts)


@pytest.mark.skipif(not _may_mount(), reason="this user may not make a mount namespace")
@pytest.mark.parametrize("scenario", [each.__name__ for each in SCENARIOS])
def test_a_disk_that_logs_have_filled(tmp_path: Path, scenario: str) -> None:
    argv = (*UNSHARE, sys.executable, __file__, scenario, str(tmp_path))
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    name, root = sys.argv[1:]
    asyncio.run(next(each for each in SCENARIOS if each.__name__ == name)(Path(root)))
