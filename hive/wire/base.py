"""What every request and every response has in common.

Requests are `msgspec.Struct`s rather than attrs classes here and only here: a struct knows its tag,
its field order and how to refuse an unknown field while it decodes in one pass.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from hive.wire import SECONDS_MAX, VERSION

LINE_MAX = 1 << 20
"""Bytes of the longest line that is read; a longer one is refused and skipped."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Text = Annotated[str, msgspec.Meta(max_length=4096)]
Id = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=SECONDS_MAX)]
Lifetime = Annotated[float, msgspec.Meta(gt=0, le=SECONDS_MAX)]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
UnixTime = Annotated[float, msgspec.Meta(ge=0, le=253402300799)]
Cursor = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""The number of the last thing that was seen; 0 before the first."""
Lines = Annotated[int, msgspec.Meta(ge=1, le=5000)]


class Response(msgspec.Struct, tag_field="version", tag=VERSION, omit_defaults=True, kw_only=True):
    """A successful response of a verb that is used so often that a struct of its own pays.

    Subclasses add `ok` and their fields. On the wire `req`, the request's own, is the last.
    """

    req: str | int | None = None


class Request(
    msgspec.Struct, tag_field="cmd", forbid_unknown_fields=True, kw_only=True, frozen=True
):
    """A request of any socket. `req`, if given, is repeated by its response."""

    req: str | int | None = None

    @property
    def verb(self) -> str:
        """The name of what is asked."""
        return str(self.__struct_config__.tag)
