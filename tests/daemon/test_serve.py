"""The daemon: its output and its exit status."""

from __future__ import annotations

import asyncio
import errno
import gc
import io
import sys

import pytest

from hive.config import HiveConfig
from hive.daemon import serve
from hive.daemon.hive import Hive
from hive.daemon.serve import ServeOptions, _serve
from hive.errors import ExitStatus, FailedError
from hive.paths import Paths
from tests.support.hives import Site, connected, until


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Hive]:
    """The hives that the daemon opened."""
    found: list[Hive] = []

    class Recorded(Hive):
        async def open(self) -> None:
            await super().open()
            found.append(self)

    monkeypatch.setattr(serve, "Hive", Recorded)
    return found


def options(site: Site) -> ServeOptions:
    return ServeOptions(None, Paths(site.run_dir, site.state_dir), keep_agents=False, view=False)


async def answering(opened: list[Hive]) -> Hive:
    """Return the hive once it has answered."""
    await until(lambda: opened)
    async with connected(opened[0].paths.host_socket) as line:
        await line.ok("register_peer", name="box-b")
    return opened[0]


async def test_a_requested_end_is_a_success(
    site: Site, opened: list[Hive], capsys: pytest.CaptureFixture[str]
) -> None:
    serving = asyncio.ensure_future(_serve(HiveConfig(), options(site)))
    (await answering(opened)).shutdown()
    assert await serving == ExitStatus.OK
    printed = capsys.readouterr().out
    assert f"hive-c0re serves {site.run_dir / 'host.sock'}" in printed
    assert "box-b" in printed


async def test_output_that_cannot_be_written_does_not_end_the_daemon(
    site: Site, opened: list[Hive], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    serving = asyncio.ensure_future(_serve(HiveConfig(), options(site)))
    (await answering(opened)).shutdown()
    assert await serving == ExitStatus.OK


async def test_the_garbage_collector_runs_less_often_while_it_serves(
    site: Site, opened: list[Hive]
) -> None:
    before = gc.get_threshold()
    serving = asyncio.ensure_future(_serve(HiveConfig(), options(site)))
    hive = await answering(opened)
    assert gc.get_threshold() == serve.COLLECT_AFTER
    assert gc.get_freeze_count() > 0
    hive.shutdown()
    await serving
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)


async def test_a_hive_that_gives_up_is_a_failure_with_a_remedy(
    site: Site, opened: list[Hive]
) -> None:
    serving = asyncio.ensure_future(_serve(HiveConfig(), options(site)))
    system = (await answering(opened)).parts.system
    while system.failed is None:
        if (broker := system.whereis("broker")) is not None:
            system.kill(broker)
        await asyncio.sleep(0)
    with pytest.raises(FailedError, match=r"gave up.*the next 'hive-c0re serve' adopts them"):
        await serving


async def test_a_daemon_that_is_cancelled_releases_everything(
    site: Site, opened: list[Hive]
) -> None:
    serving = asyncio.ensure_future(_serve(HiveConfig(), options(site)))
    await answering(opened)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert not (site.run_dir / "host.sock").exists()
