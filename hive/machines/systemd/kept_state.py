"""The state in which a run of a unit ended, from systemd's messages about it in the journal. Pure.

systemd keeps the state of a unit only until its next start, and not at all after a clean end. Its
messages have fields for programs, and the InvocationID of the run; see systemd.journal-fields(7).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hive.machines.systemd.unit_state import Active, Code, UnitState

SUCCEEDED = "7ad2d189f7e94e70a38c781354912448"
"""MESSAGE_ID of "Deactivated successfully"; systemd gives no status then."""

KEPT_FIELDS = ("COMMAND", "EXIT_CODE", "EXIT_STATUS", "UNIT_RESULT", "MESSAGE_ID")
"""Fields that are needed."""

_CODES = {"exited": Code.EXITED, "killed": Code.KILLED, "dumped": Code.DUMPED}


def kept_state(unit: str, invocation: str, entries: str) -> tuple[UnitState, float | None]:
    """Return the state of a unit after a run, and the wall time in seconds of its end.

    Args:
        unit: Name of the unit.
        invocation: InvocationID of the run.
        entries: systemd's messages about the run, as `journalctl --output=json` prints them.
    """
    result, code, status, at = "unknown", Code.NONE, 0, None
    for entry in filter(None, map(_entry, entries.splitlines())):
        if entry.get("MESSAGE_ID") == SUCCEEDED:
            result, at = "success", _time(entry)
        elif entry.get("COMMAND") == "ExecStart" and entry.get("EXIT_CODE") in _CODES:
            code, at = _CODES[entry["EXIT_CODE"]], _time(entry)
            status = _number(entry.get("EXIT_STATUS"))
        elif "UNIT_RESULT" in entry:
            result, at = str(entry["UNIT_RESULT"]), at or _time(entry)
    active = Active.INACTIVE if result == "success" else Active.FAILED
    state = UnitState(
        id=unit, active=active, result=result, invocation=invocation, code=code, status=status
    )
    return state, at


def _entry(line: str) -> Mapping[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _time(entry: Mapping[str, Any]) -> float | None:
    return _number(entry.get("__REALTIME_TIMESTAMP")) / 1e6 or None


def _number(value: object) -> int:
    return int(value) if isinstance(value, str) and value.isdecimal() else 0
