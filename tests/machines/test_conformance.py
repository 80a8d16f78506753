"""The guarantees of every runtime, checked on each of them."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hive.errors import FailedError
from hive.exits import Exited, Signaled, is_clean
from hive.machines.runtime import Runtime
from hive.machines.timed_output import LinesWanted, TimedLines
from tests.machines.labs import Ends, FunctionLab, Lab, ProcessLab

NO_WAIT = 0.0
PATIENT = 30.0


@pytest.fixture(params=[ProcessLab, FunctionLab], ids=["process", "function"])
async def lab(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Lab]:
    lab: Lab = request.param(tmp_path)
    await lab.runtime.open()
    yield lab
    for name in await lab.runtime.running():
        await lab.runtime.kill(name)
    await lab.close()


async def start(lab: Lab, name: str) -> Ends:
    ends = Ends()
    await lab.runtime.ensure_running(lab.spec(name), ends)
    return ends


async def test_a_runtime_has_the_name_that_hive_toml_uses(lab: Lab) -> None:
    runtime: Runtime = lab.runtime
    assert runtime.name in {"process", "function"}


async def test_a_started_agent_runs_and_is_described(lab: Lab) -> None:
    ends = Ends()
    running = await lab.runtime.ensure_running(lab.spec("waiter"), ends)
    await lab.ready()
    assert not running.adopted
    assert running.source in {"kernel", "hive"}
    assert await lab.runtime.running() == ("waiter",)
    assert ends.received == []


async def test_an_agent_that_returns_has_exited_cleanly(lab: Lab) -> None:
    ends = await start(lab, "done")
    assert is_clean((await ends.first()).how)
    assert await lab.runtime.running() == ()


async def test_an_agent_that_fails_has_its_last_lines(lab: Lab) -> None:
    ended = await (await start(lab, "failer")).first()
    assert ended.how == Exited(1)
    assert "boom" in ended.last_lines[-1]
    retained = await asyncio.to_thread(lab.runtime.last_lines, lab.spec("failer"), 1)
    assert retained == ended.last_lines[-1:]


async def test_lines_with_times_are_those_of_the_period_or_there_are_none(lab: Lab) -> None:
    before = time.time()
    ended = await (await start(lab, "failer")).first()
    spec, runtime = lab.spec("failer"), lab.runtime
    found = await asyncio.to_thread(runtime.timed_lines, spec, LinesWanted(100, since=before))
    assert (found is None) == (runtime.name == "process"), "a log file has no times"
    if found is not None:
        assert tuple(each.text for each in found.lines) == ended.last_lines
        assert all(before <= each.at <= time.time() for each in found.lines)
        last = await asyncio.to_thread(runtime.timed_lines, spec, LinesWanted(1))
        assert last == TimedLines(found.lines[-1:])
        # An earlier run of the same agent may have printed, if its container still exists.
        older = await asyncio.to_thread(runtime.timed_lines, spec, LinesWanted(100, until=before))
        assert older is not None
        assert all(each.at < before for each in older.lines)


async def test_a_stop_returns_the_exit_that_is_reported_once(lab: Lab) -> None:
    ends = await start(lab, "waiter")
    await lab.ready()
    ended = await lab.runtime.stop("waiter", deadline=PATIENT)
    assert ended is not None
    assert ended.how == Signaled(15)
    assert ends.received == [ended]
    assert await lab.runtime.running() == ()


async def test_a_kill_sends_sigkill_at_once(lab: Lab) -> None:
    ends = await start(lab, "waiter")
    await lab.ready()
    ended = await lab.runtime.kill("waiter")
    assert ended is not None
    assert ended.how == Signaled(9)
    assert ends.received == [ended]


async def test_an_agent_that_ignores_a_stop_is_ended_at_the_deadline(lab: Lab) -> None:
    ends = await start(lab, "stubborn")
    await lab.ready()
    ended = await lab.runtime.stop("stubborn", deadline=NO_WAIT)
    assert ended is not None
    assert not is_clean(ended.how)
    assert ends.received == [ended]
    assert await lab.runtime.running() == ()


async def test_concurrent_stops_return_the_same_exit(lab: Lab) -> None:
    ends = await start(lab, "waiter")
    await lab.ready()
    stops = [lab.runtime.stop("waiter", deadline=PATIENT) for _ in range(3)]
    first, *others = await asyncio.gather(*stops, lab.runtime.kill("waiter"))
    assert all(other is first for other in others)
    assert ends.received == [first]


async def test_a_kill_ends_a_stop_before_its_deadline(lab: Lab) -> None:
    await start(lab, "stubborn")
    await lab.ready()
    stop = asyncio.create_task(lab.runtime.stop("stubborn", deadline=PATIENT))
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENT / 2):
        killed = await lab.runtime.kill("stubborn")
        assert await stop is killed


async def test_stopping_an_agent_that_does_not_run_is_no_error(lab: Lab) -> None:
    assert await lab.runtime.stop("waiter", deadline=PATIENT) is None
    assert await lab.runtime.kill("waiter") is None
    ends = await start(lab, "done")
    await ends.first()
    assert await lab.runtime.stop("done", deadline=PATIENT) is None


async def test_an_exit_that_the_runtime_did_not_cause_is_reported(lab: Lab) -> None:
    ends = await start(lab, "waiter")
    await lab.ready()
    await lab.end_from_outside("waiter")
    await ends.first()
    assert await lab.runtime.running() == ()


async def test_an_agent_that_runs_is_adopted_and_not_started(lab: Lab) -> None:
    first, second = Ends(), Ends()
    started = await lab.runtime.ensure_running(lab.spec("waiter"), first)
    await lab.ready()
    found = await lab.runtime.ensure_running(lab.spec("waiter"), second)
    assert (started.adopted, found.adopted) == (False, True)
    assert (found.instance, found.pid) == (started.instance, started.pid)
    await lab.runtime.kill("waiter")
    assert first.received == []
    assert len(second.received) == 1


async def test_of_concurrent_starts_one_starts_and_the_others_adopt(lab: Lab) -> None:
    watchers = [Ends() for _ in range(3)]
    starts = [lab.runtime.ensure_running(lab.spec("waiter"), ends) for ends in watchers]
    outcomes = await asyncio.gather(*starts)
    assert sorted(running.adopted for running in outcomes) == [False, True, True]
    assert len({running.instance for running in outcomes}) == 1
    ended = await lab.runtime.kill("waiter")
    assert [each for ends in watchers for each in ends.received] == [ended]
    assert await lab.runtime.running() == ()


async def test_a_start_after_a_stop_is_a_new_instance(lab: Lab) -> None:
    ends, again = Ends(), Ends()
    first = await lab.runtime.ensure_running(lab.spec("waiter"), ends)
    await lab.ready()
    ended = await lab.runtime.stop("waiter", deadline=PATIENT)
    running = await lab.runtime.ensure_running(lab.spec("waiter"), again)
    assert running.instance != first.instance
    assert not running.adopted
    assert (ends.received, again.received) == ([ended], [])


async def test_an_agent_can_be_started_again_after_its_exit(lab: Lab) -> None:
    instances = set()
    for _ in range(3):
        running = await lab.runtime.ensure_running(lab.spec("waiter"), Ends())
        instances.add(running.instance)
        await lab.runtime.stop("waiter", deadline=PATIENT)
    assert len(instances) == 3


async def test_the_exit_is_reported_to_the_last_watcher_only(lab: Lab) -> None:
    first, second = await start(lab, "waiter"), Ends()
    await lab.ready()
    adopted = await lab.runtime.adopt(lab.spec("waiter"), second)
    assert adopted is not None
    await lab.runtime.kill("waiter")
    assert first.received == []
    assert len(second.received) == 1


async def test_an_agent_that_does_not_run_is_not_adopted(lab: Lab) -> None:
    assert await lab.runtime.adopt(lab.spec("waiter"), Ends()) is None
    await (await start(lab, "done")).first()
    assert await lab.runtime.adopt(lab.spec("done"), Ends()) is None


async def test_what_a_running_agent_uses_is_known_where_the_kernel_counts_it(lab: Lab) -> None:
    assert await lab.runtime.resources() == {}
    await lab.runtime.ensure_running(lab.spec("waiter"), Ends())
    await lab.ready()
    uses = await lab.runtime.resources()
    if isinstance(lab, FunctionLab):
        assert uses == {}
    else:
        assert list(uses) == ["waiter"]
        assert uses["waiter"].memory is None or uses["waiter"].memory > 0
        assert uses["waiter"].cpu_seconds is not None
        assert 0 <= uses["waiter"].cpu_seconds < 60
    await lab.runtime.stop("waiter", deadline=5)
    assert await lab.runtime.resources() == {}


async def test_only_a_stopped_agent_can_be_destroyed(lab: Lab) -> None:
    await start(lab, "waiter")
    await lab.ready()
    with pytest.raises(FailedError, match="stop it first"):
        await lab.runtime.destroy("waiter", purge=True)
    await lab.runtime.kill("waiter")
    await lab.runtime.destroy("waiter", purge=True)
    await lab.runtime.destroy("waiter", purge=True)


async def test_a_follower_gets_earlier_and_later_lines(lab: Lab) -> None:
    await (await start(lab, "failer")).first()
    lines = lab.runtime.follow(lab.spec("failer"), 1)
    assert "boom" in await anext(lines)
    next_line = asyncio.ensure_future(anext(lines))
    await (await start(lab, "failer")).first()
    assert await next_line
    await lines.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("turns", range(12))
async def test_a_cancelled_start_leaves_nothing_unwatched(lab: Lab, turns: int) -> None:
    ends = Ends()
    start = lab.runtime.ensure_running(lab.spec("waiter"), ends)
    await cancel_after(turns, asyncio.create_task(start))
    ended = await lab.runtime.stop("waiter", deadline=PATIENT)
    assert ends.received == ([ended] if ended else [])
    assert await lab.runtime.running() == ()


@pytest.mark.parametrize("turns", range(12))
async def test_a_cancelled_stop_goes_on(lab: Lab, turns: int) -> None:
    ends = await start(lab, "waiter")
    await lab.ready()
    stop = asyncio.create_task(lab.runtime.stop("waiter", deadline=PATIENT))
    await cancel_after(turns, stop)
    await lab.runtime.stop("waiter", deadline=PATIENT)
    assert len(ends.received) == 1


async def cancel_after(turns: int, task: asyncio.Task[object]) -> None:
    """Cancel a task after some turns of the loop, so that each number hits another await."""
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
