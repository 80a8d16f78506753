"""The queue of starts: which agents start now, a few at a time.

The rules, without time and without I/O: the manager goes first, since it may have to look after the
others; then starts that somebody has requested, then those of the daemon itself (with the daemon,
or after an end); each kind in its order.
"""

from __future__ import annotations

from attrs import define, field

from hive.names import MANAGER


@define
class StartQueue:
    """Agents that start, and agents that wait for that, by name.

    Attributes:
        at_once: Most agents that start at the same time.
    """

    at_once: int
    _starting: set[str] = field(factory=set, init=False)
    _requested: dict[str, None] = field(factory=dict, init=False)
    _others: dict[str, None] = field(factory=dict, init=False)

    @property
    def starting(self) -> frozenset[str]:
        """The agents that start."""
        return frozenset(self._starting)

    @property
    def waiting(self) -> tuple[str, ...]:
        """The agents that wait, the next one first."""
        names = (*self._requested, *self._others)
        return (
            (MANAGER, *(each for each in names if each != MANAGER)) if MANAGER in names else names
        )

    def enter(self, name: str, *, requested: bool) -> None:
        """Add an agent that waits; one that is known stays where it is."""
        if name not in self._starting and name not in self.waiting:
            (self._requested if requested else self._others)[name] = None

    def prefer(self, name: str) -> None:
        """Make the start of an agent that waits a requested one."""
        if name in self._others:
            del self._others[name]
            self._requested[name] = None

    def admit_now(self, name: str) -> None:
        """Let an agent that waits start whatever else starts."""
        if name in self.waiting:
            self.leave(name)
            self._starting.add(name)

    def leave(self, name: str) -> None:
        """Remove an agent: it has started, or it is not to start any more."""
        self._starting.discard(name)
        self._requested.pop(name, None)
        self._others.pop(name, None)

    def advance(self) -> list[str]:
        """Return the agents that start now; they count as starting until they leave."""
        free = max(0, self.at_once - len(self._starting))
        admitted = list(self.waiting[:free])
        for name in admitted:
            self.leave(name)
        self._starting.update(admitted)
        return admitted
