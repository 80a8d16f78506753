"""Containers with users of their own, with and without idmapped mounts."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import evolve

from hive.config.model import Bind
from hive.errors import FailedError
from hive.exits import Exited
from hive.machines.runtime import MachineSpec
from hive.machines.systemd.idmapped_mounts import can_map
from hive.machines.systemd.owners import owner_ranges
from hive.machines.systemd.user_ranges import FIRST
from tests.machines.labs import Ends
from tests.systemd.host.lab import SETTINGS, ContainerLab
from tests.testbed.tree import make_image

pytestmark = pytest.mark.loops("uvloop")

CODE = """
import os, pathlib, socket
state = pathlib.Path(os.environ["HIVE_STATE"])
if (state / "before").exists():
    assert (state / "before").stat().st_uid == 0
    (state / "before").write_text("again")
(state / "before").touch()
os.chown(state / "before", 0, 0)
print("inside", os.stat("/").st_uid, state.stat().st_uid)
print("outside", open("/proc/self/uid_map").read().split()[1])
with socket.socket(socket.AF_UNIX) as s:
    s.connect(os.environ["HIVE_SOCKET"])
    print("connected", s.recv(1).decode())
"""


@contextmanager
def mounted(kind: str, path: Path) -> Iterator[Path]:
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", kind, "none", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture(params=["mapped", "unmapped"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Return a directory for a hive; the kernel cannot map the owners of a ramfs."""
    if request.param == "mapped":
        yield tmp_path / "hive"
        return
    with mounted("ramfs", tmp_path / "hive") as path:
        assert not can_map(path)
        path.chmod(0o755)
        yield path


@pytest.fixture
async def hive(image: str, root: Path) -> AsyncIterator[ContainerLab]:
    lab = ContainerLab(root)
    await lab.runtime.open()
    yield lab
    await lab.clean()
    await lab.runtime.destroy("user", purge=True)
    await lab.runtime.close()


async def run(lab: ContainerLab, spec: MachineSpec) -> list[str]:
    """Run an agent whose socket answers; return its output."""
    await asyncio.to_thread(spec.socket_dir.mkdir, parents=True, exist_ok=True)
    path = spec.socket_dir / "mcp.sock"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"!")
        writer.close()

    await asyncio.to_thread(path.unlink, missing_ok=True)
    async with await asyncio.start_unix_server(answer, path):
        await asyncio.to_thread(path.chmod, 0o660)
        ended = await (await lab.start(spec)).first()
    assert ended.how == Exited(0), ended.last_lines
    return list(ended.last_lines)


def agent(lab: ContainerLab, **options: bool) -> MachineSpec:
    return lab.command((sys.executable, "-c", CODE), "user", **options)


async def test_socket_and_state_work_with_and_without_a_range_in_any_order(
    hive: ContainerLab,
) -> None:
    spec = agent(hive)
    for private in (None, False, True, False):
        lines = await run(hive, evolve(spec, private_users=private))
        assert lines[0] == "inside 0 0"
        assert (int(lines[1].split()[1]) >= FIRST) is (private is not False)
        assert lines[2] == "connected !"
        written = await asyncio.to_thread((spec.state_dir / "before").stat)
        ranges = await asyncio.to_thread(owner_ranges, [spec.socket_dir])
        assert written.st_uid in {0, *ranges}


async def test_the_hive_reads_the_state_and_purges_it(hive: ContainerLab) -> None:
    spec = hive.script("echo kept > $HIVE_STATE/file; chmod 600 $HIVE_STATE/file", "user")
    await (await hive.start(spec)).first()
    assert await asyncio.to_thread((spec.state_dir / "file").read_text) == "kept\n"
    await hive.runtime.destroy("user", purge=True)
    assert not await asyncio.to_thread(spec.state_dir.parent.exists)


async def test_the_next_daemon_adopts_it_and_its_socket_is_replaced(hive: ContainerLab) -> None:
    spec = hive.script(hive.SCRIPTS["waiter"], "user")
    await hive.start(spec)
    await hive.ready()
    await hive.runtime.close()
    hive.runtime = hive.another_runtime(settings=evolve(SETTINGS, private_users=False))
    await hive.runtime.open()
    adopted = await hive.runtime.adopt(spec, Ends())
    assert adopted is not None
    inside = await hive.run_inside("user", ("sh", "-c", "echo x > /agents/user/state/new"))
    assert inside.ok, str(inside)


async def test_binds_of_the_operator_are_readable(hive: ContainerLab, tmp_path: Path) -> None:
    for source in (tmp_path / "given", hive.paths.run_dir.parent / "given"):
        await asyncio.to_thread(source.mkdir, parents=True)
        await asyncio.to_thread((source / "key").write_text, "value")
        bind = Bind(source, Path("/given"), read_only=True)
        ended = await (
            await hive.start(hive.script("cat /given/key", "user", binds=(bind,)))
        ).first()
        assert ended.last_lines == ("value",)


@pytest.fixture
async def unmapped_image(lab: ContainerLab) -> AsyncIterator[Path]:
    """Return an image of a file system whose owners the kernel cannot map."""
    with mounted("ramfs", Path("/var/lib/machines/h-user")) as image:
        image.chmod(0o755)
        make_image(image / "new")
        for path in (image / "new").iterdir():
            path.rename(image / path.name)
        yield image
        await lab.clean()
    await lab.runtime.destroy("user", purge=True)


async def test_another_file_system_than_the_images_can_map(
    lab: ContainerLab, unmapped_image: Path
) -> None:
    """The image is given to the range if its file system cannot map, and taken back."""
    image, spec = unmapped_image, agent(lab)
    first = int((await run(lab, spec))[1].split()[1])
    assert image.stat().st_uid == (image / "etc/passwd").stat().st_uid == first
    assert (await run(lab, spec))[1].split()[1] == str(first)
    lines = await run(lab, evolve(spec, private_users=False))
    assert lines[:2] == ["inside 0 0", "outside 0"]
    assert image.stat().st_uid == (image / "etc/passwd").stat().st_uid == 0


async def test_a_clone_of_an_image_has_another_range_while_both_run(lab: ContainerLab) -> None:
    found = set()
    for name in ("one", "two"):
        running = await lab.runtime.ensure_running(lab.script("sleep 1000", name), Ends())
        users = await asyncio.to_thread(Path(f"/proc/{running.pid}/uid_map").read_text)
        found.add(users.split()[1])
    assert len(found) == 2
    assert "0" not in found
    for name in ("one", "two"):
        await lab.runtime.kill(name)
        await lab.runtime.destroy(name, purge=True)


async def test_an_owner_that_cannot_be_changed_is_an_error_that_says_what_to_do(
    lab: ContainerLab, tmp_path: Path
) -> None:
    spec = agent(lab)
    with mounted("ramfs", spec.state_dir) as state:
        await asyncio.to_thread(
            subprocess.run, ["mount", "-o", "remount,ro,bind", str(state)], check=True
        )
        with pytest.raises(FailedError, match="private_users to false"):
            await lab.runtime.ensure_running(spec, Ends())
    await lab.runtime.destroy("user", purge=True)
