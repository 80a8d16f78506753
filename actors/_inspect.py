"""Inspection: actors and children as values, taken at one moment."""

from enum import Enum
from typing import TYPE_CHECKING, Any

from attrs import frozen

from actors._exits import ExitReason
from actors._states import ActorState, ChildState

if TYPE_CHECKING:
    from actors._cell import Cell
    from actors._ref import Ref


@frozen
class ChildInfo:
    """A child of a supervisor.

    Attributes:
        id: The child's id.
        ref: Its ref; the same for all incarnations.
        state: Its state.
        restarts: The number of restarts.
        since: When it entered this state, in the loop's time.
        last_exit: The exit reason of its last incarnation, or None.
        next_restart_at: When it is due to be started, in the loop's time, or None.
        attempt: The number of failures since it was last healthy.
    """

    id: str
    ref: "Ref[Any]"
    state: ChildState
    restarts: int
    since: float
    last_exit: ExitReason | None
    next_restart_at: float | None
    attempt: int


class ActorKind(Enum):
    """The kind of a node in the tree."""

    SYSTEM = "system"
    SUPERVISOR = "supervisor"
    ACTOR = "actor"


@frozen
class CurrentMessage:
    """A message whose handler awaits.

    Attributes:
        message: The message itself.
        age: Seconds since its handler began.
    """

    message: object
    age: float


@frozen
class Inspection:
    """One actor at one moment.

    Attributes:
        path: Its place in the tree.
        name: The name it is registered under, or None.
        kind: Its kind.
        state: Its state.
        suspended: Whether user messages are left in the mailbox.
        incarnation: The number of starts so far.
        restarts: The number of restarts.
        mailbox: The number of user messages that wait.
        handled: The number of user messages it began, over all incarnations.
        current: The message whose handler awaits, or None.
        last_exit: The exit reason of its last incarnation, or None.
        links: The paths of the actors it is linked to.
        monitors: The paths of the actors it monitors.
        monitored_by: The paths of the actors that monitor it.
        timers: The number of its running timers.
        tasks: The names of the tasks it owns.
    """

    path: str
    name: str | None
    kind: ActorKind
    state: ActorState
    suspended: bool
    incarnation: int
    restarts: int
    mailbox: int
    handled: int
    current: CurrentMessage | None
    last_exit: ExitReason | None
    links: tuple[str, ...]
    monitors: tuple[str, ...]
    monitored_by: tuple[str, ...]
    timers: int
    tasks: tuple[str, ...]


@frozen
class TreeNode:
    """An actor and its subtree, at one moment.

    Attributes:
        path: Its place in the tree.
        kind: Its kind.
        state: Its state.
        restarts: The number of restarts.
        mailbox: The number of user messages that wait.
        current: The message whose handler awaits, or None.
        last_exit: The exit reason of its last incarnation, or None.
        child: Its entry in its supervisor; None if it has no supervisor.
        children: The actors it owns, in start order.
    """

    path: str
    kind: ActorKind
    state: ActorState
    restarts: int
    mailbox: int
    current: CurrentMessage | None
    last_exit: ExitReason | None
    child: ChildInfo | None
    children: "tuple[TreeNode, ...]"

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


@frozen
class TraceEntry:
    """A message that an actor begins to handle.

    Attributes:
        at: When, in the loop's time.
        ref: The actor.
        incarnation: Which of its incarnations.
        message: The message.
    """

    at: float
    ref: "Ref[Any]"
    incarnation: int
    message: object


def inspect_cell(cell: "Cell[Any]") -> Inspection:
    """Describe one actor."""
    resources = cell.resources
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
        links=_paths(resources and resources.links),
        monitors=_paths(resources and resources.monitors.values()),
        monitored_by=_paths(resources and resources.watchers.values()),
        timers=0 if resources is None else len(resources.timers),
        tasks=() if resources is None else tuple(sorted(t.get_name() for t in resources.tasks)),
    )


def system_node(name: str, roots: "tuple[Cell[Any], ...]") -> TreeNode:
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


def _node(cell: "Cell[Any]", child: ChildInfo | None) -> TreeNode:
    supervisor = cell.supervisor
    infos = {} if supervisor is None else {info.ref: info for info in supervisor.child_infos()}
    below = () if cell.resources is None else tuple(cell.resources.children)
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


def _kind(cell: "Cell[Any]") -> ActorKind:
    return ActorKind.ACTOR if cell.supervisor is None else ActorKind.SUPERVISOR


def _current(cell: "Cell[Any]") -> CurrentMessage | None:
    if cell.handler is None:
        return None
    return CurrentMessage(cell.handler.message, cell.runtime.loop.time() - cell.handler.since)


def _paths(cells: Any) -> tuple[str, ...]:
    return tuple(sorted(cell.path for cell in cells or ()))
