"""Reading of TOML tables by a description of their keys; every problem is collected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from attrs import NOTHING, evolve, field, frozen

from hive.config.model import RestartPolicy
from hive.config.readers import InvalidValueError, toml_type
from hive.errors import BadRequestError
from hive.names import suggest

T = TypeVar("T")

KeyPath = tuple[str | int, ...]
"""Path of a value: table names, keys, and indexes of arrays, outermost first."""


@frozen
class Problem:
    """A problem of a configuration: its path and a sentence."""

    path: KeyPath
    sentence: str

    def __str__(self) -> str:
        return f"{show_path(self.path)}: {self.sentence}" if self.path else self.sentence


class ProblemsReportedError(Exception):
    """A value cannot be read; its problems are in the context's list already."""


@frozen
class ReadContext:
    """The path of the value being read, and the state that readers share.

    Attributes:
        base: Directory of relative paths.
        policy: Restart policy that supplies the keys which an agent's own leaves out.
        path: Path of the value inside the file.
        secret: Whether the value may be a secret, which no sentence quotes.
        problems: Problems found so far; one list for all contexts of a file.
    """

    base: Path
    policy: RestartPolicy = field(factory=RestartPolicy)
    path: KeyPath = ()
    secret: bool = False
    problems: list[Problem] = field(factory=list)

    def child(self, key: str | int, *, secret: bool = False) -> ReadContext:
        """Return the context of a key, or of an item of an array by its index.

        All values inside a secret one are secret.
        """
        return evolve(self, path=(*self.path, key), secret=self.secret or secret)

    def report(self, sentence: str) -> None:
        """Add a problem at this path."""
        self.problems.append(Problem(self.path, sentence))


Reader = Callable[[Any, ReadContext], Any]

QUOTED_MAX = 80
"""Characters of the longest value that an error sentence quotes."""


@frozen
class Key:
    """A key that a table may have.

    Attributes:
        name: The key in the TOML table.
        read: Converts the TOML value to the model's.
        attribute: Name of the model's attribute; by default that of the key.
        required: Whether the table must have it.
        secret: Whether its value may be a secret, which no error sentence quotes.
    """

    name: str
    read: Reader
    attribute: str = field()
    required: bool = False
    secret: bool = False

    @attribute.default
    def _same_name(self) -> str:
        return self.name


@frozen
class Table(Generic[T]):
    """Description of a TOML table: its keys and the model that it is converted to.

    Attributes:
        make: Builds the model from the context and the values found, by attribute.
        keys: The keys that the table may have.
        check: Returns a pair of key and sentence for each contradiction between values.
    """

    make: Callable[[ReadContext, dict[str, Any]], T]
    keys: Sequence[Key]
    check: Callable[[T], Iterable[tuple[str, str]]] = lambda _: ()

    def __call__(self, value: Any, context: ReadContext) -> T:
        """Read a table.

        Raises:
            InvalidValueError: When the value is not a table.
            ProblemsReportedError: When the table has any problem.
        """
        if not isinstance(value, dict):
            raise InvalidValueError(f"expected a table, not {toml_type(value)}")
        before = len(context.problems)
        found = self._attributes(value, context)
        if len(context.problems) == before:
            made = self.make(context, found)
            for key, sentence in self.check(made):
                (context.child(key) if key in value else context).report(sentence)
        if len(context.problems) > before:
            raise ProblemsReportedError
        return made

    def _attributes(self, value: dict[str, Any], context: ReadContext) -> dict[str, Any]:
        known = {key.name: key for key in self.keys}
        found: dict[str, Any] = {}
        for name, item in value.items():
            if name in known:
                key = known[name]
                inner = context.child(name, secret=key.secret)
                found[key.attribute] = _read_or_report(key.read, item, inner)
            else:
                context.child(name).report(_unknown_key(name, known))
        for key in self.keys:
            if key.required and key.name not in value:
                context.report(f"the key {key.name!r} is missing")
        return found


def with_defaults(model: Callable[..., T]) -> Callable[[ReadContext, dict[str, Any]], T]:
    """Return a `Table.make` that calls `model` with the values found; others keep its defaults."""
    return lambda context, found: model(**found)


def scalar(read: Callable[[Any], Any]) -> Reader:
    """Adapt a reader of values that needs no context."""
    return lambda value, context: read(value)


def array_of(read: Reader) -> Reader:
    """Return a reader of arrays whose items `read` understands.

    It raises `ProblemsReportedError` when an item has a problem.
    """

    def read_all(value: Any, context: ReadContext) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise InvalidValueError(f"expected an array, not {toml_type(value)}")
        found = [_read_or_report(read, item, context.child(at)) for at, item in enumerate(value)]
        if any(item is NOTHING for item in found):
            raise ProblemsReportedError
        return tuple(found)

    return read_all


def tables_by_name(read: Reader, check_name: Callable[[str], object]) -> Reader:
    """Return a reader of a table whose keys are participants' names."""

    def read_all(value: Any, context: ReadContext) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise InvalidValueError(f"expected a table of tables, not {toml_type(value)}")
        found = {}
        for name, item in value.items():
            inner = context.child(name)
            try:
                check_name(name)
            except BadRequestError as refusal:
                inner.report(str(refusal))
            found[name] = _read_or_report(read, item, inner)
        return found

    return read_all


def show_path(path: KeyPath) -> str:
    """Return a key path as text: `agents.alice.bind[0].source`."""
    shown = ""
    for key in path:
        shown += f"[{key}]" if isinstance(key, int) else f".{key}" if shown else key
    return shown


def _read_or_report(read: Reader, value: Any, context: ReadContext) -> Any:
    """Return the value read, or NOTHING when its problems are in the context's list."""
    try:
        return read(value, context)
    except InvalidValueError as error:
        context.report(str(error) if context.secret else _with_value(value, str(error)))
    except ProblemsReportedError:
        pass
    return NOTHING


def _with_value(value: Any, sentence: str) -> str:
    shown = repr(value) if not isinstance(value, bool) else str(value).lower()
    if isinstance(value, dict) or len(shown) > QUOTED_MAX:
        return sentence
    return f"{shown} cannot stand here: {sentence}"


def _unknown_key(name: str, known: Iterable[str]) -> str:
    known = tuple(known)
    ending = suggest(name, known) or f"; the keys here are {', '.join(known)}"
    return f"there is no such key{ending}"
