"""A write that tells of its steps."""

import sqlite3
from collections.abc import Callable
from typing import Any

from attrs import define, field

from hive.store.unit import Op


def event(name: str) -> Op[int | None]:
    """Return the write of an event; its value is the event's number."""

    def op(connection: sqlite3.Connection) -> int | None:
        return connection.execute(
            "INSERT INTO events (at, event, detail) VALUES (0, ?, '{}')", (name,)
        ).lastrowid

    return op


@define(eq=False)
class Told:
    """Writes an event, and notes its own steps as they come.

    Attributes:
        name: Of the event.
        steps: Where the steps are noted.
        breaks: The step that raises: `asked`, `committed` or `failed`.
        then: What it does once it is committed.
        value: What the write returned.
        error: Why it failed.
    """

    name: str
    steps: list[str]
    breaks: str = ""
    then: Callable[[], object] = object
    value: Any = None
    error: Exception | None = field(default=None)

    def collect(self) -> Op[Any]:
        self._note("asked")
        return event(self.name)

    def committed(self, value: Any) -> None:
        self.value = value
        self._note("committed")
        self.then()

    def failed(self, error: Exception) -> None:
        self.error = error
        self._note("failed", type(error).__name__)

    def _note(self, step: str, why: str = "") -> None:
        self.steps.append(f"{self.name} {step}{': ' if why else ''}{why}")
        if step == self.breaks:
            raise ZeroDivisionError(step)
