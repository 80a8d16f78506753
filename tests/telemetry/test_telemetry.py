"""What waits for an export is bounded, and what is dropped is counted."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest
from attrs import define, field

from hive.clock import SystemClock
from hive.metrics.export_counts import ExportCounts
from hive.store import Message, Store
from hive.store.usage import StoredTurn
from hive.telemetry import telemetry
from hive.telemetry.telemetry import BATCH, MOST_TURNS, Telemetry
from hive.wire.enums import TurnOutcome
from hive.wire.metric_rows import FamilyRow

pytestmark = pytest.mark.loops("uvloop")


@define(eq=False)
class Recorder:
    """Exporters that record what they get; they wait for the gate."""

    gate: threading.Event = field(factory=threading.Event)
    turns: list[int] = field(factory=list)
    fails: bool = False
    is_closed: bool = False
    threads: set[int] = field(factory=set)

    def export_metrics(self, families: Sequence[FamilyRow], since: float, now: float) -> bool:
        self.threads.add(threading.get_ident())
        self.gate.wait(10)
        assert since <= now
        return True

    def export_turns(
        self, turns: Sequence[tuple[str, StoredTurn]], messages: Mapping[int, Message]
    ) -> bool:
        self.threads.add(threading.get_ident())
        if self.fails:
            raise ValueError("a bug")
        self.turns.append(len(turns))
        return True

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def exported(
    tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Telemetry]:
    monkeypatch.setattr(telemetry, "TURN_SECONDS", 0.005)

    async def read() -> list[FamilyRow]:
        return []

    async with Store(tmp_path / "hive.db") as store:
        made = Telemetry(
            "http://x", 0.005, lambda: recorder, read, store, SystemClock(), ExportCounts()
        )
        made.open()
        yield made
        recorder.gate.set()
        await made.close()


def turn(start: float) -> StoredTurn:
    return StoredTurn(start, start + 1, "message", TurnOutcome.DONE, messages=(1,))


async def until(condition: object) -> None:
    async with asyncio.timeout(10):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.001)


async def test_turns_above_the_limit_are_dropped_and_counted(
    exported: Telemetry, recorder: Recorder
) -> None:
    for start in range(MOST_TURNS + 7):
        exported.add_turn("alice", turn(start))
    assert exported.counts.counts["traces", "dropped"] == 7
    recorder.gate.set()
    await until(lambda: exported.counts.counts["traces", "sent"] == MOST_TURNS)
    assert recorder.turns == [BATCH] * (MOST_TURNS // BATCH)


async def test_everything_runs_on_one_thread_that_is_not_the_loops(
    exported: Telemetry, recorder: Recorder
) -> None:
    recorder.gate.set()
    exported.add_turn("alice", turn(1))
    await until(lambda: recorder.turns and exported.counts.counts["metrics", "sent"] > 1)
    assert len(recorder.threads) == 1
    assert threading.get_ident() not in recorder.threads


async def test_a_bug_of_an_exporter_is_a_failure_and_the_next_is_tried(
    exported: Telemetry, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.gate.set()
    recorder.fails = True
    exported.add_turn("alice", turn(1))
    await until(lambda: exported.counts.counts["traces", "failed"] == 1)
    recorder.fails = False
    exported.add_turn("alice", turn(2))
    await until(lambda: exported.counts.counts["traces", "sent"] == 1)
    assert "traces cannot be exported to http://x: ValueError: a bug" in caplog.text


async def test_a_close_does_not_wait_for_an_export(exported: Telemetry, recorder: Recorder) -> None:
    await until(lambda: recorder.threads)
    async with asyncio.timeout(1):
        await exported.close()
    assert not recorder.is_closed
    recorder.gate.set()
    await until(lambda: recorder.is_closed)


@pytest.mark.parametrize("module", ["hive.daemon.serve", "hive.cli.main", "hive.daemon.exports"])
def test_nothing_is_imported_while_it_is_off(module: str) -> None:
    script = f"import sys, {module}; sys.exit(any('opentelemetry' in m for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
