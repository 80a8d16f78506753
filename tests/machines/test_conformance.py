"""What every container runtime promises, checked on each of them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hive.errors import FailedError
from hive.exits import Exited, Signaled, is_clean
from hive.machines.runtime import Runtime
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


async def test_what_was_started_runs_and_is_described(lab: Lab) -> None:
    ends = Ends()
    running = await lab.runtime.ensure_running(lab.spec("waiter"), ends)
    await lab.ready()
    assert not running.adopted
    assert running.source in {"kernel", "hive"}
    assert await lab.runtime.running() == ("waiter",)
    assert ends.told == []


async def test_an_agent_that_is_done_has_ended_cleanly(lab: Lab) -> None:
    ends = await start(lab, "done")
    assert is_clean((await ends.first()).how)
    assert await lab.runtime.running() == ()


async def test_an_agent_that_fails_leaves_its_last_words(lab: Lab) -> None:
    ended = await (await start(lab, "failer")).first()
    assert ended.how == Exited(1)
    assert "boom" in ended.last_lines[-1]
    kept = await asyncio.to_thread(lab.runtime.last_lines, lab.spec("failer"), 1)
    assert kept == ended.last_lines[-1:]


async def test_a_stop_returns_the_end_that_the_watcher_hears_once(lab: Lab) -> None:
    ends = await start(lab, "waiter")
    await lab.ready()
    ended = await lab.runtime.stop("waiter", deadline=PATIENT)
    assert ended is not None
    assert ended.how == Signaled(15)
    assert ends.told == [ended]
    assert await lab.runtime.running() == ()


async def test_a_kill_does_not_ask(lab: Lab) -> None:
    ends = await start(lab, "waiter")
    await lab.ready()
    ended = await lab.runtime.kill("waiter")
    assert ended is not None
    assert ended.how == Signaled(9)
    assert ends.told == [ended]


async def test_a_stubborn_agent_is_not_waited_for_beyond_the_deadline(lab: Lab) -> None:
    ends = await start(lab, "stubborn")
    await lab.ready()
    ended = await lab.runtime.stop("stubborn", deadline=NO_WAIT)
    assert ended is not None
    assert not is_clean(ended.how)
    assert ends.told == [ended]
    assert await lab.runtime.running() == ()


async def test_all_who_stop_at_once_share_one_outcome(lab: Lab) -> None:
    ends = await start(lab, "waiter")
    await lab.ready()
    stops = [lab.runtime.stop("waiter", deadline=PATIENT) for _ in range(3)]
    first, *others = await asyncio.gather(*stops, lab.runtime.kill("waiter"))
    assert all(other is first for other in others)
    assert ends.told == [first]


async def test_a_kill_cuts_a_patient_stop_short(lab: Lab) -> None:
    await start(lab, "stubborn")
    await lab.ready()
    stop = asyncio.create_task(lab.runtime.stop("stubborn", deadline=PATIENT))
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENT / 2):
        killed = await lab.runtime.kill("stubborn")
        assert await stop is killed


async def test_ending_what_does_not_run_is_no_error(lab: Lab) -> None:
    assert await lab.runtime.stop("waiter", deadline=PATIENT) is None
    assert await lab.runtime.kill("waiter") is None
    ends = await start(lab, "done")
    await ends.first()
    assert await lab.runtime.stop("done", deadline=PATIENT) is None


async def test_an_end_from_outside_is_heard(lab: Lab) -> None:
    ends = await start(lab, "waiter")
    await lab.ready()
    await lab.end_from_outside("waiter")
    await ends.first()
    assert await lab.runtime.running() == ()


async def test_nothing_runs_twice(lab: Lab) -> None:
    first, second = Ends(), Ends()
    started = await lab.runtime.ensure_running(lab.spec("waiter"), first)
    await lab.ready()
    found = await lab.runtime.ensure_running(lab.spec("waiter"), second)
    assert (started.adopted, found.adopted) == (False, True)
    assert (found.instance, found.pid) == (started.instance, started.pid)
    await lab.runtime.kill("waiter")
    assert first.told == []
    assert len(second.told) == 1


async def test_of_starts_at_once_one_starts_and_the_others_adopt(lab: Lab) -> None:
    watchers = [Ends() for _ in range(3)]
    starts = [lab.runtime.ensure_running(lab.spec("waiter"), ends) for ends in watchers]
    outcomes = await asyncio.gather(*starts)
    assert sorted(running.adopted for running in outcomes) == [False, True, True]
    assert len({running.instance for running in outcomes}) == 1
    ended = await lab.runtime.kill("waiter")
    assert [each for ends in watchers for each in ends.told] == [ended]
    assert await lab.runtime.running() == ()


async def test_a_start_during_a_stop_starts_again(lab: Lab) -> None:
    ends, again = Ends(), Ends()
    first = await lab.runtime.ensure_running(lab.spec("waiter"), ends)
    await lab.ready()
    ended = await lab.runtime.stop("waiter", deadline=PATIENT)
    running = await lab.runtime.ensure_running(lab.spec("waiter"), again)
    assert running.instance != first.instance
    assert not running.adopted
    assert (ends.told, again.told) == ([ended], [])


async def test_it_can_be_started_again_after_its_end(lab: Lab) -> None:
    instances = set()
    for _ in range(3):
        running = await lab.runtime.ensure_running(lab.spec("waiter"), Ends())
        instances.add(running.instance)
        await lab.runtime.stop("waiter", deadline=PATIENT)
    assert len(instances) == 3


async def test_who_adopts_hears_the_end_in_place_of_who_started(lab: Lab) -> None:
    first, second = await start(lab, "waiter"), Ends()
    await lab.ready()
    adopted = await lab.runtime.adopt(lab.spec("waiter"), second)
    assert adopted is not None
    await lab.runtime.kill("waiter")
    assert first.told == []
    assert len(second.told) == 1


async def test_there_is_nothing_to_adopt_where_nothing_runs(lab: Lab) -> None:
    assert await lab.runtime.adopt(lab.spec("waiter"), Ends()) is None
    await (await start(lab, "done")).first()
    assert await lab.runtime.adopt(lab.spec("done"), Ends()) is None


async def test_only_the_stopped_can_be_destroyed(lab: Lab) -> None:
    await start(lab, "waiter")
    await lab.ready()
    with pytest.raises(FailedError, match="stop it first"):
        await lab.runtime.destroy("waiter", purge=True)
    await lab.runtime.kill("waiter")
    await lab.runtime.destroy("waiter", purge=True)
    await lab.runtime.destroy("waiter", purge=True)


async def test_a_follower_sees_what_was_and_what_comes(lab: Lab) -> None:
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
    assert ends.told == ([ended] if ended else [])
    assert await lab.runtime.running() == ()


@pytest.mark.parametrize("turns", range(12))
async def test_a_cancelled_stop_goes_on(lab: Lab, turns: int) -> None:
    ends = await start(lab, "waiter")
    await lab.ready()
    stop = asyncio.create_task(lab.runtime.stop("waiter", deadline=PATIENT))
    await cancel_after(turns, stop)
    await lab.runtime.stop("waiter", deadline=PATIENT)
    assert len(ends.told) == 1


async def cancel_after(turns: int, task: asyncio.Task[object]) -> None:
    """Let a task take some turns of the loop, so that it is cancelled at another await."""
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
