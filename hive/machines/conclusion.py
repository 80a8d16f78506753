"""What is done when an agent's process has ended: the rest of its group, the reason, the record.

Blocks: call it from a thread, not from the event loop.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from signal import SIGKILL

from hive.exits import How
from hive.machines import pidfd, records
from hive.machines.leftovers import describe, kill_marked
from hive.machines.output import OutputLog
from hive.machines.procfs import ProcFs
from hive.machines.spawning import Held

REASON_LINES = 20
"""How many of the last lines are kept as part of the reason for an end."""


def conclude(
    held: Held, record_file: Path, log: OutputLog, procfs: ProcFs
) -> tuple[How, tuple[str, ...]]:
    """Kill what the agent left behind, and return how it ended and the last lines of this run.

    The order matters: until the leader is collected, its number is that of its group and session
    and nobody else's.
    """
    record, ticks = held.record, held.record.start_ticks or 0
    uncollected = procfs.since(held.pid, ticks)
    killed = kill_marked(procfs, record.mark, session=held.pid if uncollected else None)
    with suppress(PermissionError):  # members without the mark, if the leader was collected
        pidfd.signal_group(held.pidfd, SIGKILL)
    how = pidfd.how_it_ended(held.pidfd, lambda: procfs.zombie_status(held.pid, ticks))
    if killed:
        log.note(describe(killed))
    records.remove(record_file)
    return how, log.last_lines(REASON_LINES, since=record.log_start)
