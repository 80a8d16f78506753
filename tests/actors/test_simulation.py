"""The simulation loop: virtual time, seeded order, deadlocks, and real work in between."""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, ClassVar

import pytest

from actors.testing import Deadlock, SimulationLoop, advance, run_simulation, settle

SEEDS = range(50)
DAY = 86_400.0


def simulation() -> SimulationLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulationLoop)
    return loop


# The order of steps


async def interleaving() -> tuple[tuple[int, int], ...]:
    trace: list[tuple[int, int]] = []

    async def walk(walker: int) -> None:
        for step in range(4):
            trace.append((walker, step))
            await asyncio.sleep(0)

    await asyncio.gather(*(walk(walker) for walker in range(5)))
    return tuple(trace)


def test_the_same_seed_gives_the_same_trace() -> None:
    assert len({run_simulation(interleaving, seed=7) for _ in range(20)}) == 1


def test_different_seeds_give_different_traces() -> None:
    assert len({run_simulation(interleaving, seed) for seed in SEEDS}) == len(SEEDS)


def test_each_task_keeps_its_own_order() -> None:
    for seed in SEEDS:
        trace = run_simulation(interleaving, seed)
        for walker in range(5):
            assert [step for who, step in trace if who == walker] == [0, 1, 2, 3]


async def lost_update() -> int:
    balance = 0

    async def deposit_at_once() -> None:
        nonlocal balance
        await asyncio.sleep(0)
        balance += 1

    async def deposit_in_two_steps() -> None:
        nonlocal balance
        await asyncio.sleep(0)
        seen = balance
        await asyncio.sleep(0)
        balance = seen + 2

    await asyncio.gather(deposit_at_once(), deposit_in_two_steps())
    return balance


def test_seeds_find_an_ordering_bug_that_asyncio_never_shows() -> None:
    assert {asyncio.run(lost_update()) for _ in SEEDS} == {3}
    assert {run_simulation(lost_update, seed) for seed in SEEDS} == {2, 3}


class Drain:
    """An object that runs its own work by `call_soon`, as actors do."""

    interleaved: ClassVar[bool] = True

    def __init__(self, trace: list[str], name: str) -> None:
        self.trace, self.name = trace, name

    def run(self) -> None:
        self.trace.append(self.name)


async def drains() -> tuple[str, ...]:
    trace: list[str] = []
    for name in "abcd":
        simulation().call_soon(Drain(trace, name).run)
    await settle()
    return tuple(trace)


async def callbacks() -> tuple[str, ...]:
    trace: list[str] = []
    for name in "abcd":
        simulation().call_soon(trace.append, name)
    await settle()
    return tuple(trace)


def test_callbacks_of_interleaved_objects_are_shuffled_and_plain_ones_are_not() -> None:
    assert len({run_simulation(drains, seed) for seed in SEEDS}) > 10
    assert {run_simulation(callbacks, seed) for seed in SEEDS} == {("a", "b", "c", "d")}


# The clock


@pytest.mark.sim
async def test_a_month_passes_in_no_time() -> None:
    began = time.perf_counter()
    await asyncio.sleep(30 * DAY)
    assert simulation().time() == 30 * DAY
    assert time.perf_counter() - began < 1.0


@pytest.mark.sim
async def test_timers_run_in_the_order_of_their_times() -> None:
    trace: list[float] = []
    for delay in (3.0, 1.0, 2.5, 0.5):
        simulation().call_later(delay, lambda: trace.append(simulation().time()))
    await advance(10.0)
    assert trace == [0.5, 1.0, 2.5, 3.0]


@pytest.mark.sim
async def test_a_timer_is_due_even_where_a_nanosecond_is_lost_in_rounding() -> None:
    await advance(1000 * 365 * DAY)
    await asyncio.sleep(1e-6)
    assert simulation().time() >= 1000 * 365 * DAY


@pytest.mark.sim
async def test_a_cancelled_timer_does_not_move_the_clock() -> None:
    simulation().call_later(5.0, pytest.fail, "was cancelled").cancel()
    await asyncio.sleep(1.0)
    await settle()
    assert simulation().time() == 1.0


@pytest.mark.sim
async def test_settle_runs_everything_ready_and_leaves_the_clock() -> None:
    trace: list[str] = []

    async def work() -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        trace.append("worked")
        await asyncio.sleep(1.0)
        trace.append("too late")

    worker = asyncio.create_task(work())
    await settle()
    assert trace == ["worked"]
    assert simulation().time() == 0.0
    await worker


@pytest.mark.sim
async def test_settling_tasks_are_woken_one_after_the_other() -> None:
    trace: list[str] = []

    async def settle_then_work(name: str) -> None:
        await settle()
        for _ in range(5):
            trace.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(settle_then_work("first"), settle_then_work("second"))
    assert trace in (["first"] * 5 + ["second"] * 5, ["second"] * 5 + ["first"] * 5)


@pytest.mark.sim
async def test_a_cancelled_settle_does_not_block_the_others() -> None:
    given_up = asyncio.ensure_future(settle())
    await asyncio.sleep(0)
    given_up.cancel()
    await settle()
    assert given_up.cancelled()


@pytest.mark.sim
async def test_advance_includes_what_is_due_at_the_end_and_what_it_causes() -> None:
    trace: list[float] = []

    async def tick() -> None:
        while True:
            await asyncio.sleep(1.0)
            await asyncio.sleep(0)
            trace.append(simulation().time())

    ticker = asyncio.create_task(tick())
    await settle()
    await advance(3.0)
    assert trace == [1.0, 2.0, 3.0]
    ticker.cancel()


@pytest.mark.sim
async def test_time_cannot_be_moved_back() -> None:
    with pytest.raises(ValueError, match="forward only"):
        await advance(-1.0)


async def test_settle_and_advance_refuse_a_real_loop() -> None:
    with pytest.raises(TypeError, match="mark the test `sim`"):
        await settle()
    with pytest.raises(TypeError, match="mark the test `sim`"):
        await advance(1.0)


# Deadlocks


async def wait_for_nobody() -> None:
    await asyncio.get_running_loop().create_future()


def test_a_deadlock_is_raised_and_names_who_waits() -> None:
    async def main() -> None:
        await asyncio.create_task(wait_for_nobody(), name="the lonely one")

    with pytest.raises(Deadlock, match=r"the lonely one: wait_for_nobody at .*\.py:\d+") as e:
        run_simulation(main)
    assert len(e.value.waiting) == 2


def test_a_deadlock_is_found_once_time_has_run_out_of_timers() -> None:
    async def main() -> None:
        await asyncio.gather(asyncio.sleep(DAY), wait_for_nobody())

    with pytest.raises(Deadlock):
        run_simulation(main)


def test_a_task_that_times_out_is_not_deadlocked() -> None:
    async def main() -> float:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(wait_for_nobody(), timeout=DAY)
        return simulation().time()

    assert run_simulation(main) == DAY


def test_a_process_that_is_watched_is_no_deadlock() -> None:
    async def main() -> int:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        process = subprocess.Popen(["sleep", "0.05"])  # noqa: ASYNC220 - it blocks for no time
        pidfd = os.pidfd_open(process.pid)
        loop.add_reader(pidfd, ended.set)
        await ended.wait()
        loop.remove_reader(pidfd)
        os.close(pidfd)
        return process.wait()

    assert run_simulation(main) == 0


def test_two_tasks_that_wait_for_each_other_are_deadlocked_under_some_seeds_only() -> None:
    async def main() -> None:
        left, right = asyncio.Lock(), asyncio.Lock()

        async def take(first: asyncio.Lock, second: asyncio.Lock) -> None:
            await asyncio.sleep(0)
            async with first:
                await asyncio.sleep(0)
                async with second:
                    pass

        late = asyncio.create_task(take(left, right))
        await asyncio.sleep(0)
        await asyncio.gather(take(right, left), late)

    assert {deadlocks(main, seed) for seed in SEEDS} == {True, False}


def deadlocks(main: Any, seed: int) -> bool:
    try:
        run_simulation(main, seed)
    except Deadlock:
        return True
    return False


# Real work


def work_for_real() -> int:
    # Busy for much longer than the loop needs to find that nothing is ready.
    return sum(range(2_000_000))


async def in_thread() -> int:
    return await asyncio.to_thread(work_for_real)


async def in_process() -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "print(sum(range(2_000_000)))", stdout=asyncio.subprocess.PIPE
    )
    with simulation().external():
        output, _ = await process.communicate()
    return int(output)


async def in_own_thread() -> int:
    loop, done = simulation(), simulation().create_future()
    thread = threading.Thread(
        target=lambda: loop.call_soon_threadsafe(done.set_result, work_for_real())
    )
    thread.start()
    with loop.external():
        result: int = await done
    thread.join()
    return result


@pytest.mark.sim
@pytest.mark.parametrize("work", [in_thread, in_process, in_own_thread])
async def test_real_work_is_not_timed_out_by_virtual_time(work: Any) -> None:
    async with asyncio.timeout(0.001):
        assert await work() == work_for_real()
    assert simulation().time() == 0.0


def test_uncounted_real_work_looks_like_a_deadlock() -> None:
    async def main() -> None:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=-1)
        try:
            await process.wait()
        finally:
            process.kill()
            with simulation().external():
                await process.wait()

    with pytest.raises(Deadlock, match="external"):
        run_simulation(main)


@pytest.mark.sim
async def test_a_cancelled_thread_still_holds_the_clock() -> None:
    loop, started, seen = simulation(), threading.Event(), list[float]()

    def work() -> None:
        started.set()
        work_for_real()
        seen.append(loop.time())

    call = loop.run_in_executor(None, work)
    started.wait()
    call.cancel()
    await asyncio.sleep(DAY)
    assert seen == [0.0]


@pytest.mark.sim
async def test_settle_waits_for_threads() -> None:
    call = asyncio.ensure_future(asyncio.to_thread(work_for_real))
    await settle()
    assert call.done()


@pytest.mark.sim
async def test_an_error_in_a_thread_arrives_and_lets_the_clock_go() -> None:
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(lambda: 1 // 0)
    await asyncio.sleep(DAY)


@pytest.mark.sim
async def test_unix_sockets_work_and_take_no_time(tmp_path: Path) -> None:
    async def upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_unix_server(upper, tmp_path / "echo.sock")
    async with server, asyncio.timeout(0.001):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "echo.sock")
        for word in (b"one\n", b"two\n", b"x" * 60_000 + b"\n"):
            writer.write(word)
            assert await reader.readline() == word.upper()
        writer.close()
        await writer.wait_closed()
        await settle()
    assert simulation().time() == 0.0


def test_a_silent_socket_is_not_external_work(tmp_path: Path) -> None:
    async def main() -> None:
        async with await asyncio.start_unix_server(serve_nobody, tmp_path / "silent.sock"):
            await wait_for_nobody()

    with pytest.raises(Deadlock):
        run_simulation(main)


async def serve_nobody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    raise AssertionError("nobody connects")


# The loop itself


def test_the_result_and_the_seed_are_passed_on() -> None:
    async def main() -> int:
        return simulation().seed

    assert run_simulation(main, seed=41) == 41


def test_an_error_is_passed_on() -> None:
    def fail() -> Coroutine[Any, Any, None]:
        return asyncio.wait_for(in_error(), 1.0)

    async def in_error() -> None:
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        run_simulation(fail)


def test_a_closed_loop_starts_no_threads() -> None:
    loop = SimulationLoop()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.run_in_executor(None, work_for_real)


@pytest.mark.sim
async def test_repr_shows_the_seed_and_the_time() -> None:
    await advance(2.0)
    assert f"seed={simulation().seed} time=2.0 external=0 running=True" in repr(simulation())
