"""Tools: name, description, JSON schema and function, derived from one arguments class."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec
from attrs import frozen

from hive.errors import BadRequestError
from hive.names import suggest
from hive.wire.field_errors import explain_fields

Schema = dict[str, Any]
Result = str | dict[str, Any]


@frozen
class ModelTool:
    """A function of the hive that a model can call.

    Attributes:
        name: Its name, unique among the tools.
        description: Its description for the model.
        schema: JSON Schema of its arguments.
        call: Runs it. Raises HiveError with a sentence that the model can act on.
    """

    name: str
    description: str
    schema: Schema
    call: Callable[[dict[str, Any]], Awaitable[Result]]


class Arguments(msgspec.Struct, forbid_unknown_fields=True):
    """The arguments of a tool; the docstring of a subclass is the tool's description."""


A = TypeVar("A", bound=Arguments)


def make_tool(arguments: type[A], run: Callable[[A], Awaitable[Result]]) -> ModelTool:
    """Return a tool with the name of `run`, which validates its arguments before it calls `run`."""
    name = run.__name__

    async def call(given: dict[str, Any]) -> Result:
        return await run(_checked(name, arguments, given))

    schema = _schema(arguments)
    return ModelTool(name, " ".join(schema.pop("description").split()), schema, call)


def _checked(name: str, arguments: type[A], given: dict[str, Any]) -> A:
    """Return a model's arguments, validated; a null counts as left out."""
    present = {key: value for key, value in given.items() if value is not None}
    try:
        return msgspec.convert(present, arguments, strict=False)
    except msgspec.ValidationError as error:
        known = [field.name for field in msgspec.structs.fields(arguments)]
        for key in present:
            if key not in known:
                raise BadRequestError(
                    f"{name} has no argument {key!r}{suggest(key, known)}"
                ) from None
        raise BadRequestError(f"{name}: {explain_fields(error, present, arguments)}") from None


def _schema(arguments: type[Arguments]) -> Schema:
    """Return a flat object schema, without references and without null for optional arguments."""
    written = msgspec.json.encode(msgspec.json.schema(arguments))
    known = msgspec.json.decode(written)["$defs"]
    schema: Schema = known.pop(arguments.__name__)
    del schema["title"]
    schema["properties"] = {
        name: _without_null(_with_enum(argument, known))
        for name, argument in schema["properties"].items()
    }
    return schema


def _with_enum(argument: Schema, known: Mapping[str, Schema]) -> Schema:
    """Return an argument with the values of its enum in place of a reference to it."""
    if "$ref" not in argument:
        return argument
    values = known[argument["$ref"].rpartition("/")[2]]["enum"]
    return {key: value for key, value in argument.items() if key != "$ref"} | {"enum": values}


def _without_null(argument: Schema) -> Schema:
    if "anyOf" not in argument:
        return argument
    kinds = [kind for kind in argument["anyOf"] if kind != {"type": "null"}]
    rest = {key: value for key, value in argument.items() if key not in ("anyOf", "default")}
    assert len(kinds) == 1, "an optional argument has one type"
    return {**rest, **kinds[0]}
