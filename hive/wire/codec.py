"""Decoding of request lines and encoding of responses.

A valid line is decoded once. Only a line that fails is decoded a second time, for an error sentence
with the nearest verb, the unknown field, or the wrong value and its limit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Generic, TypeVar, get_args

import msgspec

from hive.errors import BadRequestError, ErrorCode, FailedError, HiveError, NotAllowedError
from hive.names import suggest
from hive.wire import VERSION
from hive.wire.base import REQ_MAX, Request
from hive.wire.field_errors import explain_fields, shown

R = TypeVar("R", bound=Request)
T = TypeVar("T")

ECHO_MAX = 64
"""Characters of a wrong word that an error sentence repeats."""

encode_struct = msgspec.json.Encoder().encode
"""Returns the JSON of a value, without a newline."""

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Exceptions from decoding a line that is not a valid request."""

_TRUNCATED = "Input data was truncated"
"""What msgspec says of a line that ends too early."""

_TOO_DEEP = "its lists and objects are nested too deep"


class RequestDecoder(Generic[R]):
    """Decodes the request lines of one socket.

    Args:
        union: The union of the socket's request classes.
        elsewhere: The unions of other sockets, by whom they are for: their verbs are refused as
            not allowed here, and not as unknown.

    Attributes:
        decode_quickly: Returns the request of a line, or raises one of `MALFORMED`, which `explain`
            converts to an error for the client.
    """

    def __init__(self, union: Any, elsewhere: Mapping[str, Any] | None = None) -> None:
        self._decoder: msgspec.json.Decoder[R] = msgspec.json.Decoder(union)
        self.decode_quickly = self._decoder.decode
        self._verbs: dict[str, type[Request]] = {
            str(cls.__struct_config__.tag): cls for cls in get_args(union) or (union,)
        }
        self._elsewhere = {
            str(cls.__struct_config__.tag): who
            for who, other in (elsewhere or {}).items()
            for cls in get_args(other)
        }

    @property
    def verbs(self) -> frozenset[str]:
        """The verbs of the socket."""
        return frozenset(self._verbs)

    def decode(self, line: bytes) -> R:
        """Return the request of a line.

        Raises:
            BadRequestError: It names the wrong field, and the nearest valid word.
            NotAllowedError: The verb is one of another socket.
        """
        try:
            return self._decoder.decode(line)
        except MALFORMED as error:
            raise self.explain(line, error) from None

    def explain(self, line: bytes, error: Exception) -> HiveError:
        """Return the error for a line that raised `error`, with the nearest valid word."""
        found = self._explain(line, error)
        return BadRequestError(found) if isinstance(found, str) else found

    def _explain(self, line: bytes, error: Exception) -> str | HiveError:
        try:
            fields = msgspec.json.decode(line)
        except MALFORMED as broken:
            return f"this line is not JSON: {_describe_syntax_error(line, broken)}"
        if not isinstance(fields, dict):
            return f"a request is a JSON object, this line is {shown(fields)}"
        return repeated_key(line) or self._explain_request(fields, error)

    def _explain_request(self, fields: dict[str, Any], error: Exception) -> str | HiveError:
        verb = fields.get("cmd")
        if not isinstance(verb, str):
            return "a request needs the field 'cmd' with the name of a verb"
        known = self._verbs.get(verb)
        if known is None and verb in self._elsewhere:
            return NotAllowedError(f"only {self._elsewhere[verb]} may {verb!r}, not you")
        if known is None:
            verb = _shortened(verb)
            return f"unknown verb {verb!r}{suggest(verb, self._verbs)}"
        return _explain_fields(verb, known, fields, error)


def _describe_syntax_error(line: bytes, error: Exception) -> str:
    """Return the syntax error of a line; for these cases msgspec's own is misleading."""
    if not line.strip():
        return "it is empty"
    if isinstance(error, RecursionError):
        return _TOO_DEEP
    if isinstance(error, msgspec.ValidationError):
        return "it holds a number that is too large"  # the only value that no JSON value fits
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if b"\\ud" in line.lower():
        return "halves of surrogate pairs, \\ud800 to \\udfff, do not stand alone"
    words = str(error).removeprefix("JSON is malformed: ")
    return "it ends too early" if words == _TRUNCATED else words


def _explain_fields(verb: str, cls: type[Request], fields: dict[str, Any], error: Exception) -> str:
    allowed = [field.encode_name for field in msgspec.structs.fields(cls)]
    for name in fields:
        if name != "cmd" and name not in allowed:
            word = _shortened(name)
            return f"{verb!r} has no field {word!r}{suggest(word, allowed)}"
    return f"{verb!r}: {explain_fields(error, fields, cls)}"


def _shortened(word: str) -> str:
    return word if len(word) <= ECHO_MAX else word[:ECHO_MAX] + "…"


def repeated_key(line: bytes) -> BadRequestError | None:
    """Return the error of a JSON line in which an object has a key twice; None for any other.

    A line that is nested too deep to look for keys is an error, too.

    Decoders agree on no meaning of such a line, and msgspec does not see it: the last value counts.
    It takes as long as ten decodings.
    """
    found: list[str] = []

    def check(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                found.append(name)
                return
            seen.add(name)

    try:
        json.loads(line, object_pairs_hook=check)
    except RecursionError:  # of a line that msgspec could just decode
        return BadRequestError(f"this line is not accepted: {_TOO_DEEP}")
    if not found:
        return None
    word = _shortened(found[0])
    return BadRequestError(f"the key {word!r} stands twice in one object; leave one of them out")


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
        why = explain_fields(error, fields, kind)
        raise FailedError(f"this is not an answer of hive-c0re: {why}") from None


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
