"""The contract of `--json`: schemas, and the tables by which absent keys are filled in.

All of it is made from the tables of `hive.cli.json_outputs`. A key is always present; one that the
wire leaves out has its default, which is null unless the type says otherwise.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args, get_type_hints

import msgspec

from hive.cli.json_outputs import OUTPUTS, Output
from hive.errors import NotFoundError
from hive.names import suggest

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""The version of JSON schema."""

_REF = "#/$defs/{name}"

_ATTRIBUTE = re.compile(r"^    (\w+): (.*(?:\n {8,}.*)*)", re.MULTILINE)
"""An entry of the section Attributes of a docstring, as `inspect.getdoc` returns it."""

_NONE = re.compile(r"\b(None|absent)\b")

Struct = type[msgspec.Struct]


def schema_of(words: str) -> dict[str, Any]:
    """Return the JSON schema of what a verb prints, or of each line, if it prints a stream.

    Args:
        words: The verb, of `hive-c0re` unless a program stands before it; after it may stand what
            chooses one of its outputs, as docs/json.md has it: `status NAME`.

    Raises:
        NotFoundError: No such verb prints JSON.
    """
    verb, outputs = _outputs_of(words)
    schemas, components = schemas_of(each.type for each in outputs)
    titled = [
        {"title": _title(verb, each), **schema}
        for each, schema in zip(outputs, schemas, strict=True)
    ]
    found = titled[0] if len(titled) == 1 else {"title": words, "anyOf": titled}
    return {"$schema": DIALECT, **found, **({"$defs": components} if components else {})}


def _outputs_of(words: str) -> tuple[str, tuple[Output, ...]]:
    """Return a verb with its program, if that was given, and its outputs or the one chosen."""
    first, _, rest = words.partition(" ")
    program, verb = (first, rest) if first in OUTPUTS else ("hive-c0re", words)
    verbs = OUTPUTS[program]
    if verb in verbs:
        return words, verbs[verb]
    for name, outputs in verbs.items():
        for each in outputs:
            if each.when and verb == f"{name} {each.when}":
                return words.removesuffix(f" {each.when}"), (each,)
    others = [f"'{other} {verb}'" for other, known in OUTPUTS.items() if verb in known]
    advice = f"; {' and '.join(others)} do" if others else suggest(verb, verbs)
    raise NotFoundError(f"no verb {words!r} prints JSON{advice}")


def schemas_of(types: Iterable[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the schema of each type, and those of all objects in them, by name."""
    types = tuple(types)
    found, components = msgspec.json.schema_components(types, ref_template=_REF)
    structs = {each.__name__: each for each in structs_of(types)}
    return list(found), {
        name: _complete_schema(structs[name], schema) if name in structs else schema
        for name, schema in sorted(components.items())
    }


def structs_of(types: Iterable[Any]) -> Iterator[Struct]:
    """Yield each struct in types, and in the types of their keys, once."""
    left, seen = list(types), set[Struct]()
    while left:
        each = left.pop()
        if isinstance(each, type) and issubclass(each, msgspec.Struct):
            if each in seen:
                continue
            seen.add(each)
            yield each
            left += get_type_hints(each).values()
        else:
            left += get_args(each)


def all_structs() -> list[Struct]:
    """Return all structs that some verb prints, by name."""
    outputs = (output for verbs in OUTPUTS.values() for each in verbs.values() for output in each)
    return sorted(structs_of(output.type for output in outputs), key=lambda each: each.__name__)


def defaults_of(struct: Struct) -> dict[str, Any]:
    """Return the value of each key of an object where the wire leaves it out, by key."""
    return {each.encode_name: _default(each) for each in msgspec.structs.fields(struct)}


def nested_of(struct: Struct) -> dict[str, str]:
    """Return the name of the object, or of the objects of an array, in each key that has some."""
    found = {}
    for each in msgspec.structs.fields(struct):
        inner = [part.__name__ for part in _direct(each.type)]
        assert len(inner) <= 1, f"{struct.__name__}.{each.name} has several kinds of objects"
        if inner:
            found[each.encode_name] = inner[0]
    return found


def row_of(output: Output) -> str | None:
    """Return the name of the object that an output is, or is an array of; None for no object."""
    return next((each.__name__ for each in _direct(output.type)), None)


def meanings_of(struct: Struct) -> dict[str, str]:
    """Return what each key of an object means, from the docstrings of its struct and its bases."""
    texts = [inspect.cleandoc(each.__doc__ or "") for each in reversed(struct.__mro__)]
    found: dict[str, str] = {}
    for text in texts:
        found |= dict(_ATTRIBUTE.findall(text.partition("\nAttributes:\n")[2]))
    return {
        each.encode_name: _NONE.sub("null", " ".join(found[each.name].split()))
        for each in msgspec.structs.fields(struct)
        if each.name in found
    }


def summary_of(struct: Struct) -> str:
    """Return what an object is, the first sentence of the docstring of its struct."""
    first, _, _ = (struct.__doc__ or "").strip().partition("\n")
    return first.partition(";")[0].rstrip(".") + "."


def _title(words: str, output: Output) -> str:
    return f"{words} {output.when}".strip() + (", each line" if output.is_stream else "")


def _complete_schema(struct: Struct, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an object whose keys are all present."""
    meanings = meanings_of(struct)
    properties = {
        key: {**value, **({"description": meanings[key]} if key in meanings else {})}
        for key, value in schema["properties"].items()
    }
    return {
        **schema,
        "description": summary_of(struct),
        "properties": properties,
        "required": list(properties),
    }


def _default(each: msgspec.structs.FieldInfo) -> Any:
    if each.default is not msgspec.NODEFAULT:
        return each.default
    return None if each.default_factory is msgspec.NODEFAULT else each.default_factory()


def _direct(kind: Any) -> list[Struct]:
    """Return the structs of a type, without those inside them."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [kind]
    return [found for part in get_args(kind) for found in _direct(part)]
