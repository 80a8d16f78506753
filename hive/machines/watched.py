"""One process whose end somebody waits for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from signal import SIGCONT, SIGKILL, SIGTERM, Signals

from hive.errors import UnavailableError
from hive.exits import Ended
from hive.machines import pidfd
from hive.machines.runtime import Running, Watcher
from hive.machines.spawning import Held
from hive.timer import Timer


class WatchedProcess:
    """A process group of this daemon or an earlier one, until its end has been told.

    The loop says when its leader has ended; `on_end` is called then, once, and has to see to it
    that `tell` is called in the end. All methods are for the loop's thread and never block.

    Attributes:
        watcher: Who is told; a later adoption may exchange it.
        ended: Done once the end was told; awaited by all who stop or kill it.
    """

    def __init__(
        self,
        held: Held,
        watcher: Watcher,
        on_end: Callable[[WatchedProcess], None],
        *,
        adopted: bool,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.held = held
        self.watcher = watcher
        self.ended: asyncio.Future[Ended] = self._loop.create_future()
        self._on_end = on_end
        self._adopted = adopted
        self._kill_timer = Timer()
        self._ending = False
        self._loop.add_reader(held.pidfd, self._leader_ended)

    @property
    def ending(self) -> bool:
        """Whether its leader has ended and the rest of the story is being found out."""
        return self._ending

    def running(self, *, adopted: bool | None = None) -> Running:
        """Return it as the contract describes a machine that runs."""
        return Running(
            pid=self.held.pid,
            since=self.held.record.started_at,
            instance=self.held.record.run,
            adopted=self._adopted if adopted is None else adopted,
            source="kernel",
        )

    def terminate(self, deadline: float) -> None:
        """Ask the group to end, and kill it after `deadline` seconds.

        Asked twice, the earlier deadline holds.
        """
        if self._ending:
            return
        # A stopped process acts on SIGTERM only once it goes on: see systemd.kill(5).
        self._signal(SIGTERM, SIGCONT)
        self._kill_timer.set(self._loop.time() + deadline, self.kill)

    def kill(self) -> None:
        """End the group at once."""
        if not self._ending:
            self._signal(SIGKILL)

    def tell(self, ended: Ended) -> None:
        """Tell the watcher that it has ended, and then everybody who waits."""
        os.close(self.held.pidfd)
        self._loop.call_soon(self.watcher, ended)
        self._loop.call_soon(self.ended.set_result, ended)

    def let_go(self) -> None:
        """Stop watching; the process goes on."""
        self._stop_listening()
        os.close(self.held.pidfd)
        name = self.held.record.name
        self.ended.set_exception(
            UnavailableError(f"the daemon let go of {name} before it had ended; start the daemon")
        )
        self.ended.exception()  # nobody need have been waiting

    def _signal(self, *numbers: Signals) -> None:
        for number in numbers:
            pidfd.signal_group(self.held.pidfd, number)

    def _leader_ended(self) -> None:
        self._ending = True
        self._stop_listening()
        self._on_end(self)

    def _stop_listening(self) -> None:
        self._loop.remove_reader(self.held.pidfd)
        self._kill_timer.cancel()
