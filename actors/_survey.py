"""Taking the measure of actors: from runtime objects to the values of `_inspect`."""

from typing import Any

from actors._cell import Cell
from actors._child import ChildInfo
from actors._inspect import ActorKind, ActorState, CurrentMessage, Inspection, TreeNode
from actors._overseer import Overseer


def inspect_cell(cell: Cell[Any]) -> Inspection:
    """Describe one actor."""
    holdings = cell.holdings
    return Inspection(
        path=cell.path,
        name=cell.registered,
        kind=_kind(cell),
        state=cell.state,
        suspended=cell.suspended,
        incarnation=cell.number,
        restarts=max(0, cell.number - 1),
        mailbox=len(cell.queue or ()),
        handled=cell.handled,
        current=_current(cell),
        last_exit=cell.last_exit,
        links=_paths(holdings and holdings.links),
        monitors=_paths(holdings and holdings.monitors.values()),
        monitored_by=_paths(holdings and holdings.watchers.values()),
        timers=0 if holdings is None else len(holdings.timers),
        tasks=() if holdings is None else tuple(sorted(t.get_name() for t in holdings.tasks)),
    )


def system_node(name: str, roots: tuple[Cell[Any], ...]) -> TreeNode:
    """Describe a whole system."""
    return TreeNode(
        path=name,
        kind=ActorKind.SYSTEM,
        state=ActorState.RUNNING,
        restarts=0,
        mailbox=0,
        current=None,
        last_exit=None,
        child=None,
        children=tuple(_node(cell, None) for cell in roots),
    )


def _node(cell: Cell[Any], child: ChildInfo | None) -> TreeNode:
    infos = {}
    if isinstance(cell.actor, Overseer):
        infos = {info.ref: info for info in cell.actor.child_infos()}
    below = () if cell.holdings is None else tuple(cell.holdings.children)
    return TreeNode(
        path=cell.path,
        kind=_kind(cell),
        state=cell.state,
        restarts=max(0, cell.number - 1),
        mailbox=len(cell.queue or ()),
        current=_current(cell),
        last_exit=cell.last_exit,
        child=child,
        children=tuple(_node(each, infos.get(each)) for each in below),
    )


def _kind(cell: Cell[Any]) -> ActorKind:
    return ActorKind.SUPERVISOR if isinstance(cell.actor, Overseer) else ActorKind.ACTOR


def _current(cell: Cell[Any]) -> CurrentMessage | None:
    if cell.work is None:
        return None
    return CurrentMessage(cell.work.message, cell.runtime.loop.time() - cell.work.since)


def _paths(cells: Any) -> tuple[str, ...]:
    return tuple(sorted(cell.path for cell in cells or ()))
