"""A server program: started for a benchmark, measured, and ended with it."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PATIENCE = 30.0
"""Seconds that a server may take to be ready, and to end."""

POLL = 0.02
REST = 0.3
"""Seconds without any CPU time after which a server is at rest; proc(5) counts hundredths."""

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Server:
    """One running server whose output goes to a file.

    Args:
        command: The program and its arguments.
        directory: Its working directory; `output.log` in it has what it printed.
        environ: What its environment has beyond ours.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        directory: Path,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._log = directory / "output.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                env={**os.environ, **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait until the server is ready.

        Raises:
            RuntimeError: When it ended or took too long, with what it printed.
        """
        for _ in range(int(PATIENCE / POLL)):
            if self._process.poll() is not None:
                break
            if ready():
                return
            await asyncio.sleep(POLL)
        self.stop()
        raise RuntimeError(
            f"{self._process.args!r} did not become ready:\n"
            f"{self._log.read_text(errors='replace')[-2000:]}"
        )

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its threads so far (utime and stime of proc(5))."""
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    async def memory_at_rest(self) -> int:
        """Wait until it is at rest, and return its resident bytes.

        Raises:
            TimeoutError: When it never comes to rest.
        """
        async with asyncio.timeout(PATIENCE):
            used = -1.0
            while (now := self.cpu_seconds()) != used:
                used = now
                await asyncio.sleep(REST)
        return self._memory()

    def _memory(self) -> int:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE

    def stop(self) -> None:
        """Terminate it; kill it if it does not end in time."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Served:
    """A system that is one server program, which has been started."""

    _server: Server | None = None

    @property
    def pid(self) -> int:
        """The server's process id, for a profiler."""
        assert self._server is not None
        return self._server.pid

    def cpu_seconds(self) -> float:
        """Return the CPU time that the server has used so far."""
        assert self._server is not None
        return self._server.cpu_seconds()

    async def memory_at_rest(self) -> int:
        """Wait until the server is at rest, and return its resident bytes."""
        assert self._server is not None
        return await self._server.memory_at_rest()

    def stop(self) -> None:
        """End the server, if it runs."""
        if self._server is not None:
            self._server.stop()
