"""What one incarnation owns: timers, tasks, children, bonds, unanswered requests.

Most actors own none of it, so it is made when first needed.
"""

import asyncio
from typing import TYPE_CHECKING, Any

from attrs import define, field

from actors._asks import Envelope
from actors._exits import ExitReason
from actors._messages import MonitorId
from actors._timers import Timers

if TYPE_CHECKING:
    from actors._cell import Cell


@define(eq=False)
class Holdings:
    """The possessions of one incarnation.

    Attributes:
        timers: Its timers.
        tasks: The tasks it started with `Context.create_task`.
        children: The actors it owns, in the order in which they were made.
        monitors: What it monitors.
        watchers: Who monitors it.
        links: Who shares its fate.
        replies: The requests it promised to answer later.
        joiners: Futures that wait for its end.
    """

    timers: Timers
    tasks: set[asyncio.Task[Any]] = field(factory=set, init=False)
    children: "dict[Cell[Any], None]" = field(factory=dict, init=False)
    monitors: "dict[MonitorId, Cell[Any]]" = field(factory=dict, init=False)
    watchers: "dict[MonitorId, Cell[Any]]" = field(factory=dict, init=False)
    links: "dict[Cell[Any], None]" = field(factory=dict, init=False)
    replies: dict[Envelope, None] = field(factory=dict, init=False)
    joiners: list[asyncio.Future[ExitReason]] = field(factory=list, init=False)
