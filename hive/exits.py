"""Exits of containers, processes and functions: the closed set of causes, with a sentence each."""

from __future__ import annotations

import signal

from attrs import frozen


@frozen
class Exited:
    """It exited with a status; 0 is success."""

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
    """The cause is unknown: the exit was not watched, or the kernel kept no status of it."""

    why: str

    def __str__(self) -> str:
        return f"ended, cause unknown: {self.why}"


How = Exited | Signaled | OutOfMemory | Rebooted | Unknown
"""The closed set of exit causes."""


@frozen
class Ended:
    """An exit, as a runtime reports it.

    Attributes:
        how: Cause of the exit.
        at: Wall time in seconds when it was noticed.
        last_lines: Last lines of the output, oldest first.
        result: The `Result=` of systemd.service(5), if systemd ran it.
    """

    how: How
    at: float
    last_lines: tuple[str, ...] = ()
    result: str | None = None

    def __str__(self) -> str:
        return str(self.how)


def facts(ended: Ended) -> dict[str, int | str | bool]:
    """Return an exit as fields for programs: `exit_status`, `signal` or `oom`, and `result`."""
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
    """Return whether an exit is not a failure: exit status 0 or a reboot from inside."""
    return isinstance(how, Rebooted) or how == Exited(0)
