"""What an agent may have besides, binds with odd names, and what a destroyed agent leaves."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from hive.config.model import Bind
from hive.errors import FailedError
from hive.exits import Ended, Exited
from hive.machines.runtime import MachineSpec
from tests.systemd.host.lab import ContainerLab
from tests.systemd.host.test_machinectl import host, shown

pytestmark = pytest.mark.loops("uvloop")

UNIT = "systemd-nspawn@h-extra.service"
CAP_SYSLOG = 34
"""A capability that systemd-nspawn does not give by itself."""


@pytest.fixture
async def extra(lab: ContainerLab) -> AsyncIterator[ContainerLab]:
    """A lab whose agent `extra` is made anew."""
    yield lab
    await lab.clean()
    await lab.runtime.destroy("extra", purge=True)


async def newest(lab: ContainerLab, spec: MachineSpec) -> tuple[str, ...]:
    return await asyncio.to_thread(lab.runtime.last_lines, spec, 10)


async def ended(lab: ContainerLab, script: str, **options: Any) -> Ended:
    """Run a script as the agent to its end."""
    ends = await lab.start(lab.script(script, "extra", **options))
    return await ends.first()


@pytest.mark.parametrize("private_users", [True, False])
async def test_a_bind_with_an_odd_path_is_the_directory_that_was_meant(
    extra: ContainerLab, tmp_path: Path, private_users: bool
) -> None:
    names = ["a:b", "a\\b", "a\\", "a\\:b", "two words", "100%i", "ü", "quote\"'"]
    binds = []
    for number, name in enumerate(names):
        (tmp_path / name).mkdir()
        (tmp_path / name / "found").write_text(f"{number}\n")
        binds.append(Bind(tmp_path / name, Path(f"/odd/{name}"), read_only=True))
    script = 'for each in /odd/*; do printf "%s=%s\\n" "$each" "$(cat "$each/found")"; done'
    end = await ended(extra, script, binds=tuple(binds), private_users=private_users)
    assert end.how == Exited(0)
    found = dict(line.rsplit("=", 1) for line in end.last_lines)
    assert found == {f"/odd/{name}": str(number) for number, name in enumerate(names)}


@pytest.mark.parametrize("private_users", [True, False])
async def test_a_missing_source_is_refused_or_made_for_root_inside(
    extra: ContainerLab, tmp_path: Path, private_users: bool
) -> None:
    disk = tmp_path / "disk"
    script = "touch /disk/mine && stat -c %u:%g /disk /disk/mine && sleep 0.1"
    options: dict[str, Any] = {"private_users": private_users}
    with pytest.raises(FailedError, match=r"source of the bind /disk, does not exist.*create"):
        await ended(extra, script, binds=(Bind(disk, Path("/disk")),), **options)
    assert not await asyncio.to_thread(disk.exists)
    end = await ended(extra, script, binds=(Bind(disk, Path("/disk"), create=True),), **options)
    assert (end.how, end.last_lines) == (Exited(0), ("0:0", "0:0"))
    assert await asyncio.to_thread((disk / "mine").exists)


@pytest.fixture
def unmapped(tmp_path: Path) -> Iterator[Path]:
    """A file system whose owners the kernel cannot map."""
    path = tmp_path / "unmapped"
    path.mkdir()
    subprocess.run(["mount", "-t", "ramfs", "none", path], check=True)
    path.chmod(0o755)
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


async def test_root_inside_can_write_where_owners_cannot_be_mapped(
    extra: ContainerLab, unmapped: Path
) -> None:
    binds = (Bind(unmapped / "deep" / "data", Path("/data"), create=True),)
    for _ in range(2):  # the second start has the same range
        end = await ended(extra, "touch /data/mine && stat -c %u /data/mine", binds=binds)
        assert (end.how, end.last_lines) == (Exited(0), ("0",))


async def test_capabilities_are_added_to_those_of_nspawn(extra: ContainerLab) -> None:
    script = "grep CapBnd: /proc/self/status; sleep 0.1"
    without, with_one = [
        int((await ended(extra, script, capabilities=each)).last_lines[-1].split()[1], 16)
        for each in ((), ("CAP_SYSLOG",))
    ]
    assert with_one == without | 1 << CAP_SYSLOG != without


async def test_a_tmpfs_has_its_size(extra: ContainerLab) -> None:
    script = (
        "stat -f -c '%T %b' --printf= /scratch; df -B1M --output=fstype,size /scratch | tail -1"
    )
    end = await ended(extra, script, tmpfs=("/scratch:size=8M,mode=0700",))
    assert end.last_lines[-1].split() == ["tmpfs", "8"]


async def test_what_an_ephemeral_container_writes_is_lost_but_its_state_is_kept(
    extra: ContainerLab,
) -> None:
    script = "ls /mine $HIVE_STATE/mine 2>/dev/null; touch /mine $HIVE_STATE/mine; echo done"
    ephemeral = [(await ended(extra, script, ephemeral=True)).last_lines for _ in range(2)]
    assert ephemeral == [("done",), ("/agents/extra/state/mine", "done")]
    plain = [(await ended(extra, script)).last_lines for _ in range(2)]
    assert plain[1] == ("/agents/extra/state/mine", "/mine", "done")


async def test_a_device_is_visible_and_allowed(extra: ContainerLab) -> None:
    node = Path("/dev/hive-zero")
    await host("mknod", "--mode=0666", str(node), "c", "1", "5")
    try:
        script = f"head -c 3 {node} | od -An -tx1; sleep 0.1"
        end = await ended(extra, script, devices=(f"{node} r",))
        assert (end.how, end.last_lines[-1].split()) == (Exited(0), ["00", "00", "00"])
        allowed = await host("systemctl", "show", "--property=DeviceAllow", UNIT)
        assert f"DeviceAllow={node} r" in allowed.splitlines()
    finally:
        await asyncio.to_thread(node.unlink)
    with pytest.raises(FailedError, match="the host has no device /dev/hive-zero"):
        await ended(extra, "exit 0", devices=(f"{node} r",))


async def test_a_start_timeout_is_that_of_systemd(extra: ContainerLab) -> None:
    await extra.start(extra.script("sleep 1000", "extra", start_timeout=240.0))
    assert await shown("extra", "TimeoutStartUSec") == ["4min"]


async def test_a_destroyed_agent_leaves_nothing_and_hides_nothing(extra: ContainerLab) -> None:
    spec = extra.script("echo of the first; exit 7", "extra", created_at=time.time())
    end = await (await extra.start(spec)).first()
    assert end.last_lines == ("of the first",)
    assert UNIT in await host("systemctl", "list-units", "--failed", "--plain", "--no-legend")
    await extra.runtime.destroy("extra", purge=True)
    failed = await host("systemctl", "list-units", "--all", "--plain", "--no-legend", UNIT)
    assert failed == ""
    left = [
        path
        for root in ("/run/systemd", str(extra.paths.run_dir), "/var/lib/machines")
        for path in await asyncio.to_thread(lambda root=root: [*Path(root).rglob("*h-extra*")])
        if "/propagate/" not in str(path)
    ]
    assert left == []
    again = extra.script("echo of the second; sleep 1000", "extra", created_at=time.time())
    assert await newest(extra, again) == ()
    await extra.start(again)
    async with asyncio.timeout(30):
        while "of the second" not in (found := await newest(extra, again)):
            assert "of the first" not in found
            await asyncio.sleep(0.05)
    assert found == ("of the second",)
