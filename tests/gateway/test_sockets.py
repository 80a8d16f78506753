"""Listening sockets: permissions, stale files, and the cleanup after each way to end."""

from __future__ import annotations

import asyncio
import grp
import os
import resource
import shutil
import socket
import stat
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from hive import descriptors
from hive.errors import BadRequestError, ConflictError, FailedError
from hive.gateway import socket_file
from hive.gateway import sockets as module
from hive.gateway.client_process import peer_credentials
from hive.gateway.connection import Connection
from hive.gateway.inotify import RemovalWatch
from hive.gateway.sockets import Listener
from tests.gateway.scripted import Script, ScriptedConnection
from tests.support.hives import Line, Site, connected, until


def loggers(caplog: pytest.LogCaptureFixture) -> set[str]:
    """Return who has logged, apart from a loop that finds its machine slow."""
    return {record.name for record in caplog.records} - {"asyncio"}


@asynccontextmanager
async def listening(path: Path, *, group: str | None = None) -> AsyncIterator[Listener]:
    listener = listener_at(path, group=group)
    await listener.open()
    try:
        yield listener
    finally:
        await listener.close()


def listener_at(
    path: Path,
    script: Script | None = None,
    *,
    group: str | None = None,
    report: Callable[[], object] = lambda: None,
    most: int | None = None,
) -> Listener:
    connect = connection_to(script or Script())
    return Listener(
        path,
        connect,
        removals=RemovalWatch(),
        group=group,
        report=report,
        most=most,
    )


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
        listener_at(site.run_dir / ("x" * 120))


async def test_a_directory_that_cannot_be_made_is_named(site: Site) -> None:
    (site.run_dir / "file").touch()
    listener = listener_at(site.run_dir / "file" / "a.sock")
    with pytest.raises(FailedError, match=r"cannot listen on .*a\.sock: .*; check"):
        await listener.open()
    await listener.close()


async def test_closing_disconnects_all_clients_and_answers_their_requests(site: Site) -> None:
    path = site.run_dir / "a.sock"
    script = Script()
    listener = listener_at(path, script)
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
    listener = listener_at(path)
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
    listener = listener_at(path)
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
    bind = module.bind

    def slowly(*args: object) -> object:
        loop.call_soon_threadsafe(bound.set)
        return bind(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "bind", slowly)
    listener = listener_at(path)
    opening = asyncio.ensure_future(listener.open())
    await bound.wait()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert not path.exists()


# A directory that an agent may write to


async def test_a_link_in_place_of_a_socket_changes_no_file_of_the_host(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, victim = site.run_dir / "a.sock", site.run_dir / "victim"
    victim.touch(mode=0o600)

    class Bound(socket.socket):
        """Puts a link to the victim at the path, as soon as any socket is bound."""

        def bind(self, address: object) -> None:
            super().bind(address)  # type: ignore[arg-type]
            path.unlink(missing_ok=True)
            path.symlink_to(victim)

    monkeypatch.setattr(socket, "socket", Bound)
    async with listening(path):
        assert stat.S_IMODE(victim.stat().st_mode) == 0o600
        assert stat.S_ISSOCK(path.lstat().st_mode)


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o777])
async def test_the_umask_changes_neither_the_socket_nor_widens_a_directory(
    site: Site, umask: int
) -> None:
    path = site.run_dir / "deep" / "down" / "a.sock"
    before = os.umask(umask)
    try:
        async with listening(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            made = [path.parent, path.parent.parent]
            assert not any(each.stat().st_mode & 0o022 for each in made)
            assert [each.name for each in path.parent.iterdir()] == ["a.sock"]
    finally:
        os.umask(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to any group")
async def test_a_socket_gets_the_group_of_a_directory_with_the_setgid_bit(site: Site) -> None:
    directory = site.run_dir / "peer"
    directory.mkdir()
    os.chown(directory, -1, 1234)
    directory.chmod(0o2750)
    async with listening(directory / "a.sock"):
        assert (directory / "a.sock").stat().st_gid == 1234


async def test_a_file_that_replaces_a_new_socket_is_refused_and_stays_as_it_is(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, victim = site.run_dir / "a.sock", site.run_dir / "victim"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(victim))
    victim.chmod(0o600)
    exchange: list[Callable[[Path], object]] = [
        lambda new: new.symlink_to(victim),
        lambda new: new.hardlink_to(victim),
        lambda new: new.mkdir(),
        os.mkfifo,
        lambda new: new.touch(),
    ]
    bind = socket.socket.bind

    def exchanged(self: socket.socket, address: str) -> None:
        bind(self, address)
        Path(address).unlink()
        exchange[0](Path(address))

    monkeypatch.setattr(socket.socket, "bind", exchanged)
    while exchange:
        with pytest.raises(FailedError, match=r"another program replaced \.\d+ in its directory"):
            await listener_at(path).open()
        assert stat.S_IMODE(victim.stat().st_mode) == 0o600
        exchange.pop(0)


async def test_a_directory_loses_the_right_of_others_to_write(site: Site) -> None:
    directory = site.run_dir / "alice"
    directory.mkdir()
    for mode, expected in ((0o2777, 0o2775), (0o1777, 0o1777)):
        directory.chmod(mode)
        async with listening(directory / "a.sock"):
            assert stat.S_IMODE(directory.stat().st_mode) == expected, (
                "one with a sticky bit is shared"
            )


async def test_a_socket_that_another_file_replaces_is_bound_again(site: Site) -> None:
    path = site.run_dir / "agents" / "a.sock"
    async with listening(path):
        (path.parent / "other").touch()
        (path.parent / "other").rename(path)
        await until(path.is_socket)
        async with connected(path) as line:
            assert (await line.ok("say", text="bound again"))["ok"]


async def test_a_directory_in_place_of_a_socket_is_refused_with_a_remedy(site: Site) -> None:
    path = site.run_dir / "a.sock"
    (path / "content").mkdir(parents=True)
    with pytest.raises(FailedError, match=r"cannot listen on .*: Is a directory; remove the dir"):
        await listener_at(path).open()


async def test_closing_does_not_fail_because_of_a_directory(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    path = site.run_dir / "a.sock"
    listener = listener_at(path)
    await listener.open()
    async with connected(path) as line:
        assert await line.ok("say", text="x")
        path.unlink()
        (path / "content").mkdir(parents=True)
        await listener.close()
        assert await line.reader.read() == b""
    assert f"{path} is not removed: Is a directory" in caplog.text


# A socket that was removed


async def reconnect(path: Path) -> None:
    """Wait until clients can connect again, and use it."""
    async with asyncio.timeout(10):
        while not stat.S_ISSOCK(await asyncio.to_thread(_mode, path)):
            await asyncio.sleep(0.01)
    async with connected(path) as line:
        assert await line.ok("say", text="back")


def _mode(path: Path) -> int:
    return path.stat().st_mode if path.exists() else 0


@pytest.mark.parametrize("remove", [Path.unlink, lambda path: path.rename(f"{path}.old")])
async def test_a_removed_socket_is_bound_again_and_its_connections_stay(
    site: Site, remove: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    path = site.run_dir / "a.sock"
    async with listening(path), connected(path) as line:
        for _ in range(3):
            remove(path)
            await reconnect(path)
        assert await line.ok("say", text="still here")
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert caplog.text.count("was removed and is bound again") == 1, "logged once a minute"
    assert loggers(caplog) == {"hive.gateway.sockets"}


async def test_a_removed_socket_is_not_bound_where_another_daemon_has_the_lock(site: Site) -> None:
    path = site.run_dir / "a.sock"
    refused: list[bool] = []

    def relock() -> None:
        if refused:
            raise ConflictError("another hive-c0re (pid 7) already serves it")

    changed = asyncio.Event()
    listener = Listener(
        path, connection_to(Script()), removals=RemovalWatch(), report=changed.set, relock=relock
    )
    await listener.open()
    try:
        refused.append(True)
        path.unlink()
        await changed.wait()
        assert listener.trouble is not None
        assert listener.trouble.endswith("another hive-c0re (pid 7) already serves it")
        assert not path.exists()
        refused.clear()
        await reconnect(path)
        await until(lambda: listener.trouble is None)
    finally:
        await listener.close()


async def test_a_socket_comes_back_with_its_removed_directory(site: Site) -> None:
    path = site.run_dir / "deep" / "down" / "a.sock"
    async with listening(path):
        for _ in range(2):
            shutil.rmtree(path.parent.parent)
            await reconnect(path)


@pytest.mark.parametrize("above", [1, 2, 3])
async def test_a_socket_comes_back_when_a_directory_above_it_is_renamed(
    site: Site, above: int
) -> None:
    path = site.run_dir / "run" / "agents" / "alice" / "mcp.sock"
    moved = path.parents[above - 1]
    async with listening(path):
        for number in range(2):
            moved.rename(site.run_dir / f"old-{number}")
            if number:
                moved.mkdir()
            await reconnect(path)


async def test_listeners_of_one_directory_come_back_together(site: Site) -> None:
    removals = RemovalWatch()
    paths = [site.run_dir / "agents" / name / "mcp.sock" for name in ("alice", "bob")]
    listeners = [Listener(path, connection_to(Script()), removals=removals) for path in paths]
    for listener in listeners:
        await listener.open()
    for _ in range(2):
        shutil.rmtree(site.run_dir / "agents")
        for path in paths:
            await reconnect(path)
    await listeners.pop().close()
    shutil.rmtree(site.run_dir / "agents")
    await reconnect(paths[0])
    await listeners.pop().close()
    assert not paths[1].exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a directory to any group")
async def test_a_directory_comes_back_with_the_group_and_the_mode_of_before(site: Site) -> None:
    path = site.run_dir / "agents" / "damocles" / "mcp.sock"
    path.parent.mkdir(parents=True)
    os.chown(path.parent, -1, 1234)
    path.parent.chmod(0o2750)
    async with listening(path):
        os.chown(path.parent, -1, 4321)
        path.unlink()
        await reconnect(path)
        assert path.stat().st_gid == 1234, "a participant does not choose the group"
        shutil.rmtree(path.parent)
        await reconnect(path)
        found = path.parent.stat()
        assert (found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 0o2750)
        assert path.stat().st_gid == 1234


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a directory to any group")
async def test_the_operator_may_give_the_directory_a_group_later(site: Site) -> None:
    path = site.run_dir / "agents" / "damocles" / "mcp.sock"
    async with listening(path) as listener, connected(path) as before:
        assert path.stat().st_gid == os.getegid()
        os.chown(path.parent, -1, 1000)  # as the line for systemd-tmpfiles does
        path.parent.chmod(0o2750)
        for _ in range(2):
            await listener.heed_directory()
            found = path.stat()
            assert (found.st_gid, stat.S_IMODE(found.st_mode)) == (1000, 0o660)
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o2750
            async with connected(path) as line:
                assert (await line.ok("say", text="x"))["text"] == "x"
        assert (await before.ok("say", text="still here"))["text"] == "still here"
        assert listener.trouble is None
        path.unlink()
        await reconnect(path)
        assert path.stat().st_gid == 1000, "and it stays when the socket is bound again"
    assert not path.exists()


async def test_a_directory_in_the_place_of_the_socket_is_reported_when_it_is_bound_anew(
    site: Site,
) -> None:
    path = site.run_dir / "a.sock"
    async with listening(path) as listener:
        path.unlink()
        (path / "full").mkdir(parents=True)
        await listener.heed_directory()
        assert "remove the directory that is in its place" in str(listener.trouble)


async def test_a_socket_that_cannot_come_back_is_reported_until_it_can(site: Site) -> None:
    path = site.run_dir / "a.sock"
    reports: asyncio.Queue[str | None] = asyncio.Queue()
    listener = listener_at(path, report=lambda: reports.put_nowait(listener.trouble))
    await listener.open()
    async with connected(path) as line, asyncio.timeout(10):
        path.unlink()
        path.mkdir()
        trouble = await reports.get()
        assert trouble is not None
        assert trouble.startswith(f"cannot listen on {path}: Is a directory")
        assert await line.ok("say", text="still here")
        path.rmdir()
        assert await reports.get() is None
        await reconnect(path)
    await listener.close()


async def test_a_socket_that_is_removed_while_it_is_bound_again_comes_back(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = site.run_dir / "a.sock"
    bind, go_on = socket_file.bind, threading.Event()

    def remove_again(*args: object) -> object:
        bound = bind(*args)  # type: ignore[arg-type]
        path.unlink()
        go_on.wait(10)
        return bound

    async with listening(path):
        monkeypatch.setattr(module, "bind", remove_again)
        path.unlink()
        await asyncio.sleep(2.5)
        monkeypatch.setattr(module, "bind", bind)
        go_on.set()
        await reconnect(path)


async def test_a_listener_that_is_closed_does_not_come_back(site: Site) -> None:
    path = site.run_dir / "a.sock"
    for seconds in (0.0, 1.0):
        listener = listener_at(path)
        await listener.open()
        path.unlink()
        await asyncio.sleep(seconds)
        await listener.close()
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


async def test_a_connection_above_the_most_is_closed_with_the_reason(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    path = site.run_dir / "alice" / "mcp.sock"
    listener = listener_at(path, most=3)
    await listener.open()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(listener.close)
        lines = [await stack.enter_async_context(connected(path)) for _ in range(3)]
        for line in lines:
            await line.ok("say", text="served")
        for _ in range(5):
            async with connected(path) as refused:
                answer = await refused.read()
                assert (answer["ok"], answer["code"]) == (False, "unavailable")
                assert "alice/mcp.sock has 3 connections" in answer["error"]
                assert "'connections' of [limits]" in answer["error"]
                assert await refused.reader.read() == b""
        assert len(caplog.records) == 1, "the log has one line a minute"
        await lines[0].ok("say", text="others are still served")
        await lines.pop().close()
        await until(lambda: len(listener._connections) == 2)
        async with connected(path) as line:
            await line.ok("say", text="there is room again")


async def test_participants_leave_the_last_descriptors_to_the_operator(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    script = Script()
    participant = listener_at(site.run_dir / "alice" / "mcp.sock", script, most=1000)
    operator = listener_at(site.run_dir / "operator" / "host.sock", script)
    async with AsyncExitStack() as stack:
        for listener in (participant, operator):
            await listener.open()
            stack.push_async_callback(listener.close)
        with open(os.devnull) as newest:  # noqa: ASYNC230, PTH123
            few = (newest.fileno() + descriptors.RESERVED, 4096)
        monkeypatch.setattr(resource, "getrlimit", lambda _: few)
        async with connected(participant.path) as line:
            answer = await line.read()
            assert (answer["code"], "LimitNOFILE" in answer["error"]) == ("unavailable", True)
        assert "mcp.sock was refused" in caplog.text
        assert loggers(caplog) == {"hive.gateway.sockets"}
        async with connected(operator.path) as line:
            await line.ok("say", text="the operator gets through")
