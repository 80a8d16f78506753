"""Lines to requests and back, with errors that say what is wrong and where.

The fast path is one decode. Only a line that fails is looked at a second time, to find the sentence
that helps its author: the nearest verb, the field that does not exist, the path of a wrong value.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar, get_args

import msgspec

from hive.errors import BadRequestError, ErrorCode, FailedError, HiveError
from hive.names import suggest
from hive.wire import VERSION
from hive.wire.base import Request

R = TypeVar("R", bound=Request)
T = TypeVar("T")

encode_struct = msgspec.json.Encoder().encode
"""Returns a struct as JSON, without its newline."""


MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding a line that is no request raises."""


class RequestDecoder(Generic[R]):
    """Decodes the request lines of one socket.

    Args:
        union: The union of the request classes that the socket understands.

    Attributes:
        decode_quickly: Returns the request that a line holds, or raises one of `MALFORMED`; then
            `explain` has the sentence for its author.
    """

    def __init__(self, union: Any) -> None:
        self._decoder: msgspec.json.Decoder[R] = msgspec.json.Decoder(union)
        self.decode_quickly = self._decoder.decode
        self._verbs: dict[str, type[Request]] = {
            str(cls.__struct_config__.tag): cls for cls in get_args(union) or (union,)
        }

    @property
    def verbs(self) -> frozenset[str]:
        """The verbs that this decoder understands."""
        return frozenset(self._verbs)

    def decode(self, line: bytes) -> R:
        """Return the request that a line holds.

        Raises:
            BadRequestError: With a sentence that names the place and the nearest right word.
        """
        try:
            return self._decoder.decode(line)
        except MALFORMED as error:
            raise self.explain(line, error) from None

    def explain(self, line: bytes, error: Exception) -> BadRequestError:
        """Return the error that names the place and the nearest right word."""
        return BadRequestError(self._explain(line, error))

    def _explain(self, line: bytes, error: Exception) -> str:
        try:
            fields = msgspec.json.decode(line)
        except MALFORMED as broken:
            return f"this line is not JSON: {_malady(line, broken)}"
        if not isinstance(fields, dict):
            return f"a request is a JSON object, this line holds {type(fields).__name__}"
        verb = fields.get("cmd")
        if not isinstance(verb, str):
            return "a request needs the field 'cmd' with the name of a verb"
        known = self._verbs.get(verb)
        if known is None:
            return f"unknown verb {verb!r}{suggest(verb, self._verbs)}"
        return _explain_fields(verb, known, fields, error)


def _malady(line: bytes, error: Exception) -> str:
    """Return what is wrong with a line; of these two the decoder says that it ends too soon."""
    if not line.strip():
        return "it is empty"
    if b"\\ud" in line.lower():
        return f"{error}; halves of surrogate pairs, \\ud800 to \\udfff, do not stand alone"
    return str(error)


def _explain_fields(verb: str, cls: type[Request], fields: dict[str, Any], error: Exception) -> str:
    allowed = [field.encode_name for field in msgspec.structs.fields(cls)]
    for name in fields:
        if name != "cmd" and name not in allowed:
            return f"{verb!r} has no field {name!r}{suggest(name, allowed)}"
    return f"{verb!r}: {error}"


def request_id(line: bytes) -> str | int | None:
    """Return the `req` of a line that could not be decoded as a request, if it has a usable one."""
    try:
        fields = msgspec.json.decode(line)
    except MALFORMED:
        return None
    found = fields.get("req") if isinstance(fields, dict) else None
    return found if isinstance(found, str | int) and not isinstance(found, bool) else None


def value_of(kind: type[T], fields: Any) -> T:
    """Return the typed value of a response's fields; what is not known here is ignored.

    Raises:
        FailedError: When something is missing or of another type, so that whatever answers speaks
            another wire.
    """
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise FailedError(f"this is not an answer of hive-c0re: {error}") from None


def encode_ok(req: str | int | None = None, **fields: Any) -> bytes:
    """Return the line of a successful response; fields that are None are left out."""
    return _encode({"version": VERSION, "ok": True}, req, fields)


def encode_error(error: HiveError, req: str | int | None = None) -> bytes:
    """Return the line of a refused or failed request."""
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
    """Return the fields of a row that are there, by their names on the wire and in their order."""
    fields: dict[str, Any] = msgspec.json.decode(encode_struct(row))
    return fields
