"""The cap on turns: how many agents may hold messages at once, and who waits for a turn.

An agent's turn begins with its first lease and ends with its last one, whatever its harness makes
of them. Peers, the operator and the manager have no turns in this sense: the manager could
otherwise wait for agents that wait for it.

Pure. `DeliveryRules` asks before each grant, and gives turns that have become free.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field, frozen

from hive.broker.sessions import Session
from hive.store import Kind


@frozen
class TurnsUnderCap:
    """What the cap allows at present.

    Attributes:
        limit: Turns that are allowed at once; None for any number.
        running: Turns that run; `TurnCap` counts them only under a limit.
        waiting: Wall time since which an agent waits for a turn, by agent, the longest wait first.
    """

    limit: int | None
    running: int
    waiting: dict[str, float]


@define(eq=False)
class TurnCap:
    """The turns that run and the agents that wait for one.

    Attributes:
        limit: Turns that are allowed at once; None for any number.
        waiting: Wall time since which an agent waits, by agent, in the order of their turns.
    """

    limit: int | None = None
    waiting: dict[str, float] = field(factory=dict, init=False)
    _running: dict[str, dict[Session, None]] = field(factory=dict, init=False)

    @property
    def counts(self) -> TurnsUnderCap:
        """What it allows at present."""
        self.prune()
        return TurnsUnderCap(self.limit, len(self._running), dict(self.waiting))

    @property
    def has_room(self) -> bool:
        """Whether one more turn may begin."""
        return self.limit is None or len(self._running) < self.limit

    def concerns(self, session: Session) -> bool:
        """Return whether the messages of a session are a turn that counts."""
        return self.limit is not None and session.kind is Kind.AGENT

    def join(self, session: Session) -> bool:
        """Add a session to the turn of its agent; return False if none runs or has just begun."""
        turn = self._running.get(session.name)
        if turn is None:
            return False
        if turn and not any(each.held for each in turn):
            del self._running[session.name]
            return False
        turn[session] = None
        return True

    def begin(self, name: str) -> None:
        """Begin a turn of an agent, which waits no more; it ends unless a session joins it."""
        self.waiting.pop(name, None)
        self._running.setdefault(name, {})

    def wait(self, name: str, now: float) -> None:
        """Let an agent wait, behind those that do; one that waits keeps its place."""
        self.waiting.setdefault(name, now)

    def leave(self, name: str) -> None:
        """Remove an agent from those that wait: it is removed or renamed."""
        self.waiting.pop(name, None)

    def prune(self) -> None:
        """Remove the turns that have ended."""
        for name, turn in list(self._running.items()):
            for session in [each for each in turn if not each.held]:
                del turn[session]
            if not turn:
                del self._running[name]

    def count_anew(self, sessions: Iterable[Session]) -> None:
        """Count the turns that run by the messages that sessions hold."""
        self._running.clear()
        for session in sessions:
            if self.concerns(session) and session.held:
                self._running.setdefault(session.name, {})[session] = None
