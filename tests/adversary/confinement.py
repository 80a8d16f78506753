"""A daemon held to few descriptors and little memory, and what it uses of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from hive.broker.admission import BURST
from hive.config import Limits
from tests.support.daemons import HiveOnDisk, eventually

DESCRIPTORS = 256
MEMORY = 512 << 20

SAMPLE_SECONDS = 0.02
"""Seconds between two looks at the memory, where no control group can hold it."""

MAIL_FACTOR = 3
"""How often a stored body is on disk at most: in the table, in the log, in the search index."""

LIMITS = Limits()
"""The limits by default, which the daemon has."""

DISK_OVERHEAD = 32 << 20
"""Bytes by which the state directory may grow besides bodies of mail."""

CONFIG = """
[manager]
exec = ["sleep", "100000"]
[agents.mallory]
exec = ["sleep", "100000"]
[agents.alice]
exec = ["sleep", "100000"]
[peers.ann]
[peers.ben]
"""


def disk_bound(seconds: float, *, stores_text: bool) -> int:
    """Return the bytes by which the state directory may grow while one participant attacks.

    A participant may send `rate_bytes` of bodies in a minute, a quarter of them at once.
    """
    mail = int(LIMITS.rate_bytes * (BURST + seconds / 60)) * MAIL_FACTOR if stores_text else 0
    return DISK_OVERHEAD + mail


class ConfinedHive:
    """A hive whose daemon has 256 descriptors and 512 MiB.

    Attributes:
        hive: The hive.
        is_over: Whether the daemon was ended because of its memory.
    """

    def __init__(self, root: Path) -> None:
        self.hive = HiveOnDisk(root)
        self.is_over = False
        self._most = 0
        self._group = _make_group()
        self._ended = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        group = f"echo $$ > '{self._group}/cgroup.procs' && " if self._group else ""
        confined = f'{group}ulimit -n {DESCRIPTORS} && exec "$@"'
        self.hive.wrapper = ("/bin/sh", "-c", confined, "sh")
        self.hive.configure(CONFIG)
        try:
            self.hive.start()
            for name in ("mallory", "hm1nd"):
                self.hive.until_state(name, "running")
        except BaseException:
            self._close()
            raise
        self._sampler.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._close()

    def _close(self) -> None:
        self._ended.set()
        if self._sampler.is_alive():
            self._sampler.join()
        self.hive.close()
        if self._group is not None:
            _remove_group(self._group)

    @property
    def pid(self) -> int:
        """The daemon's process."""
        assert self.hive.daemon is not None
        return self.hive.daemon.pid

    @property
    def is_alive(self) -> bool:
        """Whether the daemon still runs."""
        assert self.hive.daemon is not None
        return self.hive.daemon.poll() is None

    def memory(self) -> int:
        """Return the bytes of memory that the daemon has now; 0 once it has ended."""
        return _status(self.pid, "VmRSS")

    def peak_memory(self) -> int:
        """Return the most bytes that it had since the last `forget_peak`, until its end."""
        return max(self._most, _status(self.pid, "VmHWM"))

    def forget_peak(self) -> None:
        """Let the peak begin anew."""
        self._most = 0
        with suppress(OSError):
            Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def processor_seconds(self) -> float:
        """Return the seconds of a processor that the daemon has used."""
        try:
            words = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def waited_seconds(self) -> float:
        """Return the seconds for which the daemon could run and had no processor."""
        try:
            return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[1]) / 1e9
        except (OSError, IndexError):
            return 0.0

    def disk(self) -> int:
        """Return the bytes of the state directory."""
        total = 0
        for directory, _, names in os.walk(self.hive.state_dir):
            for name in names:
                with suppress(OSError):
                    total += os.lstat(Path(directory, name)).st_blocks * 512
        return total

    def troubles(self) -> list[str]:
        """Return what the daemon has logged of errors and of bugs."""
        words = ("Traceback", "ERROR", "a bug in hive-c0re", "never retrieved", "never awaited")
        return [line for line in self.hive.output().splitlines() if any(w in line for w in words)]

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS) and self.is_alive:
            self._most = max(self._most, self.memory())
            if self._most > MEMORY and self.hive.daemon is not None:
                self.is_over = True
                self.hive.daemon.kill()


@contextmanager
def confined(root: Path) -> Iterator[ConfinedHive]:
    """Return a running confined hive."""
    root.mkdir(parents=True, exist_ok=True)
    with ConfinedHive(root) as made:
        yield made


def _status(pid: int, field: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field)), 0)


def _make_group() -> Path | None:
    """Make a control group below our own that has a limit of memory; None where that is refused.

    The limit is a little above `MEMORY`, since it also counts the programs of agents and files in
    the cache that are not written yet; the sampler ends the daemon at `MEMORY` itself.
    """
    for mount, file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), _VERSION_2):
        group = Path(mount + _own_group(mount), f"hive-{os.getpid()}-{threading.get_ident()}")
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / file).write_text(str(MEMORY + (64 << 20)))
        except OSError:
            group.rmdir()
            continue
        return group
    return None


_VERSION_2 = ("/sys/fs/cgroup", "memory.max")


def _own_group(mount: str) -> str:
    """Return the path of our own control group below a mount."""
    wanted = "memory" if mount.endswith("memory") else ""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return ""
    found = [line.split(":", 2) for line in lines]
    return next((path for _, names, path in found if wanted in names.split(",")), "").rstrip("/")


def _remove_group(group: Path) -> None:
    def is_removed() -> bool:
        with suppress(OSError):
            group.rmdir()
        return not group.exists()

    eventually(is_removed, what=f"an empty {group}")
