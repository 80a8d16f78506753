"""What is selected, by its id: in the list of items, among the agents, in a view. Pure."""

from __future__ import annotations

from attrs import evolve

from hive.top.attention_items import about_of
from hive.top.last_answers import LastAnswers
from hive.top.list_views import ListEntry, entries
from hive.top.state import ITEMS, TopState, agents, is_gone, items, with_answers
from hive.view.row_fields import Row

_TOP_FIRST = (ITEMS, "agents")
"""The lists that begin at their first line; all others begin at the newest, which is the last."""


def ids_of(state: TopState, which: str, now: float) -> list[str]:
    """Return the ids of a list, in the order in which they are drawn."""
    if which == ITEMS:
        return [str(item["id"]) for item in items(state, now)]
    if which == "agents":
        return [str(row["name"]) for row in agents(state, now)]
    return [entry.id for entry in entries(state, which, now)]


def chosen_id(state: TopState, which: str, now: float) -> str:
    """Return the selected id of a list: the one chosen, or that of where lists begin.

    Lists with the newest last begin at the end. Empty if the list is, or if what was selected is
    gone: no key then acts on something else that has taken its line.
    """
    ids = ids_of(state, which, now)
    wanted = state.selected.get(which)
    if wanted is not None:
        return wanted if wanted in ids else ""
    return "" if not ids else ids[0] if which in _TOP_FIRST else ids[-1]


def after_answers(state: TopState, answers: LastAnswers, now: float) -> TopState:
    """Return the state after a round of answers; what is drawn as selected stays selected."""
    state = with_answers(state, answers, now)
    drawn = {which: chosen_id(state, which, now) for which in _TOP_FIRST}
    chosen = {which: found for which, found in drawn.items() if found}
    return evolve(state, selected={**state.selected, **chosen})


def moved(state: TopState, step: int, now: float) -> TopState:
    """Return the state with the selection moved by so many lines; it stops at the ends.

    Above the first agent are the items, and below the last item the agents.
    """
    ids = ids_of(state, state.focus, now)
    chosen = chosen_id(state, state.focus, now)
    if ids and not chosen:
        return choose(state, state.focus, ids[0])
    wanted = ids.index(chosen) + step if ids else step
    if state.view == "agents" and step == -1 and state.focus == "agents" and wanted < 0:
        return focused(state, ITEMS, now, last=True)
    if state.focus == ITEMS and step == 1 and wanted >= len(ids):
        return focused(state, "agents", now)
    if not ids:
        return state
    return choose(state, state.focus, ids[min(max(wanted, 0), len(ids) - 1)])


def focused(state: TopState, which: str, now: float, *, last: bool = False) -> TopState:
    """Return the state with the arrows in another list; unchanged if that is empty."""
    ids = ids_of(state, which, now)
    if not ids:
        return state
    chosen = {**state.selected, which: ids[-1]} if last else state.selected
    return evolve(state, focus=which, selected=chosen)


def choose(state: TopState, which: str, found: str) -> TopState:
    """Return the state with an id selected, as a click does."""
    return evolve(state, focus=which, selected={**state.selected, which: found})


def chosen_item(state: TopState, now: float) -> Row | None:
    """Return the selected item, if the arrows are among the items and it still waits."""
    if state.focus != ITEMS:
        return None
    wanted = chosen_id(state, ITEMS, now)
    found = [item for item in items(state, now) if str(item["id"]) == wanted]
    return found[0] if found and found[0].get("kind") else None


def chosen_entry(state: TopState, now: float) -> ListEntry | None:
    """Return the selected line of a view that is a list, unless what it shows is gone."""
    if state.view == "agents":
        return None
    wanted = chosen_id(state, state.view, now)
    found = [entry for entry in entries(state, state.view, now) if entry.id == wanted]
    return found[0] if found and found[0].row else None


def chosen_row(state: TopState, now: float) -> Row | None:
    """Return the status row of the participant that keys act on.

    It is that of the pane on top, of the selected agent, or the one that the selected item or line
    is about; None without one.
    """
    name = chosen_name(state, now)
    return None if is_gone(state, name) else state.last_rows.get(name)


def chosen_name(state: TopState, now: float) -> str:
    """Return the name of the participant that keys act on; empty without one."""
    pane = state.pane
    if pane is not None:
        return pane.subject if pane.kind in {"peek", "describe", "logs"} else ""
    if state.focus == "agents":
        return chosen_id(state, "agents", now)
    item = chosen_item(state, now)
    if item is not None:
        return about_of(item)
    entry = chosen_entry(state, now)
    return "" if entry is None else _about_entry(state.view, entry.row)


def _about_entry(view: str, row: Row) -> str:
    field = {"inbox": "from", "approvals": "agent", "messages": "to", "dead letters": "to"}
    return str(row.get(field.get(view, "name")) or "")
