"""Base classes of requests and responses, and the constrained types of their fields.

Types of the wire are `msgspec.Struct`s, not attrs classes: a struct decodes in one pass and checks
its tag, its field types and unknown fields on the way.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from hive.wire import SECONDS_MAX, VERSION

LINE_MAX = 1 << 20
"""Bytes of the longest request line, without its newline; a longer one is refused and skipped."""

REQ_MAX = 200
"""Characters of the longest `req`; one that is an integer has 64 bits."""

Req = (
    Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    | Annotated[str, msgspec.Meta(max_length=REQ_MAX)]
    | None
)
"""A client's own number or name of a request."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
"""Name of a participant, a queue, a group or a unit, in characters."""

TEXT_MAX = 4096
"""Characters of the longest short text."""

Text = Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
"""A short text for people, in characters."""

Body = Annotated[str, msgspec.Meta(max_length=LINE_MAX)]
"""Text of a message. `body_bytes` of `[limits]` is lower and in bytes; the broker checks it."""

InputPath = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
"""Path of an input of a flake: `nixpkgs`, `agent-alice/tools`."""

InputPaths = Annotated[list[InputPath], msgspec.Meta(max_length=100)]

PathText = Annotated[str, msgspec.Meta(max_length=4096)]
"""A path, in characters."""

Lease = Annotated[str, msgspec.Meta(max_length=64)]
"""Name of a lease, as a delivery has it, in characters."""

Id = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
"""Id of a message; questions and reminders have the id of their message."""

Seconds = Annotated[float, msgspec.Meta(ge=0, le=SECONDS_MAX)]
"""A delay in seconds."""

Lifetime = Annotated[float, msgspec.Meta(gt=0, le=SECONDS_MAX)]
"""A lifetime in seconds."""

Key = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
"""A dedupe or supersede key, in characters."""

UnixTime = Annotated[float, msgspec.Meta(ge=0, le=253402300799)]
"""Seconds since 1970-01-01 UTC, up to the year 9999."""

Cursor = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""Number of the last item received; 0 before the first."""

Lines = Annotated[int, msgspec.Meta(ge=1, le=5000)]
"""A number of log lines."""


def encodable(text: str) -> str:
    """Return a text that UTF-8 can express: half of a surrogate pair becomes a question mark.

    A program may print such a half, for instance one that cuts its texts by units of UTF-16.
    """
    return text.encode(errors="replace").decode()


def short_text(text: str) -> str:
    """Return a text of any kind and length as a `Text`.

    A reason comes from a driver, a function or a program. If the hive refused a nack because of its
    reason, the message would stay leased although no program works on it.
    """
    found = encodable(text)
    return found if len(found) <= TEXT_MAX else f"{found[: TEXT_MAX - 1]}…"


class Response(msgspec.Struct, tag_field="version", tag=VERSION, omit_defaults=True, kw_only=True):
    """The successful response of a frequent verb, as a struct of its own.

    Subclasses add `ok` and their fields. Other responses are encoded from a dictionary, with the
    same order on the wire: `version`, `ok`, the fields, and last the request's `req`.
    """

    req: str | int | None = None


class Request(
    msgspec.Struct, tag_field="cmd", forbid_unknown_fields=True, kw_only=True, frozen=True
):
    """A request on any socket; the tag `cmd` is its verb.

    Attributes:
        req: The client's own number or name of the request; the response repeats it.
    """

    req: Req = None

    @property
    def verb(self) -> str:
        """The verb, the value of `cmd`."""
        return str(self.__struct_config__.tag)
