"""Decoding of request lines and encoding of responses.

A valid line is decoded once. Only a line that fails is decoded a second time, for an error sentence
with the nearest verb, the unknown field or the path of the wrong value.
"""

from __future__ import annotations

import json
from typing import Any, Generic, TypeVar, get_args

import msgspec

from hive.errors import BadRequestError, ErrorCode, FailedError, HiveError
from hive.names import suggest
from hive.wire import VERSION
from hive.wire.base import REQ_MAX, Request

R = TypeVar("R", bound=Request)
T = TypeVar("T")

ECHO_MAX = 64
"""Characters of a wrong word that an error sentence repeats."""

encode_struct = msgspec.json.Encoder().encode
"""Returns the JSON of a value, without a newline."""

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Exceptions from decoding a line that is not a valid request."""


class RequestDecoder(Generic[R]):
    """Decodes the request lines of one socket.

    Args:
        union: The union of the socket's request classes.

    Attributes:
        decode_quickly: Returns the request of a line, or raises one of `MALFORMED`, which `explain`
            converts to an error for the client.
    """

    def __init__(self, union: Any) -> None:
        self._decoder: msgspec.json.Decoder[R] = msgspec.json.Decoder(union)
        self.decode_quickly = self._decoder.decode
        self._verbs: dict[str, type[Request]] = {
            str(cls.__struct_config__.tag): cls for cls in get_args(union) or (union,)
        }

    @property
    def verbs(self) -> frozenset[str]:
        """The verbs of the socket."""
        return frozenset(self._verbs)

    def decode(self, line: bytes) -> R:
        """Return the request of a line.

        Raises:
            BadRequestError: With the path of the wrong value and the nearest valid word.
        """
        try:
            return self._decoder.decode(line)
        except MALFORMED as error:
            raise self.explain(line, error) from None

    def explain(self, line: bytes, error: Exception) -> BadRequestError:
        """Return the error for a line that raised `error`, with the nearest valid word."""
        return BadRequestError(self._explain(line, error))

    def _explain(self, line: bytes, error: Exception) -> str:
        try:
            fields = msgspec.json.decode(line)
        except MALFORMED as broken:
            return f"this line is not JSON: {_describe_syntax_error(line, broken)}"
        if not isinstance(fields, dict):
            return f"a request is a JSON object, this line holds {type(fields).__name__}"
        verb = fields.get("cmd")
        if not isinstance(verb, str):
            return "a request needs the field 'cmd' with the name of a verb"
        known = self._verbs.get(verb)
        if known is None:
            verb = _shortened(verb)
            return f"unknown verb {verb!r}{suggest(verb, self._verbs)}"
        return _explain_fields(verb, known, fields, error)


def _describe_syntax_error(line: bytes, error: Exception) -> str:
    """Return the syntax error of a line; for these two cases msgspec's own is misleading."""
    if not line.strip():
        return "it is empty"
    if b"\\ud" in line.lower():
        return f"{error}; halves of surrogate pairs, \\ud800 to \\udfff, do not stand alone"
    return str(error)


def _explain_fields(verb: str, cls: type[Request], fields: dict[str, Any], error: Exception) -> str:
    allowed = [field.encode_name for field in msgspec.structs.fields(cls)]
    for name in fields:
        if name != "cmd" and name not in allowed:
            word = _shortened(name)
            return f"{verb!r} has no field {word!r}{suggest(word, allowed)}"
    return f"{verb!r}: {error}"


def _shortened(word: str) -> str:
    return word if len(word) <= ECHO_MAX else word[:ECHO_MAX] + "…"


def request_id(line: bytes) -> str | int | None:
    """Return the `req` of a line that is not a valid request; None without a usable one.

    Half of a surrogate pair is an error of msgspec and not of `json`, which clients use: they get
    their `req` back. One that is too long is not repeated.
    """
    try:
        fields = json.loads(line)
        found = fields.get("req") if isinstance(fields, dict) else None
        encode_struct(found)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, str | int) or isinstance(found, bool):
        return None
    return found if len(str(found)) <= REQ_MAX else None


def value_of(kind: type[T], fields: Any) -> T:
    """Return the fields of a response as a value of type `kind`; unknown fields are ignored.

    Raises:
        FailedError: When a field is missing or of another type: the server is not a hive-c0re of
            this version.
    """
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise FailedError(f"this is not an answer of hive-c0re: {error}") from None


def encode_ok(req: str | int | None = None, **fields: Any) -> bytes:
    """Return the line of a successful response; fields that are None are omitted."""
    return _encode({"version": VERSION, "ok": True}, req, fields)


def encode_error(error: HiveError, req: str | int | None = None) -> bytes:
    """Return the line of a refused or failed request: its sentence, its code and its facts."""
    return _encode(
        {"version": VERSION, "ok": False},
        req,
        {"error": str(error), "code": ErrorCode(error.code).value, **error.facts},
    )


def _encode(head: dict[str, Any], req: str | int | None, fields: dict[str, Any]) -> bytes:
    head.update({name: value for name, value in fields.items() if value is not None})
    if req is not None:
        head["req"] = req
    return encode_struct(head) + b"\n"


def present(row: msgspec.Struct) -> dict[str, Any]:
    """Return the fields of a row that are present, with names and order as on the wire."""
    fields: dict[str, Any] = msgspec.json.decode(encode_struct(row))
    return fields
