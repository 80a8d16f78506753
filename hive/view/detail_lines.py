"""Everything about one participant: state, set-up, last turn, last output. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import chain

from hive.escapes import block, inline
from hive.view.lines import turn_line
from hive.view.status_lines import details
from hive.view.text import Glyphs, moment
from hive.view.urgency import Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LIMITS = {
    "memory_max": "memory {}",
    "cpu_quota": "CPU {}",
    "tasks_max": "{} tasks",
    "time_limit": "{} for a turn",
    "stop_timeout": "{} for a stop",
}
"""The settings that limit an agent, with words around their values."""

_PLAIN = {"driver": "Driver", "cwd": "Directory", "image": "Image", "flake": "Flake"}
"""Settings that are shown as they are, by their titles."""


def full_details(
    row: Row,
    settings: Iterable[Row],
    log: str | None,
    last_turn: Row | None,
    *,
    now: float,
    glyphs: Glyphs,
) -> list[str]:
    """Return everything about one participant as lines.

    Args:
        row: Its status row, with its last lines.
        settings: Its settings, `SettingRow`s; empty for a peer.
        log: Where its output is.
        last_turn: Its last turn, a `TurnRow`.
        now: Wall time in seconds.
        glyphs: The glyphs that the terminal can show.
    """
    lines = details({**row, "last_lines": None}, now, glyphs)
    facts = [*_set_up({each["key"]: each for each in settings}, log)]
    if facts:
        width = max(len(title) for title, _ in facts)
        lines += ["", "Set up as:", *(f"  {title:>{width}}: {value}" for title, value in facts)]
    if last_turn is not None:
        lines += ["", f"Last turn, ended {moment(last_turn.get('ended_at'), now)}:"]
        lines += [f"  {turn_line(last_turn)}"]
    if row.get("last_lines"):
        shown = chain.from_iterable(map(block, row["last_lines"]))
        lines += ["", "Last lines:", *(f"  {line}" for line in shown)]
    return lines


def _set_up(settings: Mapping[str, Row], log: str | None) -> Iterable[tuple[str, str]]:
    """Yield titles and values of what the settings say about a program and its limits."""
    for key, title in (("run", "Program"), ("exec", "Program, itself")):
        words = _value(settings, key)
        if words:
            yield title, inline(_command_line(words))
    for key, title in _PLAIN.items():
        if _value(settings, key) is not None:
            yield title, inline(_value(settings, key))
    limits = [
        inline(words.format(_value(settings, key)))
        for key, words in _LIMITS.items()
        if _value(settings, key) is not None
    ]
    if limits:
        yield "Limits", ", ".join(limits)
    if log is not None:
        yield "Log", inline(log)


def _command_line(words: Any) -> str:
    import shlex  # slow to import, and only a program needs it

    return shlex.join(map(str, words)) if isinstance(words, list) else str(words)


def _value(settings: Mapping[str, Row], key: str) -> Any:
    """Return the value of a setting; None if there is none."""
    written = settings.get(key, {}).get("value")
    with suppress(TypeError, ValueError):
        return json.loads(written or "null")
    return written
