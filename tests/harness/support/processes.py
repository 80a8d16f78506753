"""Waiting for processes without sleeping."""

import asyncio
import os
import select
from typing import Any

from attrs import define, field


async def gone(pid: int) -> None:
    """Wait until a process has ended; it need not be a child."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended = await asyncio.to_thread(_wait, fd)
    finally:
        os.close(fd)
    assert ended, f"process {pid} still runs"


def _wait(fd: int) -> list[Any]:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return poll.poll(5000)


@define(eq=False)
class CapturedOutput:
    """Collects the standard error of a program; a `tee`."""

    data: bytes = b""
    _more: asyncio.Event = field(factory=asyncio.Event)

    def __call__(self, data: bytes) -> None:
        self.data += data
        self._more.set()

    async def line(self, number: int = 0) -> str:
        """Wait for a whole line and return it."""
        while self.data.count(b"\n") <= number:
            self._more.clear()
            await self._more.wait()
        return self.data.split(b"\n")[number].decode()
