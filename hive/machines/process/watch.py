"""Watch one process until its end is reported."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from signal import SIGCONT, SIGKILL, SIGTERM, Signals

from hive.errors import UnavailableError
from hive.exits import Ended
from hive.machines.process import pidfd
from hive.machines.process.spawn import ProcessHandle
from hive.machines.runtime import Running, Watcher
from hive.timer import Timer


class WatchedProcess:
    """A process group of this daemon or an earlier one, until its end is reported.

    When its leader has ended, `on_end` is called, once; it is responsible for the call of
    `report_end`. All methods are for the loop's thread and never block.

    Attributes:
        handle: The process.
        watcher: Called with its end; an adoption may replace it.
        ended: Set to its end; awaited by all that stop or kill it.
    """

    def __init__(
        self,
        handle: ProcessHandle,
        watcher: Watcher,
        on_end: Callable[[WatchedProcess], None],
        *,
        adopted: bool,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.handle = handle
        self.watcher = watcher
        self.ended: asyncio.Future[Ended] = self._loop.create_future()
        self._on_end = on_end
        self._adopted = adopted
        self._kill_timer = Timer()
        self._ending = False
        self._loop.add_reader(handle.pidfd, self._leader_ended)

    @property
    def ending(self) -> bool:
        """Whether its leader has ended and the cause is being determined."""
        return self._ending

    def running(self, *, adopted: bool | None = None) -> Running:
        """Return its description for `Runtime`."""
        return Running(
            pid=self.handle.pid,
            since=self.handle.record.started_at,
            instance=self.handle.record.run,
            adopted=self._adopted if adopted is None else adopted,
            source="kernel",
        )

    def terminate(self, deadline: float) -> None:
        """Send SIGTERM to the group, and SIGKILL after `deadline` seconds.

        Of several deadlines, the earliest holds.
        """
        if self._ending:
            return
        # A stopped process acts on SIGTERM only once it is continued: see systemd.kill(5).
        self.signal(SIGTERM, SIGCONT)
        self._kill_timer.set(self._loop.time() + deadline, self.kill)

    def kill(self) -> None:
        """Send SIGKILL to the group."""
        if not self._ending:
            self.signal(SIGKILL)

    def report_end(self, ended: Ended) -> None:
        """Report the end to the watcher, then to all waiters."""
        os.close(self.handle.pidfd)
        self._loop.call_soon(self.watcher, ended)
        self._loop.call_soon(self.ended.set_result, ended)

    def release(self) -> None:
        """Stop watching; the process goes on."""
        self._unregister()
        os.close(self.handle.pidfd)
        name = self.handle.record.name
        self.ended.set_exception(
            UnavailableError(
                f"the daemon stopped watching {name} before it had ended; start the daemon"
            )
        )
        self.ended.exception()  # there may be no waiter

    def signal(self, *numbers: Signals) -> None:
        """Send signals to the group."""
        for number in numbers:
            pidfd.signal_group(self.handle.pidfd, number)

    def _leader_ended(self) -> None:
        self._ending = True
        self._unregister()
        self._on_end(self)

    def _unregister(self) -> None:
        self._loop.remove_reader(self.handle.pidfd)
        self._kill_timer.cancel()


class ReleasedProcesses:
    """Processes that were left to others: their end is not reported, only their zombie collected.

    All methods are for the loop's thread.
    """

    def __init__(self) -> None:
        self._pidfds: set[int] = set()

    def add(self, handle: ProcessHandle) -> None:
        """Add a process that runs; the descriptor of the handle stays the caller's."""
        number = os.dup(handle.pidfd)
        self._pidfds.add(number)
        asyncio.get_running_loop().add_reader(number, self._collect, number)

    def close(self) -> None:
        """Stop waiting for their ends."""
        for number in tuple(self._pidfds):
            self._remove(number)

    def _collect(self, number: int) -> None:
        pidfd.collect(number)
        self._remove(number)

    def _remove(self, number: int) -> None:
        asyncio.get_running_loop().remove_reader(number)
        self._pidfds.discard(number)
        os.close(number)
