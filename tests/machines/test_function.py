"""The function runtime on virtual time: exits, deadlines, clients, and no threads."""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from actors.testing import advance, settle
from hive.clock import LoopClock
from hive.errors import FailedError, NotAllowedError
from hive.exits import Exited, How, Signaled, Unknown
from hive.machines.function import KEPT_LINES, FunctionRuntime, RecentLines
from hive.machines.runtime import MachineSpec
from tests.machines.labs import Ends

pytestmark = pytest.mark.sim

SPEC = MachineSpec(
    name="alice",
    command=(),
    socket_dir=Path("/unused"),
    state_dir=Path("/unused"),
    log_file=Path("/unused"),
)
SWALLOWED = "the function swallowed its cancellation for {} s; it was abandoned"


class Clients:
    """Connects agents; records which were connected and closed."""

    def __init__(self, gate: asyncio.Event | None = None) -> None:
        self.opened: list[str] = []
        self.closed: list[str] = []
        self._gate = gate

    async def connect(self, name: str) -> str:
        if self._gate:
            await self._gate.wait()
        self.opened.append(name)
        return name

    async def disconnect(self, client: str) -> None:
        await asyncio.sleep(0)
        self.closed.append(client)


def runtime_of(
    function: Callable[[str], Awaitable[object]], clients: Clients | None = None
) -> FunctionRuntime[str]:
    clients = clients or Clients()
    return FunctionRuntime(
        {"alice": function},
        clients.connect,
        disconnect=clients.disconnect,
        clock=LoopClock(asyncio.get_running_loop(), epoch=0.0),
        kill_grace=1.0,
    )


async def forever(client: str) -> None:
    await asyncio.Event().wait()


def swallowing(freed: asyncio.Event) -> Callable[[str], Awaitable[None]]:
    async def swallow(client: str) -> None:
        while not freed.is_set():
            try:
                await freed.wait()
            except asyncio.CancelledError:
                continue

    return swallow


def raising(error: BaseException) -> Callable[[str], Awaitable[None]]:
    async def fail(client: str) -> None:
        await asyncio.sleep(1)
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "how", "last_line"),
    [
        (ValueError("boom"), Exited(1), "ValueError: boom"),
        (SystemExit(), Exited(0), None),
        (SystemExit(3), Exited(3), None),
        (SystemExit(-1), Exited(255), None),
        (SystemExit("no more work"), Exited(1), "no more work"),
        (asyncio.CancelledError(), Exited(1), "the function was cancelled from inside"),
    ],
)
async def test_the_end_of_a_function_becomes_an_exit(
    error: BaseException, how: How, last_line: str | None
) -> None:
    runtime, ends = runtime_of(raising(error)), Ends()
    await runtime.ensure_running(SPEC, ends)
    ended = await ends.first()
    assert ended.how == how
    assert ended.at == 1.0
    assert ended.last_lines[-1:] == ((last_line,) if last_line else ())
    assert runtime.last_lines(SPEC, 1) == ended.last_lines[-1:]


async def test_a_traceback_begins_at_the_agents_own_function() -> None:
    runtime, ends = runtime_of(raising(KeyError("x"))), Ends()
    await runtime.ensure_running(SPEC, ends)
    lines = (await ends.first()).last_lines
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].endswith("in fail")


async def test_the_reason_has_only_lines_of_this_run() -> None:
    outcomes = iter([ValueError("first"), SystemExit(2)])

    async def fail(client: str) -> None:
        raise next(outcomes)

    runtime = runtime_of(fail)
    for _ in range(2):
        ends = Ends()
        await runtime.ensure_running(SPEC, ends)
        ended = await ends.first()
    assert ended.last_lines == ()


async def test_each_run_gets_a_client_which_is_closed_after_any_end() -> None:
    clients = Clients()
    runtime = runtime_of(forever, clients)
    for end in (runtime.kill("alice"), runtime.stop("alice", deadline=5)):
        await runtime.ensure_running(SPEC, Ends())
        await end
    assert clients.opened == clients.closed == ["alice", "alice"]


async def test_a_start_returns_once_the_client_is_connected() -> None:
    gate = asyncio.Event()
    runtime = runtime_of(forever, Clients(gate))
    start = asyncio.create_task(runtime.ensure_running(SPEC, Ends()))
    await settle()
    assert not start.done()
    assert await runtime.running() == ()
    gate.set()
    assert (await start).since == 0.0
    assert await runtime.running() == ("alice",)
    await runtime.close()


async def test_an_agent_without_a_connection_is_not_started() -> None:
    async def refuse(name: str) -> str:
        raise ConnectionRefusedError("no listener")

    runtime, ends = FunctionRuntime({"alice": forever}, refuse), Ends()
    with pytest.raises(FailedError, match="alice got no connection: no listener"):
        await runtime.ensure_running(SPEC, ends)
    await settle()
    assert ends.received == []
    assert await runtime.adopt(SPEC, Ends()) is None


async def test_a_stop_during_the_connect_ends_the_start() -> None:
    clients = Clients(asyncio.Event())
    runtime, ends = runtime_of(forever, clients), Ends()
    start = asyncio.create_task(runtime.ensure_running(SPEC, ends))
    adoption = asyncio.create_task(runtime.adopt(SPEC, Ends()))
    await settle()
    ended = await runtime.stop("alice", deadline=5)
    assert ended is not None
    assert ended.how == Signaled(15)
    with pytest.raises(FailedError, match="stopped while it connected"):
        await start
    assert await adoption is None
    assert ends.received == []


async def test_a_connect_that_ignores_its_cancellation_is_abandoned() -> None:
    freed, called = asyncio.Event(), []

    async def connect(name: str) -> str:
        await swallowing(freed)(name)
        return name

    async def agent(client: str) -> None:
        called.append(client)

    runtime = FunctionRuntime({"alice": agent}, connect)
    start = asyncio.create_task(runtime.ensure_running(SPEC, Ends()))
    await settle()
    await runtime.stop("alice", deadline=5)
    with pytest.raises(FailedError, match="stopped while it connected"):
        await start
    freed.set()
    await settle()
    assert called == []
    assert list(runtime.abandoned) == []


async def test_a_function_may_clean_up_until_the_deadline() -> None:
    cleaned = []

    async def careful(client: str) -> None:
        try:
            await forever(client)
        finally:
            await asyncio.sleep(4)
            cleaned.append(client)

    runtime = runtime_of(careful)
    await runtime.ensure_running(SPEC, Ends())
    first, second = await asyncio.gather(
        runtime.stop("alice", deadline=5), runtime.stop("alice", deadline=6)
    )
    assert first is second
    assert first is not None
    assert (first.how, first.at) == (Signaled(15), 4.0)
    assert cleaned == ["alice"]


async def test_a_kill_does_not_wait_for_the_cleanup() -> None:
    async def careful(client: str) -> None:
        try:
            await forever(client)
        finally:
            await asyncio.sleep(100)

    runtime = runtime_of(careful)
    await runtime.ensure_running(SPEC, Ends())
    stop = asyncio.create_task(runtime.stop("alice", deadline=200))
    await advance(1)
    ended = await runtime.kill("alice")
    assert ended is await stop
    assert ended is not None
    assert (ended.how, ended.at) == (Signaled(9), 1.0)


async def test_an_agent_that_swallows_its_cancellation_is_abandoned() -> None:
    freed, ends = asyncio.Event(), Ends()
    runtime = runtime_of(swallowing(freed))
    await runtime.ensure_running(SPEC, ends)
    ended = await runtime.stop("alice", deadline=5)
    assert ended is not None
    assert (ended.how, ended.at) == (Unknown(SWALLOWED.format(5)), 5.0)
    assert ends.received == [ended]
    assert list(runtime.abandoned) == ["alice"]
    with pytest.raises(FailedError, match="alice swallowed its cancellation"):
        await runtime.ensure_running(SPEC, Ends())
    freed.set()
    await settle()
    assert list(runtime.abandoned) == []
    assert len(ends.received) == 1
    await runtime.ensure_running(SPEC, ends)
    await settle()
    assert ends.received[-1].how == Exited(0)


async def test_the_earliest_of_several_deadlines_applies() -> None:
    freed = asyncio.Event()
    runtime = runtime_of(swallowing(freed))
    await runtime.ensure_running(SPEC, Ends())
    stops = [runtime.stop("alice", deadline=seconds) for seconds in (9, 3, 6)]
    ended, *_ = await asyncio.gather(*stops)
    assert ended is not None
    assert ended.at == 3.0
    freed.set()


async def test_closing_cancels_the_agents_and_reports_no_exit() -> None:
    clients, ends = Clients(), Ends()
    runtime = runtime_of(forever, clients)
    await runtime.open()
    await runtime.ensure_running(SPEC, ends)
    await runtime.close()
    assert clients.closed == ["alice"]
    assert ends.received == []


async def test_closing_waits_no_longer_than_the_grace_period() -> None:
    freed = asyncio.Event()
    runtime = runtime_of(swallowing(freed))
    await runtime.ensure_running(SPEC, Ends())
    await runtime.close()
    assert asyncio.get_running_loop().time() == 1.0
    freed.set()


async def test_the_error_for_an_unknown_agent_suggests_the_nearest_name() -> None:
    runtime = FunctionRuntime({"alicia": forever}, Clients().connect)
    with pytest.raises(FailedError, match="no function for 'alice'; did you mean 'alicia'"):
        await runtime.ensure_running(SPEC, Ends())


async def test_the_function_runtime_uses_no_threads() -> None:
    before = threading.active_count()
    runtime, ends = runtime_of(raising(ValueError("boom"))), Ends()
    await runtime.open()
    await runtime.ensure_running(SPEC, ends)
    await ends.first()
    await runtime.destroy("alice", purge=True)
    await runtime.close()
    assert threading.active_count() == before
    assert sys.exc_info() == (None, None, None)


async def test_a_follower_gets_each_line_once() -> None:
    buffer = RecentLines()
    buffer.append(["old", "newer"], 1.0)
    lines = buffer.follow(1)
    assert await anext(lines) == "newer"
    buffer.append(["a", "b"], 2.0)
    assert [await anext(lines), await anext(lines)] == ["a", "b"]
    waiting = asyncio.ensure_future(anext(lines))
    await settle()
    assert not waiting.done()
    buffer.append([], 3.0)
    buffer.append(["c"], 3.0)
    assert await waiting == "c"


async def test_memory_is_limited_to_the_newest_lines() -> None:
    buffer = RecentLines()
    buffer.append((str(number) for number in range(KEPT_LINES + 5)), 1.0)
    assert len(buffer.newest(KEPT_LINES * 2)) == KEPT_LINES
    assert buffer.newest(1) == (str(KEPT_LINES + 4),)
    assert buffer.newest(0) == ()


@pytest.mark.parametrize("callers", [2, 5])
async def test_an_adopted_call_notifies_the_watcher_that_adopted_it_last(callers: int) -> None:
    async def ends(client: str) -> None:
        return

    gate = asyncio.Event()
    runtime = FunctionRuntime({"alice": ends}, Clients(gate).connect)  # it ends in the same turn
    await runtime.open()
    last: dict[str, Ends] = {}

    async def ensure_running() -> Ends:
        watcher = Ends()
        running = await runtime.ensure_running(SPEC, watcher)
        if running.adopted or running.instance not in last:
            last[running.instance] = watcher
        return watcher

    starting = [asyncio.ensure_future(ensure_running()) for _ in range(callers)]
    await settle()
    gate.set()
    watchers = await asyncio.gather(*starting)
    await advance(1)
    assert {id(each) for each in watchers if each.received} == {id(each) for each in last.values()}
    await runtime.close()


async def test_a_function_can_neither_be_released_nor_take_over_a_machine() -> None:
    async def connect(name: str) -> str:
        return name

    runtime = FunctionRuntime({}, connect)
    with pytest.raises(NotAllowedError, match="cannot run without it"):
        runtime.released_unit("waiter")
    with pytest.raises(NotAllowedError, match="gives them their names"):
        await runtime.can_take_over("waiter", "other")
    with pytest.raises(NotAllowedError):
        await runtime.take_over("waiter", "other")
    await runtime.release("waiter")
