"""Why a container ended, from what systemd knows and the last lines that it printed."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

from attrs import frozen

from hive.exits import Exited, How, OutOfMemory, Rebooted, Signaled, Unknown
from hive.machines.systemd.views import Code, Unit

AGENT = "hive-agent"
"""The unit inside the container that runs the agent, and the name before each line it prints."""

REBOOT_STATUS = 133
"""How systemd-nspawn exits when the guest asked for a reboot; see systemd-nspawn@.service."""

NSPAWN_STATUS = 1
"""How systemd-nspawn exits when something went wrong that is not the guest's own exit status."""

LOST_STATUS = 255
"""How a container exits whose agent did not exit but was killed; see systemd.unit(5)."""

FAREWELL = "hive-agent ended:"
"""What the agent's unit prints last, followed by $SERVICE_RESULT, $EXIT_CODE and $EXIT_STATUS."""

_NOT_RUN = {
    "200": "its working directory does not exist inside the container",
    "203": "its program does not exist inside the container, or may not be executed",
}
"""Exit statuses that systemd itself gives to what it could not run; see systemd.exec(5)."""

_AGENT_LINE = re.compile(rf"\[\s*\d+\.\d+\] {AGENT}\[\d+\]: (.*)")
_KILLED_INIT = re.compile(r"Container \S+ terminated by signal (\S+?)\.")


@frozen
class Farewell:
    """How the agent ended, in the words of the systemd inside the container."""

    result: str
    code: str
    status: str


def agent_line(line: str) -> str | None:
    """Return what the agent printed in this line of the console; None if it did not print it."""
    found = _AGENT_LINE.match(line)
    return None if found is None or found[1].startswith(FAREWELL) else found[1]


def is_told(lines: Sequence[str]) -> bool:
    """Return whether these lines go to the end of the run: a last word is among them.

    Whatever a container and its `systemd-nspawn` print comes in the order in which it was printed.
    """
    return _last_farewell(lines) is not None or _killed_init(lines) is not None


def show(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the agent's own lines; if it printed none, what the container and systemd did.

    If the agent could not even be run, a sentence about that comes last: the systemd inside has
    told it to its own journal, which went with it.
    """
    own = tuple(found for line in lines if (found := agent_line(line)) is not None)
    farewell = _last_farewell(lines)
    why = _NOT_RUN.get(farewell.status) if farewell and not own else None
    printed = own or tuple(line for line in lines if FAREWELL not in line)
    return (*printed, f"[hive] the agent could not be run: {why}") if why else printed


def how(unit: Unit, lines: Sequence[str]) -> How:
    """Return how a container ended.

    Args:
        unit: Its unit, down.
        lines: Everything that it and systemd printed about that run, oldest first.
    """
    if unit.result == "oom-kill":
        return OutOfMemory()
    match unit.code:
        case Code.KILLED | Code.DUMPED:
            return Signaled(unit.status, core_dumped=unit.code is Code.DUMPED)
        case Code.EXITED:
            return _exited(unit.status, lines)
        case _ if unit.result == "success":
            return Exited(0)
        case _:
            return Unknown(f"systemd says {unit.result!r}")


def result(unit: Unit, lines: Sequence[str]) -> str:
    """Return systemd's word for an end: the `Result=` of systemd.service(5).

    It is that of the container's unit. If that one only passes on how the agent ended, it is the
    word of the systemd inside about the agent's own unit.
    """
    farewell = _last_farewell(lines)
    if unit.result != "exit-code" or farewell is None or farewell.result == "success":
        return unit.result
    return farewell.result


def _exited(status: int, lines: Sequence[str]) -> How:
    farewell = _last_farewell(lines)
    match status:
        case _ if status == REBOOT_STATUS:
            return Rebooted()
        case _ if status == NSPAWN_STATUS:
            return _killed_init(lines) or _own(farewell) or Exited(status)
        case _ if status == LOST_STATUS and farewell is not None:
            return _lost(farewell)
        case _:
            return Exited(status)


def _own(farewell: Farewell | None) -> How | None:
    # An agent's own 133 is such a case: nspawn makes a failure of its own of it.
    if farewell is None or farewell.code != "exited" or not farewell.status.isdecimal():
        return None
    return Exited(int(farewell.status))


def _lost(farewell: Farewell) -> How:
    number = _signal(farewell.status)
    if farewell.result == "oom-kill":
        return OutOfMemory()
    if farewell.code in {"killed", "dumped"} and number is not None:
        return Signaled(number, core_dumped=farewell.code == "dumped")
    return Exited(LOST_STATUS)


def _killed_init(lines: Sequence[str]) -> How | None:
    # nspawn itself exits with 1 then, which says less than its last line does.
    for line in reversed(lines):
        if found := _KILLED_INIT.match(line):
            number = _signal(found[1])
            return None if number is None else Signaled(number)
    return None


def _last_farewell(lines: Sequence[str]) -> Farewell | None:
    for line in reversed(lines):
        found = _AGENT_LINE.match(line)
        if found and found[1].startswith(FAREWELL):
            words = found[1].removeprefix(FAREWELL).split()
            return Farewell(*words) if len(words) == 3 else None  # noqa: PLR2004 - its three fields
    return None


def _signal(name: str) -> int | None:
    known = signal.Signals.__members__.get(f"SIG{name}")
    return None if known is None else known.value
