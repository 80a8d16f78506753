"""The keys that act on a participant: those that may not say why not. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import frozen

from hive.escapes import inline
from hive.top import key_requests
from hive.top.actions import Action
from hive.top.chosen import chosen_item, chosen_name, chosen_row
from hive.top.key_table import can_start, why_no_lifecycle, why_no_log
from hive.top.opening import asked, covered, noted, prompted
from hive.top.state import TopState
from hive.view.row_fields import Row

Pressed = tuple[TopState, Action | None]


@frozen
class AgentKey:
    """What a key does to a participant.

    Attributes:
        act: Returns the next state and an action, for the name and the status row.
        why_not: Returns why it can do nothing; empty if it can.
        is_everywhere: Whether it also acts where a participant is only mentioned: on an item, or a
            line of mail. What changes an agent does not.
    """

    act: Callable[[TopState, str, Row, float], Pressed]
    why_not: Callable[[Row | None, str], str]
    is_everywhere: bool = False


def press_on_agent(state: TopState, key: str, now: float) -> Pressed:
    """Return what a key does to the participant that keys act on."""
    row, name = chosen_row(state, now), chosen_name(state, now)
    found = AGENT_ACTS[key]
    if not found.is_everywhere and not _may_change(state, key, now):
        return noted(state, "select the agent itself for that: tab", now), None
    why = found.why_not(row, name)
    return (noted(state, why, now), None) if why else found.act(state, name, row or {}, now)


def _may_change(state: TopState, key: str, now: float) -> bool:
    if state.pane is not None or state.focus == "agents":
        return True
    item = chosen_item(state, now)
    return key == "r" and item is not None and item.get("kind") == "failure"


def _why_no_message(row: Row | None, name: str) -> str:
    if not name:
        return "no participant is selected"
    return "" if key_requests.may_write_to(name) else f"nobody reads mail to {inline(name)}"


def _why_not_shown(row: Row | None, name: str) -> str:
    return "" if name else "no participant is selected"


def _why_no_stop(row: Row | None, name: str) -> str:
    why = why_no_lifecycle(row, name)
    stopped = row is not None and row.get("state") in {"stopped", "ended"}
    return why or (f"{inline(name)} does not run" if stopped else "")


def _logs(state: TopState, name: str, row: Row, now: float) -> Pressed:
    return covered(state, "logs", name), None


def _describe(state: TopState, name: str, row: Row, now: float) -> Pressed:
    return covered(state, "describe", name), None


def _message(state: TopState, name: str, row: Row, now: float) -> Pressed:
    return prompted(state, "message", f"Message to {inline(name)}:", now, subject=name), None


def _pause(state: TopState, name: str, row: Row, now: float) -> Pressed:
    return state, key_requests.pause(name, not row.get("paused"))


def _restart(state: TopState, name: str, row: Row, now: float) -> Pressed:
    if can_start(row):
        return asked(state, f"start {inline(name)}?", key_requests.start(name), now), None
    text = f"restart {inline(name)}? a turn that runs may end first"
    return asked(state, text, key_requests.restart(name), now), None


def _stop(state: TopState, name: str, row: Row, now: float) -> Pressed:
    text = f"stop {inline(name)}? it stays stopped until it is started"
    return asked(state, text, key_requests.stop(name), now), None


AGENT_ACTS: Mapping[str, AgentKey] = {
    "l": AgentKey(_logs, why_no_log, is_everywhere=True),
    "d": AgentKey(_describe, _why_not_shown, is_everywhere=True),
    "m": AgentKey(_message, _why_no_message, is_everywhere=True),
    "p": AgentKey(_pause, why_no_lifecycle),
    "r": AgentKey(_restart, why_no_lifecycle),
    "x": AgentKey(_stop, _why_no_stop),
}
"""What each key does."""
