"""No text of the decoder reaches a person: each wrong field is named with its value and limit."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.errors import BadRequestError
from hive.quantities import counted
from hive.wire import agent, host
from hive.wire.base import Request
from hive.wire.codec import RequestDecoder
from hive.wire.field_errors import explain_fields

DECODERS = [
    RequestDecoder[Request](union)
    for union in (agent.AgentRequest, agent.ManagerRequest, host.HostRequest)
]
REQUESTS = sorted(
    ((decoder, cls) for decoder in DECODERS for cls in decoder._verbs.values()),
    key=lambda each: str(each[1].__struct_config__.tag),
)
WRONG: list[Any] = [
    *(None, True, -1, 0, 1.5, 2**70, "", "x" * 200_000, "no such word", [], [[]], {}),
    *({"a": 1}, [""], [0] * 2000, {"agent_names": [""]}, {"agent_names": 7}, {"": ""}),
]
OF_THE_DECODER = ("`", "$", "Expected", "Invalid enum", "Object ", "msgspec")


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    names: Annotated[list[Annotated[str, msgspec.Meta(min_length=1)]], msgspec.Meta(max_length=2)]


class Example(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    count: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    share: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.5
    code: Annotated[str, msgspec.Meta(min_length=3, max_length=5)] = "abc"
    colour: Colour | None = None
    mode: Literal["on", "off"] = "on"
    inner: Inner | None = None
    by_name: dict[
        Annotated[str, msgspec.Meta(min_length=1)], Annotated[int, msgspec.Meta(ge=1)]
    ] = {}

    def __post_init__(self) -> None:
        if self.count == 7:
            raise ValueError("give another count than 7")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"count": 0}, "'count' is 0, at least 1 is needed"),
        ({"count": 10}, "'count' is 10, at most 9 is allowed"),
        ({"count": "3"}, "'count' is text, it takes a whole number"),
        ({"count": None}, "'count' is null, it takes a whole number"),
        ({"count": True}, "'count' is true, it takes a whole number"),
        ({"by_name": {"a": 0}}, "a value in 'by_name' is too small"),
        ({"by_name": {"": 1}}, "a name in 'by_name' is empty"),
        ({"share": 0}, "'share' is 0, more than 0 is needed"),
        ({"share": 1.0}, "'share' is 1.0, less than 1 is allowed"),
        ({"code": "ab"}, "'code' has 2 characters, at least 3 are needed"),
        ({"code": "abcdef"}, "'code' has 6 characters, at most 5 are allowed"),
        ({"colour": "rad"}, "'colour' is 'rad', it takes one of red, blue; did you mean 'red'?"),
        ({"mode": "of"}, "'mode' is 'of', it takes one of on, off; did you mean 'off'?"),
        ({"inner": {}}, "'names' is missing in 'inner'"),
        ({"inner": {"names": [], "x": 1}}, "'inner' has no field 'x'"),
        ({"inner": {"names": ["a", ""]}}, "item 2 of 'names' in 'inner' is empty"),
        ({"inner": {"names": ["a", "b", "c"]}}, "'names' in 'inner' has 3 items, at most 2 are"),
        ({"by_name": {"a": "b"}}, "a value in 'by_name' is text, it takes a whole number"),
        ({"count": 7}, "give another count than 7"),
    ],
)
def test_the_sentence_has_the_field_the_value_and_the_limit(fields, sentence):
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.json.decode(json.dumps(fields), type=Example)

    assert explain_fields(refused.value, fields, Example).startswith(sentence)


@pytest.mark.parametrize(("decoder", "cls"), REQUESTS, ids=[cls.__name__ for _, cls in REQUESTS])
def test_no_field_of_any_verb_is_refused_in_the_decoders_words(decoder, cls):
    for name in fields_of(cls):
        for value in WRONG:
            refused_in_own_words(decoder, cls, {name: value})


@given(data=st.data())
def test_no_fields_together_are_refused_in_the_decoders_words(data):
    decoder, cls = data.draw(st.sampled_from(REQUESTS))
    names = fields_of(cls)
    fields = data.draw(st.dictionaries(st.sampled_from(names), st.sampled_from(WRONG)))
    refused_in_own_words(decoder, cls, fields)


def fields_of(cls: type[Request]) -> list[str]:
    return [each.encode_name for each in msgspec.structs.fields(cls)]


def refused_in_own_words(
    decoder: RequestDecoder[Any], cls: type[Request], fields: dict[str, Any]
) -> None:
    line = json.dumps({"cmd": cls.__struct_config__.tag, **fields}).encode()
    sentence = ""
    try:
        decoder.decode(line)
    except BadRequestError as error:
        sentence = str(error)
    assert [word for word in OF_THE_DECODER if word in sentence] == [], fields


def test_a_long_value_is_shortened():
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.json.decode(json.dumps({"mode": "x" * 10_000}), type=Example)

    assert len(explain_fields(refused.value, {"mode": "x" * 10_000}, Example)) < 200


def test_an_error_that_is_not_known_is_told_in_general_words():
    error = msgspec.ValidationError("Something new - at `$.count`")

    assert explain_fields(error, {"count": 3}, Example) == (
        "'count' is 3, which is not allowed there"
    )


def test_singular_and_plural():
    assert [counted(number, "item") for number in (0, 1, 2)] == ["0 items", "1 item", "2 items"]


def test_every_verb_is_walked():
    verbs: set[Any] = {
        cls for union in (agent.AgentRequest, host.HostRequest) for cls in get_args(union)
    }
    assert verbs <= {cls for _, cls in REQUESTS}
