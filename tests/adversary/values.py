"""Hostile requests of any verb, made from the types of its fields and their limits.

Nothing here knows a verb: a new one is attacked from the day on which it is in `hive.wire`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Any, get_args

import msgspec
from msgspec import inspect

from hive.wire.agent import AgentRequest, ManagerRequest
from hive.wire.base import LINE_MAX, Request

FRESH = "~fresh~~"
"""Stands for eight characters that are new in each request."""

NAMES = (
    *("mallory", "ann", "ben", "operator", "manager", "hm1nd", "alice", "*", "@all"),
    *("queue:q", "queue:q" + FRESH, "q" + FRESH),
)
"""Names of participants, and of what mail may be addressed to."""

NAME_MAX = 64
"""Most characters of a text that may be a name."""

BODY_BYTES = 64 << 10
"""Bytes of the longest body that is stored."""

CONTROL = "\x01"
"""A character that takes one byte in memory and six on the wire."""

NUMBERS = (1, 2, 3, 100, 2**53, 2**63 - 1)
"""Integers where a type has no limits of its own."""

LINES = 24
"""Lines of each verb from which an attack chooses."""

LINE_BYTES = LINE_MAX - 1024
"""Bytes of the longest line that is sent on purpose; a longer one is not decoded."""


def verbs(union: object) -> tuple[type[Request], ...]:
    """Return the requests of a socket."""
    return get_args(union)


AGENT_VERBS = verbs(AgentRequest)
MANAGER_VERBS = tuple(kind for kind in verbs(ManagerRequest) if kind not in AGENT_VERBS)
"""Those that only the manager's socket has."""


def lines(kind: type[Request], random: Random, count: int = LINES) -> list[bytes]:
    """Return request lines of a verb, of which none is longer than the longest that is read.

    The first has only what is required, as small as it may be. A line with `FRESH` is new each
    time it is sent.
    """
    candidates = (_line(_fields(kind, random)) for _ in range(100 * count))
    valid = (line for line in candidates if len(line) <= LINE_BYTES and is_valid(line, kind))
    found = list(islice(valid, count - 1))
    return [_line(smallest_fields(kind)), *found]


def stores_text(kind: type[Request]) -> bool:
    """Return whether a verb has a text of the size of a message."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return any(
        isinstance(each, inspect.StrType) and (each.max_length or BODY_BYTES) >= BODY_BYTES
        for field in info.fields
        for each in _alternatives(field.type)
    )


def values(kind: inspect.Type, random: Random) -> Iterator[Any]:
    """Yield values of a type without end, the most troublesome that it allows."""
    while True:
        yield _value(random.choice(_alternatives(kind)), random)


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def smallest_fields(kind: type[Request]) -> dict[str, Any]:
    """Return what is required, and one more field if a verb needs one of several."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    least = {f.encode_name: smallest_value(f.type) for f in info.fields if f.required}
    more = [{}, *({f.encode_name: smallest_value(f.type)} for f in info.fields if not f.required)]
    found = [{"cmd": str(info.tag), **least, **each} for each in more]
    return next(each for each in found if is_valid(_line(each), kind))


def _fields(kind: type[Request], random: Random) -> dict[str, Any]:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    only_required = random.random() < 0.2
    made: dict[str, Any] = {"cmd": str(info.tag)}
    for field in info.fields:
        if field.required or not (only_required or random.random() < 0.3):
            made[field.encode_name] = next(values(field.type, random))
    return {name: value for name, value in made.items() if value is not None}


def smallest_value(kind: inspect.Type) -> Any:  # noqa: PLR0911 - one for each kind
    """Return the shortest value of a type that names something: the sender itself, message 1."""
    match _alternatives(kind)[0]:
        case inspect.StrType(max_length=most) as text:
            is_name = text.min_length and most is not None and most <= NAME_MAX
            return NAMES[0] if is_name else "x" * (text.min_length or 0)
        case inspect.IntType(ge=least):
            return least or 0
        case inspect.FloatType(ge=least):
            return (least or 0) + 1.0
        case inspect.EnumType(cls=cls):
            return next(iter(cls)).value
        case inspect.ListType(item_type=item, min_length=least):
            return [smallest_value(item)] * (least or 0)
        case inspect.DictType() | inspect.VarTupleType():
            return {} if isinstance(kind, inspect.DictType) else []
        case inspect.BoolType():
            return True
        case other:
            raise NotImplementedError(f"no smallest value of {other}")


def _alternatives(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    if isinstance(kind, inspect.Metadata):
        return _alternatives(kind.type)
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def _value(kind: inspect.Type, random: Random) -> Any:  # noqa: PLR0911 - one for each kind
    match kind:
        case inspect.StrType(max_length=most) as text:
            return _text(text.min_length or 0, most or BODY_BYTES, random)
        case inspect.IntType(ge=least, le=most):
            found = [n for n in (*NUMBERS, least, most) if n is not None]
            return random.choice([n for n in found if (least or n) <= n <= (most or n)])
        case inspect.FloatType() as number:
            return _float(number, random)
        case inspect.BoolType():
            return random.random() < 0.5
        case inspect.EnumType(cls=cls):
            return random.choice(list(cls)).value
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return _list(item, kind.max_length or 1000, random)
        case inspect.DictType():
            return _dict(kind, random)
        case inspect.NoneType():
            return None
        case _:
            raise NotImplementedError(f"no hostile value of {kind}")


def _text(least: int, most: int, random: Random) -> str:
    """Return a text: a name, one that is new each time, or the longest of awkward characters."""
    choice = random.randrange(6)
    if most <= NAME_MAX and choice < 3:
        return random.choice(NAMES)
    length = max(least, min(most, BODY_BYTES))
    if choice < 4:
        return (FRESH + CONTROL * length)[:length]
    if most > BODY_BYTES and choice == 4:
        return CONTROL * min(most, LINE_BYTES // 12)  # more than a body may have
    return (FRESH + random.choice("é\u2028😀\n") * length)[: max(least, length // 4)]


def _float(kind: inspect.FloatType, random: Random) -> float:
    least = kind.gt if kind.gt is not None else kind.ge or 0.0
    most = kind.lt if kind.lt is not None else kind.le or 1e300
    found = [most, 1e-9, 0.001, 1.0, 30.0, 1e6]
    return random.choice([each for each in found if least < each <= most])


def _list(item: inspect.Type, most: int, random: Random) -> list[Any]:
    """Return the longest list, of one item or of many."""
    if isinstance(item, inspect.IntType):
        return [1] * most if random.random() < 0.5 else list(range(1, most + 1))
    return [next(values(item, random)) for _ in range(most)]


def _dict(kind: inspect.DictType, random: Random) -> dict[str, Any]:
    """Return the largest dictionary, with keys as long as they may be."""
    (key,), most = _alternatives(kind.key_type), kind.max_length or 1000
    assert isinstance(key, inspect.StrType)
    width = min(key.max_length or 200, LINE_BYTES // (2 * 6 * most))
    return {
        f"{n:04}{FRESH}".ljust(width, CONTROL)[:width]: next(values(kind.value_type, random))
        for n in range(most)
    }


def with_fresh(line: bytes, number: int) -> bytes:
    """Return a line in which what stands for something new is new."""
    return line.replace(FRESH.encode(), b"%08x" % number) if FRESH.encode() in line else line


def is_valid(line: bytes, union: object) -> bool:
    """Return whether a line decodes as a request."""
    try:
        msgspec.json.decode(line, type=union)
    except msgspec.MsgspecError:
        return False
    return True
