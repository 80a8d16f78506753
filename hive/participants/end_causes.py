"""The cause of an end in words: the last meaningful line of the output, or systemd's verdict.

"exited with status 4" is how it ended; "boom: no such key" is why. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

CAUSE_MAX = 160
"""Characters of a cause."""

READ_MAX = 2 * CAUSE_MAX
"""Characters of a line that are looked at."""

OWN_LINE = "[hive] "
"""Begin of the lines that the hive adds to an agent's output."""

RESULT_WORDS: Mapping[str, str] = {
    "timeout": "it did not start or stop in the time that systemd allows",
    "watchdog": "it sent its watchdog no sign of life",
    "protocol": "it did not report its start to systemd as its unit says",
    "resources": "systemd had no resources to start it",
    "exec-condition": "a condition of its unit did not hold",
    "start-limit-hit": "it was started too often within a short time",
}
"""What a `Result=` of systemd.service(5) says that neither the exit nor the output does."""

_NOISE = re.compile(
    r"""
    \W*$                                # rules, brackets, the carets below a traceback's line
    | \s+at\s                           # a frame of JavaScript or Java
    | \s+File\s".*",\ line\s\d+         # a frame of Python
    | Node\.js\ v\d                     # Node.js prints its version last
    | note:\ run\ with\ `RUST_BACKTRACE # advice of Rust
    | npm\ (ERR!|error)\ (A\ complete\ log|\s*/) # where npm has its log
    """,
    re.VERBOSE,
)
"""Lines that are no cause although they may come last."""


def cause_of(facts: Mapping[str, Any], lines: Sequence[str]) -> str | None:
    """Return why an agent has ended, in words; None if it ended well or nothing says why.

    Args:
        facts: The exit as fields, see `hive.exits.facts`.
        lines: The last lines of its output, oldest first.
    """
    if facts.get("oom") or facts.get("result") == "oom-kill":
        return "killed: out of memory"
    if facts.get("exit_status") == 0:
        return None
    words = RESULT_WORDS.get(str(facts.get("result")))
    return words or last_meaningful(lines)


def last_meaningful(lines: Sequence[str]) -> str | None:
    """Return the last line that says something, cut; None if there is none.

    Lines of the hive's own count only if there are no others.
    """
    said = [line[:READ_MAX] for line in lines]
    said = [line for line in said if not _NOISE.match(line)]
    printed = [line for line in said if not line.startswith(OWN_LINE)] or said
    if not printed:
        return None
    text = printed[-1].removeprefix(OWN_LINE).strip()
    return f"{text[:CAUSE_MAX]}..." if len(text) > CAUSE_MAX else text
