"""Cause of a container's end, from the state of its unit and the last lines of its output."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from hive.exits import Exited, How, OutOfMemory, Rebooted, Signaled, Unknown
from hive.machines.systemd.console_output import agent_text, nspawn_end, signal_number
from hive.machines.systemd.unit_state import Code, UnitState

REBOOT_STATUS = 133
"""Exit status of systemd-nspawn for a reboot of the guest; see systemd-nspawn@.service."""

NSPAWN_STATUS = 1
"""Exit status of systemd-nspawn for its own failures, as opposed to the guest's exit status."""

LOST_STATUS = 255
"""Exit status of a container whose agent was killed; see systemd.unit(5)."""

EXIT_MARKER = "hive-agent ended:"
"""Beginning of the last line of the agent's unit; $SERVICE_RESULT, $EXIT_CODE and $EXIT_STATUS
follow."""

_NOT_RUN = {
    "200": "its working directory does not exist inside the container",
    "203": "its program does not exist inside the container, or may not be executed",
}
"""Exit statuses of systemd for programs that it could not run; see systemd.exec(5)."""


@frozen
class ExitMarker:
    """End of the agent, by the systemd inside the container; see systemd.exec(5).

    Attributes:
        result: $SERVICE_RESULT.
        code: $EXIT_CODE.
        status: $EXIT_STATUS, a number or the name of a signal.
    """

    result: str
    code: str
    status: str


def agent_line(line: str) -> str | None:
    """Return the agent's output in this line of the console; None if it is not the agent's."""
    text = agent_text(line)
    return None if text is None or text.startswith(EXIT_MARKER) else text


def is_complete(lines: Sequence[str]) -> bool:
    """Return whether these lines of the journal reach to the end of the run.

    The output of a container is in order, so one of the lines that come last is sufficient: the
    last of the agent's unit or, of a container that an earlier version started, of nspawn.
    """
    return _exit_marker(lines) is not None or _nspawn_end(lines) is not None


def is_killed(said: Sequence[str]) -> bool:
    """Return whether the container's first process was killed, by nspawn's own messages."""
    return _killed_init(said) is not None


def displayed(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the agent's own lines; without any, those of the container and of systemd.

    If the agent could not be run, a sentence about that is the last line: the systemd inside has
    logged it only to its own journal, which is gone.
    """
    own = tuple(found for line in lines if (found := agent_line(line)) is not None)
    marker = _exit_marker(lines)
    why = _NOT_RUN.get(marker.status) if marker and not own else None
    printed = own or tuple(line for line in lines if EXIT_MARKER not in line)
    return (*printed, f"[hive] the agent could not be run: {why}") if why else printed


def cause_of(unit: UnitState, lines: Sequence[str]) -> How:
    """Return the cause of a container's end.

    Args:
        unit: State of its unit, which is down.
        lines: The last lines of that run and of systemd about it, oldest first.
    """
    if unit.result == "oom-kill":
        return OutOfMemory()
    match unit.code:
        case Code.KILLED | Code.DUMPED:
            return Signaled(unit.status, core_dumped=unit.code is Code.DUMPED)
        case Code.EXITED:
            return _exited(unit.status, lines)
        case _ if end := _nspawn_end(lines):  # systemd has forgotten the status
            return end
        case _ if unit.result == "success":
            return Exited(0)
        case _:
            return Unknown(f"systemd says {unit.result!r}")


def result_of(unit: UnitState, lines: Sequence[str]) -> str:
    """Return the `Result=` of an end; see systemd.service(5).

    It is the result of the container's unit, or of the agent's own unit if the container's unit
    only passes on the agent's exit status.
    """
    marker = _exit_marker(lines)
    if unit.result != "exit-code" or marker is None or marker.result == "success":
        return unit.result
    return marker.result


def _exited(status: int, lines: Sequence[str]) -> How:
    marker = _exit_marker(lines)
    match status:
        case _ if status == REBOOT_STATUS:
            return Rebooted()
        case _ if status == NSPAWN_STATUS:
            return _killed_init(lines) or _own(marker) or Exited(status)
        case _ if status == LOST_STATUS and marker is not None:
            return _lost(marker)
        case _:
            return Exited(status)


def _own(marker: ExitMarker | None) -> How | None:
    # An agent's own 133, for one: nspawn reports it as its own failure.
    if marker is None or marker.code != "exited" or not marker.status.isdecimal():
        return None
    return Exited(int(marker.status))


def _lost(marker: ExitMarker) -> How:
    number = signal_number(marker.status)
    if marker.result == "oom-kill":
        return OutOfMemory()
    if marker.code in {"killed", "dumped"} and number is not None:
        return Signaled(number, core_dumped=marker.code == "dumped")
    return Exited(LOST_STATUS)


def _killed_init(lines: Sequence[str]) -> How | None:
    # nspawn exits with 1 then; only its last line has the signal.
    end = _nspawn_end(lines)
    return end if isinstance(end, Signaled) else None


def _nspawn_end(lines: Sequence[str]) -> How | None:
    for line in reversed(lines):
        if end := nspawn_end(line):
            return end
    return None


def _exit_marker(lines: Sequence[str]) -> ExitMarker | None:
    for line in reversed(lines):
        text = agent_text(line)
        if text is not None and text.startswith(EXIT_MARKER):
            words = text.removeprefix(EXIT_MARKER).split()
            return ExitMarker(*words) if len(words) == 3 else None  # noqa: PLR2004 - its three fields
    return None
