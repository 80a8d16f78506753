"""Hypothesis strategies of what a client may send: valid, nearly valid, mutated, torn.

The valid requests are made from the structs of `hive.wire`, so a new verb is among them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import msgspec
from attrs import frozen
from hypothesis import strategies as st
from msgspec import inspect

from hive.wire.agent import AgentRequest, ManagerRequest, Recv
from hive.wire.base import LINE_MAX, Request
from hive.wire.harness import PollOrders
from hive.wire.host import HostRequest, Shutdown
from tests.adversary.values import NAME_MAX, verbs

CONNECTED = ("ann", "ben", "hm1nd")
"""Participants who have connections; no request stops or removes them."""

NAMES = ("alice", "bob", "damocles", "operator", "*", "@all", "queue:jobs", "nobody", "../alice")

EXCLUDED: Mapping[type[Request], str] = {
    Shutdown: "it ends the daemon, which is what is tested here",
}
"""Verbs that are not sent, each with the reason."""

UNIONS: Mapping[str, object] = {
    "host": HostRequest,
    "manager": ManagerRequest,
    "agent": AgentRequest,
}
"""The requests of each socket."""

LONG_TEXT = 300
"""Characters of the longest text that is drawn; longer ones are in `values`."""

texts = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(NAMES)

juices = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**63 - 2, 2**70)
    | st.sampled_from([10**400, -(10**400), float("nan"), float("inf"), -0.0, 1e308, 1e-320])
    | texts
    | st.sampled_from(["\ud800", "x\udfffy", "\x00", "\x1b[31m", "x" * 5000]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=6,
)
"""Values of any type, awkward ones among them."""

reqs = st.none() | st.integers(-5, 1000) | st.text(max_size=8)


def valid_values(  # noqa: PLR0911 - one for each kind of type
    kind: inspect.Type,
) -> st.SearchStrategy[Any]:
    """Return a strategy for values of a type."""
    match kind:
        case inspect.Metadata():
            return valid_values(kind.type)
        case inspect.UnionType(types=types):
            return st.one_of(*map(valid_values, types))
        case inspect.StrType(max_length=most) as text:
            drawn = st.text(min_size=text.min_length or 0, max_size=min(most or 40, 40))
            return st.sampled_from(NAMES) | drawn if (most or 99) <= NAME_MAX else drawn
        case inspect.IntType(ge=least, le=most):
            return st.integers(1, 40) | st.integers(least, most)
        case inspect.FloatType(ge=least, le=most):
            bounds = {"min_value": least or 0.001, "max_value": most}
            return st.floats(**bounds, allow_nan=False, allow_infinity=False)
        case inspect.BoolType():
            return st.booleans()
        case inspect.EnumType(cls=cls):
            return st.sampled_from([each.value for each in cls])
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            least = kind.min_length or 0
            return st.lists(valid_values(item), min_size=least, max_size=least + 3)
        case inspect.DictType():
            return st.dictionaries(
                valid_values(kind.key_type), valid_values(kind.value_type), max_size=3
            )
        case inspect.StructType():
            return fields_of(kind)
        case inspect.NoneType():
            return st.none()
        case _:
            raise NotImplementedError(f"no strategy for {kind}")


def fields_of(kind: inspect.StructType) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for the fields of a struct: the required ones, and some others."""
    required = {f.encode_name: valid_values(f.type) for f in kind.fields if f.required}
    optional = {f.encode_name: valid_values(f.type) for f in kind.fields if not f.required}
    return st.fixed_dictionaries(required, optional=optional)


def kinds(socket: str) -> list[type[Request]]:
    """Return the verbs of a socket that are sent."""
    return [kind for kind in verbs(UNIONS[socket]) if kind not in EXCLUDED]


def requests_of(kind: type[Request]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for the requests of a verb; few break a rule that is not in their types."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return fields_of(info).map(lambda fields: {"cmd": info.tag, **fields})


def valid_requests(socket: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for the requests of a socket."""
    return st.sampled_from(kinds(socket)).flatmap(requests_of)


@st.composite
def mutated(draw: st.DrawFn, socket: str) -> Any:
    """Draw a request of a socket with one fault: a field missing, added, or of another type."""
    request = draw(valid_requests(socket))
    name = draw(st.sampled_from(sorted(request)))
    match draw(st.sampled_from(["drop", "add", "replace", "nest", "verb"])):
        case "drop":
            del request[name]
        case "add":
            request[draw(texts)] = draw(juices)
        case "replace":
            request[name] = draw(juices)
        case "nest":
            return [request]
        case _:
            request["cmd"] = request["cmd"][1:] + draw(st.sampled_from(["", "x"]))
    return request


def encode(value: Any, *, ascii_only: bool) -> bytes:
    """Return a value as JSON; half of a surrogate pair becomes an escape, or bytes of no text."""
    return json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


@st.composite
def broken(draw: st.DrawFn, socket: str) -> bytes:
    """Draw a line with bytes removed, added or repeated."""
    line = encode(draw(valid_requests(socket)), ascii_only=True)
    at = draw(st.integers(0, len(line)))
    match draw(st.sampled_from(["cut", "insert", "repeat", "nest", "long"])):
        case "cut":
            return line[:at]
        case "insert":
            return line[:at] + draw(st.binary(min_size=1, max_size=4)) + line[at:]
        case "repeat":
            return line * 2
        case "nest":
            return b'{"cmd":' + b"[" * 2000 + b"]" * 2000 + b"}"
        case _:
            return b" " * (LINE_MAX + draw(st.integers(-len(line), 2))) + line


def lines_of(socket: str) -> st.SearchStrategy[bytes]:
    """Return a strategy for one line, without its newline; most of them are valid requests."""
    ascii_only = st.booleans()
    valid = st.builds(
        lambda fields, req, a: encode({**fields, "req": req}, ascii_only=a),
        *(valid_requests(socket), reqs, ascii_only),
    )
    near = st.builds(lambda fields, a: encode(fields, ascii_only=a), mutated(socket), ascii_only)
    raw = st.binary(max_size=30) | broken(socket)
    return st.one_of(valid, valid, near, near, raw).map(lambda line: line.replace(b"\n", b" "))


@frozen(repr=False)
class Plan:
    """What is sent on one connection.

    Attributes:
        socket: `host`, `manager` or `agent`.
        lines: Complete lines.
        tail: The beginning of one more line, which never ends.
        cuts: Where the bytes are divided, as shares of them.
        leaves: Share of the bytes after which the client disconnects; None if it stays.
    """

    socket: str
    lines: tuple[bytes, ...]
    tail: bytes
    cuts: tuple[float, ...]
    leaves: float | None

    def __repr__(self) -> str:
        # Hypothesis warns of a long one, and a warning would hide the failure that it reports.
        return f"<{len(self.lines)} lines for {self.socket}>"

    def pieces(self) -> list[bytes]:
        """Return the bytes in the pieces in which they are sent."""
        data = b"".join(line + b"\n" for line in self.lines) + self.tail
        if self.leaves is not None:
            data = data[: int(len(data) * self.leaves)]
        places = [0, *sorted(int(len(data) * cut) for cut in self.cuts), len(data)]
        return [data[a:b] for a, b in pairwise(places) if b > a]


def plans(socket: str, most: int = 10) -> st.SearchStrategy[Plan]:
    """Return a strategy for what is sent on one connection of a socket."""
    shares = st.floats(0, 1)
    return st.builds(
        Plan,
        st.just(socket),
        st.lists(lines_of(socket), max_size=most).map(lambda found: tuple(numbered(socket, found))),
        st.sampled_from([b"", b'{"cmd":"shut', b'{"cmd":"shutdown"}']),
        st.lists(shares, max_size=4).map(tuple),
        st.none() | shares,
    )


def numbered(socket: str, lines: list[bytes]) -> list[bytes]:
    """Give each request that may be answered out of order a `req` of its own."""
    return [
        line if (request := parked(socket, line)) is None else _with_req(request, f"parked-{n}")
        for n, line in enumerate(lines)
    ]


def parked(socket: str, line: bytes) -> Recv | PollOrders | None:
    """Return the request of a line that may be answered out of order."""
    request = decoded(socket, line)
    return request if isinstance(request, Recv | PollOrders) and request.wait_seconds else None


def decoded(socket: str, line: bytes) -> Request | None:
    """Return the request of a line; None if it is no valid one."""
    if len(line) > LINE_MAX:
        return None
    try:
        found: Request = msgspec.json.decode(line, type=UNIONS[socket])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found


def _with_req(request: Request, req: str) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(request, req=req))
