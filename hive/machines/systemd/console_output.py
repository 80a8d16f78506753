"""Lines of a container's console, as the host's journal has them. Pure.

All programs inside print to one console, and so does nspawn itself at the end. A prompt of a getty
(`vm login: `) has no newline, so the next line of the agent or of nspawn continues it. It is a line
of its own here.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

from hive.exits import Exited, How, Rebooted, Signaled
from hive.machines.output_log import clean_line

AGENT = "hive-agent"
"""Name of the agent's unit inside the container, and prefix of each line of its output."""

_AGENT_PREFIX = re.compile(rf"(?:\[ *\d+\.\d+\] )?{AGENT}\[\d+\]: ")
"""Beginning of a line that the journal inside forwards; without a time if the kernel prints none,
see /sys/module/printk/parameters/time."""

_NSPAWN = re.compile(
    r"Container \S+ (?:(?P<clean>has been shut down|exited successfully)"
    r"|(?P<reboot>is being rebooted)"
    r"|failed with error code (?P<status>\d+)"
    r"|terminated by signal (?P<signal>\S+?))\.\s*$"
)
"""The last line of systemd-nspawn, which says how the container ended."""

_PRIORITY = re.compile(r"<\d{1,3}>$")
"""Priority of a line, which journald removes only at the beginning of one; see sd-daemon(3)."""


def console_lines(output: bytes) -> list[str]:
    """Return the lines of some output, clean as `hive.machines.output_log.clean_lines` does it.

    What is before the agent's prefix, or before nspawn's last words, is a line of its own, whatever
    it is: an escape sequence that does not end there does not hide what follows.
    """
    raw = output.decode(errors="replace").split("\n")
    return [line for each in raw for line in _split(each) if line]


def agent_text(line: str) -> str | None:
    """Return what the agent printed in a line of the console; None if it is not the agent's."""
    found = _AGENT_PREFIX.match(line)
    return None if found is None else line[found.end() :]


def nspawn_end(line: str) -> How | None:
    """Return how a container ended, by a line of nspawn; None if it does not say so."""
    found = _NSPAWN.match(line)
    if found is None:
        return None
    if found["signal"]:
        number = signal_number(found["signal"])
        return None if number is None else Signaled(number)
    if found["reboot"]:
        return Rebooted()
    return Exited(int(found["status"] or 0))


def signal_number(name: str) -> int | None:
    """Return the number of a signal by its name without "SIG"; None if it is unknown."""
    known = signal.Signals.__members__.get(f"SIG{name}")
    return None if known is None else known.value


def _split(line: str) -> Iterator[str]:
    if own := _AGENT_PREFIX.search(line):  # first, since the agent may print any words
        yield clean_line(line[: own.start()])
        # Of a line that carriage returns overwrite, the last version is still the agent's.
        text = clean_line(line[own.end() :])
        yield text and own.group() + text
    elif words := _NSPAWN.search(line):
        yield clean_line(_PRIORITY.sub("", line[: words.start()]))
        yield clean_line(words.group())
    else:
        yield clean_line(line)
