"""Timers of actors, and deadlines that are never early."""

import asyncio
import math
from collections.abc import Callable, Hashable
from typing import Final, TypeAlias

from attrs import define, field

from actors._messages import TimerId

_TICKS: Final = 1000
"""Ticks of uvloop's clock in a second."""


@define(eq=False)
class Timer:
    """One timer; also the entry in the control queue of its owner after it fired.

    Attributes:
        id: Its id.
        key: Its key, or None.
        message: The message to its owner.
        period: Seconds between two firings; None for a timer that fires once.
        due: When it fires next, in the loop's time.
        queued: Whether it waits in the control queue. A periodic timer is queued once, however
            slow its owner is.
        cancelled: Whether it is cancelled, so that a queued entry is skipped.
    """

    id: TimerId
    key: Hashable
    message: object
    period: float | None
    due: float
    handle: asyncio.TimerHandle | None = None
    queued: bool = False
    cancelled: bool = False


Post: TypeAlias = Callable[[Timer], None]


@define(eq=False)
class Timers:
    """The timers of one incarnation.

    They end with it. Cancelling a timer also drops its message if that is queued, as OTP's
    `gen_statem` does with its timeouts.
    """

    _loop: asyncio.AbstractEventLoop
    _post: Post
    _by_id: dict[TimerId, Timer] = field(factory=dict, init=False)
    _by_key: dict[Hashable, Timer] = field(factory=dict, init=False)
    _last: int = field(default=0, init=False)

    def start(
        self, delay: float, message: object, key: Hashable = None, *, every: bool = False
    ) -> TimerId:
        """Start a timer; it replaces an earlier timer of the same key.

        Raises:
            ValueError: The delay is negative, or zero for a periodic timer.
        """
        if delay < 0 or (every and delay == 0):
            raise ValueError(f"a timer needs a delay above 0 s, not {delay:g}")
        due = self._loop.time() + delay
        return self.start_at(due, message, key, period=delay if every else None)

    def start_at(
        self, due: float, message: object, key: Hashable, *, period: float | None = None
    ) -> TimerId:
        """Start a timer that fires at `due`, in the loop's time."""
        if key is not None:
            self.cancel(key)
        self._last += 1
        timer = Timer(TimerId(self._last), key, message, period, due)
        self._by_id[timer.id] = timer
        if key is not None:
            self._by_key[key] = timer
        self._arm(timer)
        return timer.id

    def cancel(self, id_or_key: Hashable) -> bool:
        """Cancel a timer by its id or key; return whether there was one."""
        if isinstance(id_or_key, TimerId):
            timer = self._by_id.get(id_or_key)
        else:
            timer = self._by_key.get(id_or_key)
        if timer is None:
            return False
        timer.cancelled = True
        if timer.handle is not None:
            timer.handle.cancel()
        self._remove(timer)
        return True

    def cancel_all(self) -> None:
        """Cancel every timer."""
        for timer_id in tuple(self._by_id):
            self.cancel(timer_id)

    def begin(self, timer: Timer) -> bool:
        """Take a timer from the control queue; return False if it was cancelled meanwhile."""
        timer.queued = False
        if timer.period is None and not timer.cancelled:
            self._remove(timer)
        return not timer.cancelled

    def __len__(self) -> int:
        return len(self._by_id)

    def _arm(self, timer: Timer) -> None:
        when = not_before(timer.due, self._loop)
        timer.handle = self._loop.call_at(when, self._fire, timer)

    def _fire(self, timer: Timer) -> None:
        if timer.period is not None:
            timer.due = self._next_due(timer.due, timer.period)
            self._arm(timer)
        if not timer.queued:
            timer.queued = True
            self._post(timer)

    def _next_due(self, due: float, period: float) -> float:
        """Return the next multiple of the period that is not over."""
        missed = max(0, int((self._loop.time() - due) / period))
        return due + period * (missed + 1)

    def _remove(self, timer: Timer) -> None:
        self._by_id.pop(timer.id, None)
        if timer.key is not None:
            self._by_key.pop(timer.key, None)


def not_before(due: float, loop: asyncio.AbstractEventLoop) -> float:
    """Return the argument for `loop.call_at` with which the call does not come before `due`.

    uvloop rounds to the nearest millisecond, so it may call up to half a millisecond early by
    its own clock. A caller that then waits for the rest waits for less than half a millisecond,
    which is rounded to zero, and spins until the clock ticks. So the time is rounded up to the
    next millisecond. The loops of the standard library and the simulation loop are exact.
    """
    if isinstance(loop, asyncio.BaseEventLoop) or due == math.inf:
        return due
    tick = math.ceil(due * _TICKS)
    # The product is rounded, so the tick may lie just before `due`.
    return (tick if tick / _TICKS >= due else tick + 1) / _TICKS


def call_after(
    loop: asyncio.AbstractEventLoop, seconds: float, callback: Callable[..., object], *args: object
) -> asyncio.TimerHandle:
    """Call `callback` after `seconds`, as `loop.call_later` does, but never before, on any loop."""
    if seconds * _TICKS % 1 == 0:  # most are: nothing is to be rounded, and this is cheaper
        return loop.call_later(seconds, callback, *args)
    return loop.call_at(not_before(loop.time() + seconds, loop), callback, *args)
