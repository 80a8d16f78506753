"""Every field of every request has a limit, and the refusal of a longer one is short."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import msgspec.inspect
import pytest

from hive.wire.agent import AgentRequest, ManagerRequest
from hive.wire.base import REQ_MAX, Request
from hive.wire.codec import ECHO_MAX, RequestDecoder, request_id
from hive.wire.host import HostRequest

REQUESTS = sorted(
    {*get_args(ManagerRequest), *get_args(HostRequest)},
    key=lambda cls: (cls.__module__, cls.__name__),
)

SIZED = (
    msgspec.inspect.StrType,
    msgspec.inspect.BytesType,
    msgspec.inspect.CollectionType,
    msgspec.inspect.DictType,
)


def unlimited(kind: msgspec.inspect.Type, path: str) -> Iterator[str]:
    """Yield the paths of the values that may have any length."""
    if isinstance(kind, msgspec.inspect.AnyType | msgspec.inspect.RawType):
        yield path
    if isinstance(kind, SIZED) and kind.max_length is None:
        yield path
    match kind:
        case msgspec.inspect.UnionType(types=types):
            for each in types:
                yield from unlimited(each, path)
        case msgspec.inspect.CollectionType(item_type=item):
            yield from unlimited(item, f"{path}[]")
        case msgspec.inspect.DictType(key_type=key, value_type=value):
            yield from unlimited(key, f"{path} (key)")
            yield from unlimited(value, f"{path} (value)")
        case msgspec.inspect.StructType(fields=fields):
            for field in fields:
                yield from unlimited(field.type, f"{path}.{field.encode_name}")
        case _:
            pass


@pytest.mark.parametrize("cls", REQUESTS, ids=lambda cls: cls.__name__)
def test_every_text_list_and_table_of_a_request_has_a_limit(cls: type[Request]) -> None:
    assert list(unlimited(msgspec.inspect.type_info(cls), cls.__name__)) == []


AGENT: RequestDecoder[Any] = RequestDecoder(AgentRequest)

TURN = {"cmd": "turn", "started_at": 1, "ended_at": 2, "wake": "message", "outcome": "done"}


def refusal(request: dict[str, Any]) -> str:
    """Return the error of a request that its decoder refuses, and the id that is repeated."""
    line = msgspec.json.encode(request)
    with pytest.raises((msgspec.ValidationError, msgspec.DecodeError)) as caught:
        AGENT.decode_quickly(line)
    return str(AGENT.explain(line, caught.value))


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        ({"cmd": "status", "req": "r" * (REQ_MAX + 1)}, ["'req'", str(REQ_MAX)]),
        ({"cmd": "status", "req": 2**63}, ["'req'", str(2**63 - 1)]),
        (TURN | {"tools": {"t" * 201: 1}}, ["'tools'", "200"]),
        (TURN | {"tools": {str(n): 1 for n in range(201)}}, ["'tools'", "200"]),
        ({"cmd": "ack", "ids": [1], "lease": "l" * 65}, ["'lease'", "64"]),
        ({"cmd": "receipts", "ids": [*range(1, 102)]}, ["'ids'", "100"]),
    ],
)
def test_a_field_over_its_limit_is_refused_with_its_name_and_the_limit(
    request_: dict[str, Any], names: list[str]
) -> None:
    sentence = refusal(request_)
    assert all(name in sentence for name in names), sentence


def test_the_longest_req_is_accepted() -> None:
    for req in ("r" * REQ_MAX, 2**63 - 1, -(2**63)):
        line = msgspec.json.encode({"cmd": "status", "req": req})
        assert AGENT.decode(line).req == req


@pytest.mark.parametrize("req", ["r" * (REQ_MAX + 1), "r" * 100_000])
def test_a_req_that_is_too_long_is_not_repeated(req: str) -> None:
    assert request_id(msgspec.json.encode({"cmd": "status", "req": req})) is None


@pytest.mark.parametrize("request_", [{"cmd": "x" * 9000}, {"cmd": "status", "y" * 9000: 1}])
def test_a_wrong_word_is_repeated_up_to_a_length(request_: dict[str, Any]) -> None:
    assert ECHO_MAX < len(refusal(request_)) < 3 * ECHO_MAX
