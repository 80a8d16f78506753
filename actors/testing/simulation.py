"""An event loop with a virtual clock and a seeded order of steps.

Code that waits is slow to test and code that races is hard to test. Under `SimulationLoop` an hour
of waiting takes no time, and the order in which ready tasks take their next step is drawn from a
seed: the seed repeats a run exactly, and some seeds expose an ordering bug.

The clock moves only when nothing else can happen. That needs care, because a busy thread or a
child process looks just like idleness to an event loop: loops that jump ahead whenever their
selector is silent fire timeouts for work that takes milliseconds. So real work is counted
(`SimulationLoop.external`), and while there is any, the loop waits in real time and the virtual
clock stands still. When there is none, no timer is set and nothing is ready, nothing can ever
happen again: that is a `Deadlock`, reported at once instead of hanging.

A process that is watched by its pidfd without being counted does not hold the clock, but as long as
it lives there is no deadlock.

Sockets between tasks of one loop need no counting: what one end writes, the other can read at once.

The loop is asyncio's own selector loop with three private parts replaced (`_run_once`, `_ready`,
`_clock_resolution`); they are the same from Python 3.8 to 3.14.
"""

import asyncio
import math
import selectors
import signal
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack

if TYPE_CHECKING:
    from _typeshed import HasFileno

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_FINEST_RESOLUTION = 1e-9
"""Timers closer together than this (seconds) are due together, as on a real loop."""


class Deadlock(Exception):  # noqa: N818 - it names what happened, as in operating systems
    """Nothing can run again, but tasks still wait.

    Raised by the loop itself, out of `run_until_complete`: no callback is ready, no timer is set
    and no external work is under way. The message names the waiting tasks. Either one of them
    waits for an event that cannot happen, or real work was not marked `SimulationLoop.external`.
    """

    def __init__(self, waiting: tuple[str, ...]) -> None:
        self.waiting = waiting
        tasks = "".join(f"\n  - {task}" for task in waiting) or " no task at all"
        super().__init__(
            "nothing can ever run again: no callback is ready, no timer is set, "
            f"no external work is under way. Waiting:{tasks}"
        )


class _Selector(selectors.DefaultSelector):
    """A selector that calls the loop where a real one would wait."""

    def __init__(self, on_idle: Callable[[], bool]) -> None:
        super().__init__()
        self._on_idle = on_idle

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        may_wait = timeout is None or timeout > 0
        if not events and may_wait and self._on_idle():
            return super().select(None)
        return events


class SimulationLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop with a virtual clock, which starts at 0.0 seconds.

    In each turn of the loop the ready steps are run in an order drawn from `seed`. A step is what
    a `Task` does between two awaits. An object that schedules its own work with `call_soon` takes
    part if its class has a true attribute `interleaved` and it has at most one bound method
    scheduled at a time. All other callbacks keep their order, which asyncio's transports rely on.

    Threads finish in real order: what several of them do at once is not repeated by a seed.
    """

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _clock_resolution: float

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._random = Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self._now = 0.0
        self._external = 0
        self._processes: set[int] = set()
        self._settling: deque[asyncio.Future[None]] = deque()
        self._threads: ThreadPoolExecutor | None = None
        super().__init__(_Selector(self._on_idle))
        self._move_clock(0.0)

    def __repr__(self) -> str:
        return (
            f"<SimulationLoop seed={self.seed} time={self._now} external={self._external} "
            f"running={self.is_running()} closed={self.is_closed()}>"
        )

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    @contextmanager
    def external(self) -> Iterator[None]:
        """Hold the clock while real work is under way that this loop cannot see.

        For threads and child processes: `with loop.external(): await process.wait()`. Calls of
        `run_in_executor` and `asyncio.to_thread` are counted without it. Use it on the loop's
        own thread.
        """
        self._external += 1
        try:
            yield
        finally:
            self._external -= 1

    def settle(self) -> asyncio.Future[None]:
        """Return a future that is done once nothing more happens at the present time.

        That is: no step is ready, no socket, no timer is due, and no external work is under way.
        Several waiters are woken in turn, each after the effects of the one before.
        """
        settled = self.create_future()
        self._settling.append(settled)
        return settled

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[Unpack[_Ts]], _T],
        *args: *_Ts,
    ) -> asyncio.Future[_T]:
        """Call `func` in a thread of `executor`, holding the clock until it has ended.

        A cancelled call still holds the clock while its thread runs.
        """
        self._check_open()
        work = (executor or self._default_threads()).submit(func, *args)
        self._external += 1
        result = asyncio.wrap_future(work, loop=self)
        # Registered after wrap_future's own callback: the result is set before the clock runs.
        work.add_done_callback(lambda _: self._release_soon())
        return result

    def add_reader(
        self,
        fd: "int | HasFileno",
        callback: Callable[[Unpack[_Ts]], object],
        *args: *_Ts,
    ) -> None:
        """Watch a descriptor; while it is that of a process, there is no `Deadlock`."""
        super().add_reader(fd, callback, *args)
        if isinstance(fd, int) and _is_process(fd):
            self._processes.add(fd)

    def remove_reader(self, fd: "int | HasFileno") -> bool:
        """End the watch of a descriptor; return whether there was one."""
        if isinstance(fd, int):
            self._processes.discard(fd)
        return super().remove_reader(fd)

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """Wait for the threads of the default executor to end."""
        with self.external():
            await super().shutdown_default_executor(*args, **kwargs)

    def _check_open(self) -> None:
        if self.is_closed():
            raise RuntimeError("Event loop is closed")

    def _default_threads(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(thread_name_prefix="simulation")
            self.set_default_executor(self._threads)
        return self._threads

    def _release_soon(self) -> None:
        if not self.is_closed():
            self.call_soon_threadsafe(self._release)

    def _release(self) -> None:
        self._external -= 1

    def _run_once(self) -> None:
        self._shuffle_steps()
        super()._run_once()  # type: ignore[misc]  # private, hence not in the stubs

    def _shuffle_steps(self) -> None:
        """Reorder the ready steps among the places they hold in the queue."""
        if len(self._ready) < 2:  # noqa: PLR2004 - one step has no order
            return
        # Other threads may append at any moment, so the queue is never iterated over.
        batch = [self._ready.popleft() for _ in range(len(self._ready))]
        places = [place for place, handle in enumerate(batch) if _is_step(handle)]
        shuffled = self._random.sample(places, len(places))
        order = dict(zip(places, shuffled, strict=True))
        self._ready.extendleft(
            batch[order.get(place, place)] for place in reversed(range(len(batch)))
        )

    def _on_idle(self) -> bool:
        """Wake a `settle` or move the clock; return whether to wait in real time instead."""
        if self._external:
            return True
        if self._wake_settled():
            return False
        if not self._scheduled:
            if self._processes:
                return True
            raise Deadlock(_describe_waiting(self))
        self._move_clock(self._scheduled[0].when())
        return False

    def _wake_settled(self) -> bool:
        while self._settling:
            settled = self._settling.popleft()
            if not settled.done():
                settled.set_result(None)
                return True
        return False

    def _move_clock(self, when: float) -> None:
        self._now = max(self._now, when)
        # asyncio runs timers up to `time() + resolution`. Far from zero a nanosecond is lost in
        # rounding, and a timer that is due would never be run.
        self._clock_resolution = max(_FINEST_RESOLUTION, 2 * math.ulp(self._now))


def _is_process(fd: int) -> bool:
    """Return whether a descriptor refers to a process; see pidfd_send_signal(2)."""
    try:
        signal.pidfd_send_signal(fd, 0)
    except ProcessLookupError:  # one that has ended
        return True
    except OSError:
        return False
    return True


def run_simulation(main: Callable[[], Coroutine[Any, Any, _T]], seed: int = 0) -> _T:
    """Run `main()` on a new `SimulationLoop` and return its result.

    Raises:
        Deadlock: `main` waits for an event that cannot happen.
    """
    with asyncio.Runner(loop_factory=lambda: SimulationLoop(seed)) as runner:
        return runner.run(main())


async def settle() -> None:
    """Wait until nothing more happens at the present virtual time; the clock does not move."""
    await _simulation().settle()


async def advance(seconds: float) -> None:
    """Let `seconds` of virtual time pass, then `settle`."""
    if seconds < 0:
        raise ValueError(f"time moves forward only, not by {seconds} seconds")
    _simulation()  # on a real loop, refuse before sleeping
    await asyncio.sleep(seconds)
    await settle()


def _simulation() -> SimulationLoop:
    loop = asyncio.get_running_loop()
    if not isinstance(loop, SimulationLoop):
        raise TypeError(
            f"this needs a SimulationLoop, not {type(loop).__name__}: "
            "mark the test `sim` or use run_simulation()"
        )
    return loop


def _is_step(handle: asyncio.Handle) -> bool:
    callback = handle._callback  # type: ignore[attr-defined]  # noqa: SLF001
    owner = getattr(callback, "__self__", None)
    return isinstance(owner, asyncio.Task) or bool(getattr(type(owner), "interleaved", False))


def _describe_waiting(loop: asyncio.AbstractEventLoop) -> tuple[str, ...]:
    return tuple(sorted(_describe(task) for task in asyncio.all_tasks(loop)))


def _describe(task: asyncio.Task[Any]) -> str:
    frames = task.get_stack(limit=1)
    where = f" at {frames[0].f_code.co_filename}:{frames[0].f_lineno}" if frames else ""
    return f"{task.get_name()}: {getattr(task.get_coro(), '__qualname__', '?')}{where}"
