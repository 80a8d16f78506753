"""Writes for tests."""

import sqlite3
from collections.abc import Callable
from typing import Any

from attrs import define, field

from hive.store.transaction import Op


def event(name: str) -> Op[int | None]:
    """Return the write of an event; its value is the event's number."""

    def op(connection: sqlite3.Connection) -> int | None:
        return connection.execute(
            "INSERT INTO events (at, event, detail) VALUES (0, ?, '{}')", (name,)
        ).lastrowid

    return op


@define(eq=False)
class RecordingWrite:
    """A queued write of an event that records the calls of its methods.

    Attributes:
        name: Name of the event.
        steps: List to which the calls are appended.
        breaks: The step that raises: `collected`, `committed` or `failed`.
        then: Called by `committed`.
        value: Value of the write.
        error: Error of the write.
    """

    name: str
    steps: list[str]
    breaks: str = ""
    then: Callable[[], object] = object
    value: Any = None
    error: Exception | None = field(default=None)

    def collect(self) -> Op[Any]:
        self._record("collected")
        return event(self.name)

    def committed(self, value: Any) -> None:
        self.value = value
        self._record("committed")
        self.then()

    def failed(self, error: Exception) -> None:
        self.error = error
        self._record("failed", type(error).__name__)

    def _record(self, step: str, detail: str = "") -> None:
        self.steps.append(f"{self.name} {step}{': ' if detail else ''}{detail}")
        if step == self.breaks:
            raise ZeroDivisionError(step)
