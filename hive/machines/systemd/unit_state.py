"""States of units and containers, and how to parse them from the output of systemd."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import frozen

from hive.errors import FailedError

UNIT_PROPERTIES = (
    *("Id", "ActiveState", "SubState", "Result", "InvocationID", "ExecMainCode"),
    *("ExecMainStatus", "ActiveEnterTimestampMonotonic", "Job", "ExecMainPID"),
)
"""Properties of a unit from which a `UnitState` is parsed."""


class Active(StrEnum):
    """The states of a unit; see `ActiveState` in org.freedesktop.systemd1(5).

    `refreshing` is that of a unit whose mounts are renewed while it runs, since systemd 257.
    """

    ACTIVE = "active"
    RELOADING = "reloading"
    REFRESHING = "refreshing"
    INACTIVE = "inactive"
    FAILED = "failed"
    ACTIVATING = "activating"
    DEACTIVATING = "deactivating"
    MAINTENANCE = "maintenance"

    @property
    def up(self) -> bool:
        """Whether its processes run."""
        return self in {Active.ACTIVE, Active.RELOADING, Active.REFRESHING}

    @property
    def down(self) -> bool:
        """Whether none of its processes runs."""
        return self in {Active.INACTIVE, Active.FAILED}


class Code(StrEnum):
    """How a main process ended: the `si_code` of sigaction(2)."""

    NONE = "0"
    EXITED = "1"
    KILLED = "2"
    DUMPED = "3"


@frozen(kw_only=True)
class UnitState:
    """State of a container's service in systemd.

    Attributes:
        id: Name of the unit.
        active: The state.
        sub: Substate, specific to services.
        result: Reason for its end ("success", "exit-code", "oom-kill", ...).
        invocation: The InvocationID, different for each start; empty if it never ran, or if it
            ended cleanly and systemd has forgotten it.
        code: Kind of end of the main process; NONE while it runs.
        status: Exit status or signal of the main process.
        since_usec: Microseconds on the monotonic clock at which it became active; 0 for never.
        job: Whether a start, stop or restart is queued for it.
        main_pid: Process id of `systemd-nspawn`, also after its end; 0 for none.
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
class ContainerState:
    """State of a container in systemd and machined.

    Attributes:
        unit: State of its service.
        leader: Process id of its first process on the host; None if machined has no machine of
            that name.
    """

    unit: UnitState
    leader: int | None = None

    @property
    def registered(self) -> bool:
        """Whether machined has registered it."""
        return self.leader is not None


def properties(text: str) -> dict[str, str]:
    """Parse one block of `KEY=value` lines."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key: value for key, _, value in pairs}


def unit_state(shown: Mapping[str, str]) -> UnitState:
    """Parse the `UNIT_PROPERTIES` of a unit, with values as `systemctl show` prints them.

    Raises:
        FailedError: They are not the state of a unit.
    """
    try:
        return UnitState(
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
            f"systemd's answer is not a unit state ({type(error).__name__}: {error}); "
            "check with `systemctl show`"
        ) from error


def unit_states(text: str) -> tuple[UnitState, ...]:
    """Parse the output of `systemctl show`: one block for each unit, separated by empty lines.

    Raises:
        FailedError: A block is not the state of a unit.
    """
    return tuple(
        unit_state(properties(block)) for block in text.strip().split("\n\n") if block.strip()
    )


def leader(shown: Mapping[str, str]) -> int | None:
    """Parse the first process of a machine; None if it has none or is closing."""
    pid = shown.get("Leader", "")
    return int(pid) if pid.isdecimal() and shown.get("State") != "closing" else None
