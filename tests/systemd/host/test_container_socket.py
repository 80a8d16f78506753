"""An agent in a container reaches its socket on the host, whether or not its users are shifted."""

import asyncio
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from attrs import evolve

from tests.systemd.host.lab import SETTINGS, ContainerLab

pytestmark = pytest.mark.loops("uvloop")

CODE = """
import os, socket
with socket.socket(socket.AF_UNIX) as s:
    s.connect(os.environ["HIVE_SOCKET"])
    s.sendall(f"{os.getuid()}\\n".encode())
    s.recv(1)
print("answered")
try:
    open(os.path.dirname(os.environ["HIVE_SOCKET"]) + "/file", "w")
except OSError as error:
    print(error.strerror)
"""


@pytest.fixture(params=[False, True], ids=["host", "private"])
async def users(request: pytest.FixtureRequest, lab: ContainerLab) -> AsyncIterator[bool]:
    """Give the lab's containers these users; each kind of users has its own images."""
    await lab.runtime.close()
    lab.runtime = lab.another_runtime(settings=evolve(SETTINGS, private_users=request.param))
    await lab.runtime.open()
    yield request.param
    await lab.clean()
    await lab.runtime.destroy("caller", purge=False)


def peer_of(connection: socket.socket) -> tuple[int, int]:
    """Return the process id and user id of the peer credentials."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", found)
    return pid, uid % 2**32


async def test_an_agent_connects_to_the_host_and_its_credentials_are_known(
    lab: ContainerLab, users: bool
) -> None:
    spec = lab.command((sys.executable, "-c", CODE), "caller")
    await asyncio.to_thread(spec.socket_dir.mkdir, parents=True)
    path = spec.socket_dir / "mcp.sock"
    calls: asyncio.Queue[tuple[tuple[int, int], bytes, str]] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pid, uid = peer_of(writer.get_extra_info("socket"))
        said = await reader.readline()
        cgroup = await asyncio.to_thread(Path(f"/proc/{pid}/cgroup").read_text)
        calls.put_nowait(((pid, uid), said, cgroup))
        writer.write(b"!")
        writer.close()

    async with await asyncio.start_unix_server(serve, path):
        await asyncio.to_thread(os.chmod, path, 0o660)
        ended = await (await lab.start(spec)).first()
    assert ended.last_lines == ("answered", "Read-only file system")
    (_, uid), said, cgroup = calls.get_nowait()
    assert said == b"0\n"
    assert (uid != 0) is users
    assert "systemd-nspawn@h-caller.service" in cgroup
