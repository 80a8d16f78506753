"""Why a container, a process or a function ended: a closed set, one sentence each."""

from __future__ import annotations

import signal

from attrs import frozen


@frozen
class Exited:
    """It ended by itself with an exit status; 0 means that it was done."""

    status: int

    def __str__(self) -> str:
        return f"exited with status {self.status}"


@frozen
class Signaled:
    """A signal ended it."""

    number: int
    core_dumped: bool = False

    def __str__(self) -> str:
        try:
            name = signal.Signals(self.number).name
        except ValueError:
            name = f"signal {self.number}"
        return f"killed by {name}" + (" (core dumped)" if self.core_dumped else "")


@frozen
class OutOfMemory:
    """The kernel ended it because it was over its memory limit."""

    def __str__(self) -> str:
        return "killed by the kernel: out of memory"


@frozen
class Rebooted:
    """The guest asked for a reboot (exit status 133 of systemd-nspawn): not a crash."""

    def __str__(self) -> str:
        return "rebooted from inside"


@frozen
class Unknown:
    """Nobody can tell: it ended while nothing was watching, or the kernel keeps no status."""

    why: str

    def __str__(self) -> str:
        return f"ended, cause unknown: {self.why}"


How = Exited | Signaled | OutOfMemory | Rebooted | Unknown
"""The closed set of ways to end."""


@frozen
class Ended:
    """An end as a runtime reports it.

    Attributes:
        how: Exit status, signal, or whatever else is known.
        at: Wall time in seconds when it was noticed.
        last_lines: The end of its output, oldest first.
        result: systemd's one word for it, if systemd ran it: the `Result=` of systemd.service(5).
    """

    how: How
    at: float
    last_lines: tuple[str, ...] = ()
    result: str | None = None

    def __str__(self) -> str:
        return str(self.how)


def facts(ended: Ended) -> dict[str, int | str | bool]:
    """Return an end as fields for programs: `exit_status`, `signal` or `oom`, and `result`."""
    return _facts(ended.how) | ({} if ended.result is None else {"result": ended.result})


def _facts(how: How) -> dict[str, int | str | bool]:
    match how:
        case Exited(status):
            return {"exit_status": status}
        case Signaled(number):
            return {"signal": int(number)}
        case OutOfMemory():
            return {"oom": True}
        case Rebooted() | Unknown():
            return {}


def is_clean(how: How) -> bool:
    """Return whether this end was no failure: exit status 0 or a reboot from inside."""
    return isinstance(how, Rebooted) or how == Exited(0)
