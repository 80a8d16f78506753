"""Which model and effort an agent with the driver `claude` uses, and where they come from. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable

from hive.errors import ConflictError, NotAllowedError
from hive.escapes import inline
from hive.names import CLAUDE_DRIVER
from hive.wire.claude import Effort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hive.view.row_fields import Row

OPERATOR = "operator"
"""Source of what an operator has chosen."""

DEFAULT = "default"
"""Source of a value that no operator has chosen; as a value, it takes a choice back."""

EFFORTS = (*map(str, Effort), DEFAULT)
"""The words for an effort."""


def require_choice(row: Row, settings: Iterable[Row]) -> None:
    """Require an agent that has a model to choose, in whatever state it is.

    Args:
        row: Its status row.
        settings: Its settings, `SettingRow`s.

    Raises:
        NotAllowedError: It is a peer.
        ConflictError: Its driver has no model.
    """
    name = row["name"]
    if row.get("kind") == "peer":
        raise NotAllowedError(
            f"{name!r} is a peer: the hive neither knows nor chooses its model; use its own tools"
        )
    driver = next((_value(each) for each in settings if each["key"] == "driver"), None)
    if driver != CLAUDE_DRIVER:
        raise ConflictError(
            f"{name!r} has the driver {driver!r}; only {CLAUDE_DRIVER!r} has a model to choose"
        )


def choice_of(row: Row, settings: Iterable[Row]) -> dict[str, Any]:
    """Return the model and the effort of the next turn and those in use, as a `ModelChoice`."""
    found = {each["key"]: each for each in settings}
    choice = {"name": row["name"]}
    for what in ("model", "effort"):
        chosen, setting = row.get(f"chosen_{what}"), found.get(f"claude.{what}", {})
        choice[what] = chosen or _value(setting)
        choice[f"{what}_source"] = OPERATOR if chosen else setting.get("source", DEFAULT)
        choice[f"active_{what}"] = row.get(f"active_{what}")
    return choice


def choice_lines(choice: Row) -> list[str]:
    """Return a `ModelChoice` as one line for the model and one for the effort."""
    return [_line("Model", choice, "model"), _line("Effort", choice, "effort")]


def _line(title: str, choice: Row, what: str) -> str:
    value, source, active = (choice[key] for key in (what, f"{what}_source", f"active_{what}"))
    if value is None:
        origin = "default of Claude Code"
    elif source == OPERATOR:
        origin = f"{inline(value)}, chosen by an operator"
    else:
        origin = f"{inline(value)}, from {inline(source)}"
    in_use = inline(active) if active else "unknown until its next turn"
    return f"{title + ':':7} {origin}; in use: {in_use}"


def _value(setting: Row) -> Any:
    """Return the value of a `SettingRow`, which is JSON."""
    value = setting.get("value")
    return None if value is None else json.loads(value)
