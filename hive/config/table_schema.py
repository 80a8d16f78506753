"""Reading of TOML tables by a description of their keys; every problem is collected."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs
import msgspec
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

_LINK = re.compile(r"\[([^\[\]]+)\](?:\([^()]*\))")
"""A link of Markdown; the first group is its text."""

QUOTED_MAX = 80
"""Characters of the longest value that an error sentence quotes."""


@frozen
class ValueKind:
    """How a value is written, read and described.

    Attributes:
        word: Its name in the documentation: "duration".
        read: Converts the TOML value to the model's.
        schema: The JSON schema of the TOML value.
        write: Converts the model's value to the TOML value, as the documentation writes it.
    """

    word: str
    read: Reader
    schema: Mapping[str, Any]
    write: Callable[[Any], Any] = lambda value: value


@frozen
class Key:
    """A key that a table may have.

    Attributes:
        name: The key in the TOML table.
        kind: How its value is written.
        meaning: What it means, as the documentation says it, in Markdown.
        attribute: Name of the model's attribute; by default that of the key.
        required: Whether the table must have it.
        secret: Whether its value may be a secret, which no error sentence quotes.
    """

    name: str
    kind: ValueKind
    meaning: str
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
        model: The model's class; its defaults are those of the keys.
        keys: The keys that the table may have.
        make: Builds the model from the context and the values found, by attribute; by default the
            class does, so that the others keep their defaults.
        check: Returns a pair for each contradiction between values: the path of the key, and a
            sentence.
        inherits: Whether a key that is left out has the value of another table, not its default.
    """

    model: Callable[..., T]
    keys: Sequence[Key]
    make: Callable[[ReadContext, dict[str, Any]], T] = field()
    check: Callable[[T], Iterable[tuple[KeyPath, str]]] = lambda _: ()
    inherits: bool = False

    @make.default
    def _make(self) -> Callable[[ReadContext, dict[str, Any]], T]:
        return lambda context, found: self.model(**found)

    @property
    def kind(self) -> ValueKind:
        """The kind of a key whose value is this table."""
        return ValueKind("table", self, self.schema, self.write)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the table."""
        required = [key.name for key in self.keys if key.required]
        return {
            "type": "object",
            "properties": {key.name: self._key_schema(key) for key in self.keys},
            "additionalProperties": False,
            **({"required": required} if required else {}),
        }

    def default(self, key: Key) -> Any:
        """Return the default of a key as the model has it; None without one."""
        value = defaults_of(self.model)[key.attribute]
        return value.factory() if isinstance(value, attrs.Factory) else value  # type: ignore[arg-type]

    def written_default(self, key: Key) -> Any:
        """Return the default of a key as TOML writes it; None without one."""
        value = self.default(key)
        return None if value is None or value is NOTHING else key.kind.write(value)

    def write(self, model: T) -> dict[str, Any]:
        """Return the TOML values of the keys that must be written: all but the defaults."""
        found = {}
        for key in self.keys:
            value = getattr(model, key.attribute)
            is_left_out = value is None if self.inherits else value == self.default(key)
            if key.required or not is_left_out:
                found[key.name] = key.kind.write(value)
        return found

    def _key_schema(self, key: Key) -> dict[str, Any]:
        default = self.written_default(key)
        return {
            **key.kind.schema,
            "description": plain_text(key.meaning),
            **({} if default is None or isinstance(default, dict) else {"default": default}),
        }

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
            for path, sentence in self.check(made):
                _at(path, value, context).report(sentence)
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
                found[key.attribute] = _read_or_report(key.kind.read, item, inner)
            else:
                context.child(name).report(_unknown_key(name, known))
        for key in self.keys:
            if key.required and key.name not in value:
                context.report(f"the key {key.name!r} is missing")
        return found


def scalar(
    word: str,
    read: Callable[[Any], Any],
    schema: Mapping[str, Any],
    write: Callable[[Any], Any] = lambda value: value,
) -> ValueKind:
    """Return the kind of values whose reader needs no context."""
    return ValueKind(word, lambda value, context: read(value), schema, write)


def array_of(kind: ValueKind) -> ValueKind:
    """Return the kind of arrays whose items are of a kind.

    Its reader raises `ProblemsReportedError` when an item has a problem.
    """

    def read_all(value: Any, context: ReadContext) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise InvalidValueError(f"expected an array, not {toml_type(value)}")
        found = [
            _read_or_report(kind.read, item, context.child(at)) for at, item in enumerate(value)
        ]
        if any(item is NOTHING for item in found):
            raise ProblemsReportedError
        return tuple(found)

    return ValueKind(
        f"array of {kind.word}s",
        read_all,
        {"type": "array", "items": kind.schema},
        lambda items: [kind.write(item) for item in items],
    )


def tables_by_name(table: Table[Any], check_name: Callable[[str], object]) -> ValueKind:
    """Return the kind of a table whose keys are names, and whose values are tables."""

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
            found[name] = _read_or_report(table, item, inner)
        return found

    return ValueKind(
        "tables",
        read_all,
        {"type": "object", "additionalProperties": table.schema},
        lambda models: {name: table.write(model) for name, model in models.items()},
    )


def defaults_of(model: Callable[..., Any]) -> dict[str, Any]:
    """Return the default of each attribute of a model."""
    if isinstance(model, type) and attrs.has(model):
        return {each.name: each.default for each in attrs.fields(model)}
    return msgspec.structs.asdict(model())


def plain_text(meaning: str) -> str:
    """Return the meaning of a key without the links of Markdown."""
    return _LINK.sub(r"\1", meaning)


def show_path(path: KeyPath) -> str:
    """Return a key path as text: `agents.alice.bind[0].source`."""
    shown = ""
    for key in path:
        shown += f"[{key}]" if isinstance(key, int) else f".{key}" if shown else key
    return shown


def _at(path: KeyPath, value: Any, context: ReadContext) -> ReadContext:
    """Return the context of a key, or of the innermost table around it that is written."""
    for key in path:
        if not isinstance(value, dict) or key not in value:
            break
        context, value = context.child(key), value[key]
    return context


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
