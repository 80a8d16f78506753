"""Listening sockets: permissions, stale files, and the cleanup after each way to end."""

from __future__ import annotations

import asyncio
import grp
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from hive.errors import BadRequestError, FailedError
from hive.gateway import sockets as module
from hive.gateway.connection import Connection, peer_credentials
from hive.gateway.sockets import Listener
from tests.gateway.scripted import Script, ScriptedConnection
from tests.support.hives import Line, Site, connected


@asynccontextmanager
async def listening(path: Path, *, group: str | None = None) -> AsyncIterator[Listener]:
    listener = Listener(path, connection_to(Script()), group=group)
    await listener.open()
    try:
        yield listener
    finally:
        await listener.close()


def connection_to(script: Script) -> Callable[[], Connection]:
    return lambda: ScriptedConnection(script)


async def test_the_socket_is_for_its_owner_and_group_only(site: Site) -> None:
    path = site.run_dir / "deep" / "down" / "a.sock"
    async with listening(path):
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        async with connected(path) as line:
            assert (await line.ok("say", text="x"))["text"] == "x"
    assert not path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to any group")
async def test_the_admin_group_may_use_the_socket_where_it_exists(site: Site) -> None:
    name = next(entry.gr_name for entry in grp.getgrall() if entry.gr_gid != os.getegid())
    path = site.run_dir / "a.sock"
    async with listening(path, group=name):
        assert path.stat().st_gid == grp.getgrnam(name).gr_gid
    async with listening(path, group="no-such-group"):
        assert path.stat().st_gid == os.getegid()


async def test_a_leftover_socket_is_replaced(site: Site) -> None:
    path = site.run_dir / "a.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with listening(path), connected(path) as line:
        assert await line.ok("say", text="x")


async def test_a_path_that_the_kernel_cannot_bind_is_refused_with_a_remedy(site: Site) -> None:
    with pytest.raises(BadRequestError, match="HYPERHIVE_RUN_DIR"):
        Listener(site.run_dir / ("x" * 120), connection_to(Script()))


async def test_a_directory_that_cannot_be_made_is_named(site: Site) -> None:
    (site.run_dir / "file").touch()
    listener = Listener(site.run_dir / "file" / "a.sock", connection_to(Script()))
    with pytest.raises(FailedError, match=r"cannot listen on .*a\.sock: .*; check"):
        await listener.open()
    await listener.close()


async def test_closing_disconnects_all_clients_and_answers_their_requests(site: Site) -> None:
    path = site.run_dir / "a.sock"
    script = Script()
    listener = Listener(path, connection_to(script))
    await listener.open()
    async with connected(path) as line:
        await line.ok("say", text="x")
        await listener.close()
        assert script.closed.is_set()
        assert await line.reader.read() == b""
    await listener.close()


# asyncio's server loses a connection that it has just accepted when it is closed at that moment.
@pytest.mark.loops("uvloop")
async def test_a_client_that_is_just_connecting_is_disconnected_too(site: Site) -> None:
    path = site.run_dir / "a.sock"
    listener = Listener(path, connection_to(Script()))
    await listener.open()
    connecting = [asyncio.ensure_future(Line.to(path)) for _ in range(5)]
    for _ in range(3):
        await asyncio.sleep(0)
    await listener.close()
    for outcome in await asyncio.gather(*connecting, return_exceptions=True):
        if isinstance(outcome, Line):
            with suppress(ConnectionResetError):
                assert await outcome.reader.read() == b""
            await outcome.close()
        else:
            assert isinstance(outcome, OSError)


@pytest.mark.parametrize("turns", range(6))
async def test_an_opening_that_is_cancelled_leaves_nothing(site: Site, turns: int) -> None:
    path = site.run_dir / "a.sock"
    listener = Listener(path, connection_to(Script()))
    opening = asyncio.ensure_future(listener.open())
    for _ in range(turns):
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait([opening])
    if not opening.cancelled():
        await listener.close()
    assert not path.exists()
    async with listening(path), connected(path) as line:
        assert await line.ok("say", text="x")


async def test_an_opening_that_is_cancelled_while_it_binds_leaves_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = site.run_dir / "a.sock"
    loop, bound = asyncio.get_running_loop(), asyncio.Event()
    bind = module._bind

    def slowly(*args: object) -> socket.socket:
        loop.call_soon_threadsafe(bound.set)
        return bind(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_bind", slowly)
    listener = Listener(path, connection_to(Script()))
    opening = asyncio.ensure_future(listener.open())
    await bound.wait()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert not path.exists()


async def test_the_peer_credentials_come_from_the_kernel() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        transport, _ = await asyncio.get_running_loop().create_unix_connection(
            asyncio.Protocol, sock=ours
        )
        try:
            origin = peer_credentials(transport, "/run/a.sock")
        finally:
            transport.close()
            await asyncio.sleep(0)
    assert (origin.socket, origin.pid, origin.uid, origin.gid) == (
        "/run/a.sock",
        os.getpid(),
        os.geteuid(),
        os.getegid(),
    )
