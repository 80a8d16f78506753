"""Which run is watched is on disk, so that the next daemon learns of an end meanwhile."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from attrs import evolve

from hive.exits import Exited, Signaled
from hive.machines.systemd.container import Container
from hive.machines.systemd.generated_files import Places
from hive.machines.systemd.journal import Journal, JournalFilter
from hive.machines.systemd.service_manager import ServiceManager
from hive.machines.systemd.unit_state import Active, Code, UnitState
from hive.machines.systemd.watched_runs import WatchedRuns
from hive.subprocesses import Outcome

UNIT = "systemd-nspawn@h-alice.service"
RUN = JournalFilter(UNIT, "abc", 54)
UP = UnitState(id=UNIT, active=Active.ACTIVE, invocation="abc", main_pid=54)
FAILED = evolve(UP, active=Active.FAILED, result="exit-code", code=Code.EXITED, status=7)
SAID = "[   12.000001] hive-agent[32]: thinking"
NOW = 1000.0


class Host:
    """A host whose systemd shows one unit, and whose journal has one run."""

    def __init__(self, directory: Path) -> None:
        self.places = Places.below(directory, directory)
        self.unit = UP
        self.said = ""

    async def unit_state(self, name: str) -> UnitState:
        assert name == UNIT
        return self.unit

    async def leader(self, machine: str) -> int | None:
        raise AssertionError(machine)

    async def run(
        self, argv: Sequence[str], *, deadline: float, directory: Path | None = None
    ) -> Outcome:
        entry = {"COMMAND": "ExecStart", "EXIT_CODE": "exited", "EXIT_STATUS": "3"}
        time = {"__REALTIME_TIMESTAMP": "77000000"}
        out = json.dumps(entry | time) if "--output=json" in argv else f"{SAID}\n"
        return Outcome(tuple(argv), 0, out, "", deadline)

    def daemon(self) -> WatchedRuns:
        """Return the records as the next daemon has them."""
        journal = Journal(self.run, self.places.nspawn_log)
        return WatchedRuns(self.places, ServiceManager(self.run, self), journal)

    def path(self) -> Path:
        return self.places.run_record("h-alice")


@pytest.fixture
async def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    await host.daemon().begin(alice(), RUN)
    return host


def alice() -> Container:
    return Container("alice", "h-alice", UNIT)


async def test_an_end_meanwhile_is_returned_once_with_its_time_and_last_lines(host: Host) -> None:
    host.unit = FAILED
    ended = await host.daemon().unwatched_end(alice(), NOW)
    assert ended is not None
    assert (ended.how, ended.at, ended.last_lines) == (Exited(7), 77.0, ("thinking",))
    assert ended.result == "exit-code"
    for _ in range(2):
        assert await host.daemon().unwatched_end(alice(), NOW) is None


async def test_what_runs_has_not_ended(host: Host) -> None:
    assert await host.daemon().unwatched_end(alice(), NOW) is None
    host.unit = evolve(FAILED, job=True)
    assert await host.daemon().unwatched_end(alice(), NOW) is None, "it is between two states"
    host.unit = FAILED
    assert await host.daemon().unwatched_end(alice(), NOW) is not None


@pytest.mark.parametrize(
    "unit", [evolve(UP, invocation="def"), UnitState(id=UNIT, active=Active.INACTIVE)]
)
async def test_of_a_run_that_the_unit_has_forgotten_the_journal_knows(
    host: Host, unit: UnitState
) -> None:
    host.unit = unit
    ended = await host.daemon().unwatched_end(alice(), NOW)
    assert ended is not None
    assert ended.how == Exited(3)


async def test_words_of_nspawn_are_no_part_of_the_journal(host: Host) -> None:
    host.unit = evolve(FAILED, status=1)
    log = host.places.nspawn_log(UNIT)
    await asyncio.to_thread(log.write_text, "Container h-alice terminated by signal KILL.\n")
    ended = await host.daemon().unwatched_end(alice(), NOW)
    assert ended is not None
    assert ended.how == Signaled(9)


async def test_a_run_before_the_one_that_is_adopted_has_ended(host: Host) -> None:
    runs = host.daemon()
    host.unit = evolve(UP, invocation="def")
    await runs.begin(alice(), evolve(RUN, invocation="def"))
    ended = await runs.unwatched_end(alice(), NOW)
    assert ended is not None
    assert ended.how == Exited(3)
    assert await runs.unwatched_end(alice(), NOW) is None
    assert await host.daemon().unwatched_end(alice(), NOW) is None, "the new one runs"


async def test_an_end_that_was_reported_is_none_of_the_next_daemon(host: Host) -> None:
    await host.daemon().end(alice())
    host.unit = FAILED
    assert await host.daemon().unwatched_end(alice(), NOW) is None


async def test_a_run_that_is_watched_again_is_recorded_once(host: Host) -> None:
    runs = host.daemon()
    await runs.begin(alice(), RUN)
    assert await runs.unwatched_end(alice(), NOW) is None


@pytest.mark.parametrize("text", ["", "{", '{"unit": 1}'])
async def test_a_damaged_record_is_none(
    host: Host, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(host.path().write_text, text)
    host.unit = FAILED
    assert await host.daemon().unwatched_end(alice(), NOW) is None
    assert str(host.path()) in caplog.text


async def test_a_record_that_cannot_be_written_ends_no_start(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(host.path().unlink)
    await asyncio.to_thread(host.path().mkdir)
    await host.daemon().begin(alice(), RUN)
    assert "cannot be" in caplog.text


async def test_nothing_is_left_of_a_container_that_is_destroyed(host: Host) -> None:
    await asyncio.to_thread(host.places.nspawn_log(UNIT).touch)
    await host.daemon().forget(alice())
    assert await asyncio.to_thread(lambda: list(host.places.machines.iterdir())) == []
