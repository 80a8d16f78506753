"""What systemd and machined say about a container, as values; and reading it from their words."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import frozen

from hive.errors import FailedError

UNIT_PROPERTIES = (
    *("Id", "ActiveState", "SubState", "Result", "InvocationID", "ExecMainCode"),
    *("ExecMainStatus", "ActiveEnterTimestampMonotonic", "Job", "ExecMainPID"),
)
"""The unit's properties that a `Unit` is made of."""


class Active(StrEnum):
    """The states of a unit; see `ActiveState` in org.freedesktop.systemd1(5)."""

    ACTIVE = "active"
    RELOADING = "reloading"
    INACTIVE = "inactive"
    FAILED = "failed"
    ACTIVATING = "activating"
    DEACTIVATING = "deactivating"
    MAINTENANCE = "maintenance"

    @property
    def up(self) -> bool:
        """Whether its processes run as they should."""
        return self in {Active.ACTIVE, Active.RELOADING}

    @property
    def down(self) -> bool:
        """Whether nothing of it runs."""
        return self in {Active.INACTIVE, Active.FAILED}


class Code(StrEnum):
    """How a main process ended: the `si_code` of sigaction(2)."""

    NONE = "0"
    EXITED = "1"
    KILLED = "2"
    DUMPED = "3"


@frozen(kw_only=True)
class Unit:
    """A container's service as systemd shows it.

    Attributes:
        id: The unit's name.
        sub: The finer state, specific to services.
        result: Why it is not active any more ("success", "exit-code", "oom-kill", ...).
        invocation: The InvocationID: differs for each start; empty when it never ran, or when it
            ended cleanly and systemd has forgotten it.
        code: How the main process ended; NONE while it runs.
        status: Its exit status or signal.
        since_usec: When it became active, on the monotonic clock; 0 for never.
        job: Whether a start, stop or restart is queued for it.
        main_pid: The process id of `systemd-nspawn`, also after its end; 0 for none.
    """

    id: str
    active: Active
    sub: str = ""
    result: str = "success"
    invocation: str = ""
    code: Code = Code.NONE
    status: int = 0
    since_usec: int = 0
    job: bool = False
    main_pid: int = 0


@frozen
class View:
    """A container as both tell it.

    Attributes:
        leader: Process id of its first process as seen by the host; None when machined does not
            know a machine of that name.
    """

    unit: Unit
    leader: int | None = None

    @property
    def registered(self) -> bool:
        """Whether machined knows it."""
        return self.leader is not None


def properties(text: str) -> dict[str, str]:
    """Read one block of `KEY=value` lines."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key: value for key, _, value in pairs}


def unit(shown: Mapping[str, str]) -> Unit:
    """Return the unit that systemd showed the `UNIT_PROPERTIES` of, in `systemctl show`'s words.

    Raises:
        FailedError: It showed something else.
    """
    try:
        return Unit(
            id=shown["Id"],
            active=Active(shown["ActiveState"]),
            sub=shown.get("SubState", ""),
            result=shown.get("Result") or "success",
            invocation=shown.get("InvocationID", ""),
            code=Code(shown.get("ExecMainCode") or "0"),
            status=int(shown.get("ExecMainStatus") or 0),
            since_usec=int(shown.get("ActiveEnterTimestampMonotonic") or 0),
            job=bool(shown.get("Job")),
            main_pid=int(shown.get("ExecMainPID") or 0),
        )
    except (KeyError, ValueError) as error:
        raise FailedError(
            f"systemd showed what is no state of a unit ({type(error).__name__}: {error}); "
            "see by `systemctl show` whether systemd is in order"
        ) from error


def units(text: str) -> tuple[Unit, ...]:
    """Return the units that `systemctl show` printed, in blocks parted by empty lines.

    Raises:
        FailedError: It printed something else.
    """
    return tuple(unit(properties(block)) for block in text.strip().split("\n\n") if block.strip())


def leader(shown: Mapping[str, str]) -> int | None:
    """Return the first process that machined showed; None if it named none."""
    pid = shown.get("Leader", "")
    return int(pid) if pid.isdecimal() and shown.get("State") != "closing" else None
