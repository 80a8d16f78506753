"""A real hive exports to a real collector; one that hangs or is down disturbs nothing."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from attrs import evolve

from hive.config.model import OpenTelemetryConfig
from hive.daemon.hive import Hive
from hive.errors import FailedError
from hive.extras import how_to_install
from hive.telemetry import telemetry
from tests.support.hives import Line, Site, connected, site, swarm
from tests.support.runtimes import ScriptedRuntime
from tests.telemetry.collector import collecting, labels

__all__ = ["site"]

pytestmark = pytest.mark.loops("uvloop")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "TURN_SECONDS", 0.01)


@asynccontextmanager
async def exporting(site: Site, url: str, timeout: float = 5.0) -> AsyncIterator[Hive]:
    config = evolve(
        swarm("alice", peers=["damocles"]),
        otel=OpenTelemetryConfig(url, interval=0.02, timeout=timeout),
    )
    async with site.real(ScriptedRuntime(), config) as hive:
        await hive.until_state("alice", "running")
        yield hive


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def run_turn(alice: Line) -> int:
    """Receive a message, ack it, report the turn; return the id of the message."""
    await alice.ok("hello", role="harness", driver="test")
    [message] = (await alice.ok("recv", wait_seconds=10))["messages"]
    await alice.ok("ack", ids=[message["id"]])
    now = time.time()
    await alice.ok(
        "turn",
        started_at=now - 5,
        ended_at=now,
        wake="message",
        outcome="done",
        model="opus",
        messages=[message["id"]],
        input_tokens=12,
        note="a secret",
    )
    number: int = message["id"]
    return number


async def test_the_collector_gets_the_same_numbers(site: Site) -> None:
    with collecting() as collector:
        async with exporting(site, collector.url) as hive:
            await hive.send("damocles", "hello")
            await hive.send("damocles", "again")

            def unread() -> dict[str, float]:
                points = collector.metrics()["hyperhive_mail_unread"].gauge.data_points
                return {labels(each.attributes)["participant"]: each.as_double for each in points}

            await until(lambda: collector.requests["/v1/metrics"])
            await until(lambda: unread().get("damocles") == 2)
            metrics = collector.metrics()
        received = metrics["hyperhive_messages_received"].sum
        assert received.is_monotonic
        assert all(point.start_time_unix_nano for point in received.data_points)
        [commits] = metrics["hyperhive_store_commit_seconds"].histogram.data_points
        assert commits.count == sum(commits.bucket_counts) > 0
        assert metrics["hyperhive_store_commit_seconds"].unit == "s"
        assert len(commits.bucket_counts) == len(commits.explicit_bounds) + 1
        resource = collector.requests["/v1/metrics"][-1].resource_metrics[0].resource
        assert labels(resource.attributes)["service.name"] == "hyperhive"


async def test_a_turn_is_a_span_in_the_trace_of_its_thread(site: Site) -> None:
    with collecting() as collector:
        async with exporting(site, collector.url) as hive:
            number = await hive.send("alice", "a question with a secret")
            async with connected(hive.paths.agent_socket("alice")) as alice:
                assert await run_turn(alice) == number
            await until(lambda: len(collector.spans()) == 2)
        message, turn = collector.spans()["process alice"], collector.spans()["invoke_agent alice"]
    assert turn.trace_id == message.trace_id
    assert turn.parent_span_id == message.span_id
    assert not message.parent_span_id
    assert [event.name for event in message.events] == ["lease", "ack"]
    times = [message.start_time_unix_nano, *(each.time_unix_nano for each in message.events)]
    assert times == sorted(times)
    found = labels(turn.attributes)
    assert found["gen_ai.request.model"] == "opus"
    assert found["gen_ai.usage.input_tokens"] == 12
    assert "secret" not in str(collector.requests["/v1/traces"])


async def test_a_collector_that_hangs_holds_up_nothing(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with collecting(is_open=False) as collector:
        async with exporting(site, collector.url, timeout=60.0) as hive:
            async with connected(hive.paths.agent_socket("alice")) as alice:
                await hive.send("alice", "hello")
                async with asyncio.timeout(5):
                    await run_turn(alice)
                    assert (await hive.status("alice")).unread == 0
            began = time.monotonic()
        assert time.monotonic() - began < 5.0, "the end does not wait for the collector"
        assert collector.requests["/v1/metrics"] == []


@pytest.mark.parametrize("status", [503, 400])
async def test_failures_are_counted_and_logged_once(
    site: Site, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    with collecting() as collector:
        collector.status = status
        async with exporting(site, collector.url, timeout=0.1) as hive:
            counts = hive.parts.metrics.exports.counts
            await until(lambda: counts["metrics", "failed"] >= 3)
            assert counts["metrics", "sent"] == 0
            collector.status = 200
            await until(lambda: counts["metrics", "sent"])
    lines = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    ours = [line for line in lines if "metrics" in line and collector.url in line]
    assert ours == [
        f"metrics cannot be exported to {collector.url}: the collector has not taken them",
        f"metrics are exported to {collector.url} again",
    ]


async def test_nobody_listens(site: Site) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        async with exporting(site, url, timeout=0.1) as hive:
            counts = hive.parts.metrics.exports.counts
            await until(lambda: counts["metrics", "failed"])
            await hive.send("damocles", "hello")


async def test_without_the_extra_the_daemon_does_not_start(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive.config.existence.OTEL_PACKAGE", "opentelemetry.nothing.here")
    command = await asyncio.to_thread(how_to_install, "otel")
    with pytest.raises(FailedError, match=re.escape(command)):
        async with exporting(site, "http://127.0.0.1:1"):
            pass


async def test_a_collector_is_not_one_of_an_unset_endpoint(site: Site) -> None:
    async with site.real(ScriptedRuntime(), swarm("alice")) as hive:
        assert hive.parts.telemetry is None
