"""Reading of TOML tables by a description of their keys, collecting every problem on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from attrs import evolve, field, frozen

from hive.config.model import RestartPolicy
from hive.config.readers import Wrong, kind_of
from hive.errors import BadRequestError
from hive.names import suggest

T = TypeVar("T")

KeyPath = tuple[str | int, ...]
"""Where a value stands: table names, keys, and positions in arrays, outermost first."""


@frozen
class Problem:
    """One thing that is wrong, and where."""

    path: KeyPath
    sentence: str

    def __str__(self) -> str:
        return f"{show_path(self.path)}: {self.sentence}" if self.path else self.sentence


class Reported(Exception):  # noqa: N818 - not an error of its own: the problem is in the list already
    """Reading cannot go on here; what is wrong has been noted."""


@frozen
class Place:
    """Where reading is, and what it needs to know there.

    Attributes:
        base: Directory that relative paths start from.
        policy: The restart policy that an agent's own one differs from.
        path: The place inside the file.
        problems: Shared by all places of one reading.
    """

    base: Path
    policy: RestartPolicy = field(factory=RestartPolicy)
    path: KeyPath = ()
    problems: list[Problem] = field(factory=list)

    def child(self, key: str | int) -> Place:
        """Return the place of a key or of an array's item."""
        return evolve(self, path=(*self.path, key))

    def report(self, sentence: str) -> None:
        """Note that something is wrong here."""
        self.problems.append(Problem(self.path, sentence))


Reader = Callable[[Any, Place], Any]

SHOWN_MAX = 80
"""Characters of the longest value that an error repeats."""


@frozen
class Key:
    """A key that a table may have.

    Attributes:
        read: Turns the TOML value into the model's.
        attribute: Name of the model's attribute, where it differs from the key.
        required: Whether the table is useless without it.
    """

    name: str
    read: Reader
    attribute: str = field()
    required: bool = False

    @attribute.default
    def _same_name(self) -> str:
        return self.name


@frozen
class Table(Generic[T]):
    """Everything a table may hold, and what becomes of it.

    Attributes:
        make: Builds the model from the place and what was found, by attribute.
        check: Returns pairs of key and sentence about values that contradict each other.
    """

    make: Callable[[Place, dict[str, Any]], T]
    keys: Sequence[Key]
    check: Callable[[T], Iterable[tuple[str, str]]] = lambda _: ()

    def __call__(self, value: Any, place: Place) -> T:
        """Read a table.

        Raises:
            Wrong: When the value is not a table.
            Reported: When anything in it is wrong.
        """
        if not isinstance(value, dict):
            raise Wrong(f"expected a table, not {kind_of(value)}")
        before = len(place.problems)
        found = self._attributes(value, place)
        if len(place.problems) == before:
            made = self.make(place, found)
            for key, sentence in self.check(made):
                (place.child(key) if key in value else place).report(sentence)
        if len(place.problems) > before:
            raise Reported
        return made

    def _attributes(self, value: dict[str, Any], place: Place) -> dict[str, Any]:
        known = {key.name: key for key in self.keys}
        found = {}
        for name, held in value.items():
            if name in known:
                for read in _try(known[name].read, held, place.child(name)):
                    found[known[name].attribute] = read
            else:
                place.child(name).report(_unknown(name, known))
        for key in self.keys:
            if key.required and key.name not in value:
                place.report(f"the key {key.name!r} is missing")
        return found


def fresh(model: Callable[..., T]) -> Callable[[Place, dict[str, Any]], T]:
    """Return what makes a table's model from the values found and the model's own defaults."""
    return lambda place, found: model(**found)


def scalar(read: Callable[[Any], Any]) -> Reader:
    """Make a reader out of one that need not know where it is."""
    return lambda value, place: read(value)


def items(read: Reader) -> Reader:
    """Return a reader of arrays whose items `read` understands.

    It raises `Reported` when some item was wrong.
    """

    def read_all(value: Any, place: Place) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Wrong(f"expected an array, not {kind_of(value)}")
        found = [_try(read, held, place.child(at)) for at, held in enumerate(value)]
        if not all(found):
            raise Reported
        return tuple(item for [item] in found)

    return read_all


def named(read: Reader, check_name: Callable[[str], object]) -> Reader:
    """Return a reader of a table whose keys are participants' names."""

    def read_all(value: Any, place: Place) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Wrong(f"expected a table of tables, not {kind_of(value)}")
        found = {}
        for name, held in value.items():
            here = place.child(name)
            try:
                check_name(name)
            except BadRequestError as refusal:
                here.report(str(refusal))
            for made in _try(read, held, here):
                found[name] = made
        return found

    return read_all


def show_path(path: KeyPath) -> str:
    """Return a key path as one reads it: `agents.alice.bind[0].source`."""
    shown = ""
    for key in path:
        shown += f"[{key}]" if isinstance(key, int) else f".{key}" if shown else key
    return shown


def _try(read: Reader, value: Any, place: Place) -> list[Any]:
    """Return what was read as the only item, or nothing when a problem was noted instead."""
    try:
        return [read(value, place)]
    except Wrong as wrong:
        place.report(_with_value(value, str(wrong)))
    except Reported:
        pass
    return []


def _with_value(value: Any, sentence: str) -> str:
    shown = repr(value) if not isinstance(value, bool) else str(value).lower()
    if isinstance(value, dict) or len(shown) > SHOWN_MAX:
        return sentence
    return f"{shown} cannot stand here: {sentence}"


def _unknown(name: str, known: Iterable[str]) -> str:
    known = tuple(known)
    ending = suggest(name, known) or f"; the keys here are {', '.join(known)}"
    return f"there is no such key{ending}"
