"""The JSON of a row is, byte for byte, that of a dictionary of its present fields."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType
from typing import Any, get_args, get_origin

import msgspec
import pytest

from hive.client import agent
from hive.wire import (
    attach,
    attention,
    change_rows,
    harness,
    metric_rows,
    overview_rows,
    rows,
    timeline_rows,
    turn_rows,
    web_requests,
)
from hive.wire.attention import AttentionKind
from hive.wire.codec import encode_ok
from hive.wire.enums import OrderKind
from hive.wire.metric_rows import MetricType
from hive.wire.rows import EventRow, ReceiptRow, Row, StepRow, TreeRow

SAMPLES = {
    int: (7, 0),
    float: (2.5, 0.0),
    bool: (True, False),
    str: ('text with "quotes" and \u00fc', ""),
    OrderKind: (OrderKind.PAUSE, OrderKind.RESTARTED),
    AttentionKind: (AttentionKind.QUESTION, AttentionKind.MAIL),
    MetricType: (MetricType.GAUGE, MetricType.COUNTER),
    Any: ({"deep": [1, None, {"er": None}]}, None),
}
"""By type: a value, and a value that is false but not absent."""

FULL, EMPTY = 0, 1

CLASSES = sorted(Row.__subclasses__(), key=lambda cls: cls.__name__)
"""Every row of the wire and of the client."""


def present_fields(value: Any) -> Any:
    """Return rows as dictionaries of the fields that are not None; dictionaries are unchanged."""
    if isinstance(value, Row):
        fields = msgspec.structs.fields(type(value))
        return {
            each.encode_name: present_fields(found)
            for each in fields
            if (found := getattr(value, each.name)) is not None
        }
    return [present_fields(item) for item in value] if isinstance(value, list | tuple) else value


def sample(kind: Any, which: int, depth: int) -> Any:
    """Return a value of a field's type."""
    options = [each for each in get_args(kind) if each is not NoneType]
    if get_origin(kind) in {list, tuple}:
        items = depth > 0 and which == FULL
        return [sample(options[0], each, depth - 1) for each in (FULL, EMPTY)] if items else []
    if get_origin(kind) is dict:
        return {"key": sample(options[1], which, depth)} if which == FULL else {}
    if options:
        return sample(options[0], which, depth)
    if isinstance(kind, type) and issubclass(kind, Row):
        return row_of(kind, which, depth)
    return SAMPLES[kind][which]


def row_of(cls: type[Row], which: int, depth: int = 2, *, required: bool = False) -> Row:
    """Return a row with all fields set, or only the required ones."""
    fields = msgspec.structs.fields(cls)
    chosen = [each for each in fields if each.required or not required]
    return cls(**{each.name: sample(each.type, which, depth) for each in chosen})


def rows_of(cls: type[Row]) -> Iterator[Row]:
    for which in (FULL, EMPTY):
        yield row_of(cls, which)
        yield row_of(cls, which, required=True)


def test_every_row_class_is_covered() -> None:
    modules = (
        *(rows, change_rows, turn_rows, harness, metric_rows, overview_rows, agent, attention),
        *(attach, timeline_rows, web_requests),
    )
    found = {each for module in modules for each in vars(module).values() if isinstance(each, type)}
    assert set(CLASSES) == {each for each in found if issubclass(each, Row)} - {Row}


@pytest.mark.parametrize("cls", CLASSES)
def test_a_row_is_encoded_as_its_present_fields(cls: type[Row]) -> None:
    for row in rows_of(cls):
        assert msgspec.json.encode(row) == msgspec.json.encode(present_fields(row))


@pytest.mark.parametrize("cls", CLASSES)
def test_rows_in_a_response_are_encoded_as_their_present_fields(cls: type[Row]) -> None:
    found = list(rows_of(cls))
    plain = {
        "version": 1,
        "ok": True,
        "one": present_fields(found[0]),
        "many": present_fields(found),
        "req": 3,
    }
    expected = msgspec.json.encode(plain) + b"\n"
    assert encode_ok(3, one=found[0], none=None, many=found) == expected
    assert encode_ok(3, one=found[0], many=tuple(found)) == expected


def test_empty_values_are_encoded_and_absent_fields_are_not() -> None:
    event = EventRow(seq=1, at="t", event="started")
    assert msgspec.json.encode(event) == b'{"seq":1,"at":"t","event":"started","detail":{}}'
    node = TreeRow(path="/", kind="actor", state="running")
    assert msgspec.json.encode(node) == (
        b'{"path":"/","kind":"actor","state":"running","restarts":0,"mailbox":0,"children":[]}'
    )
    receipt = ReceiptRow(id=1, to="bob", state="stored", steps=[StepRow(step="stored", at="t")])
    assert msgspec.json.encode(receipt) == (
        b'{"id":1,"to":"bob","state":"stored","steps":[{"step":"stored","at":"t"}]}'
    )


def test_dictionaries_are_encoded_with_their_null_and_empty_values() -> None:
    assert encode_ok(urls={}) == b'{"version":1,"ok":true,"urls":{}}\n'
    event = EventRow(seq=1, at="t", event="ended", detail={"reason": None, "last_lines": []})
    line = encode_ok(events=[event])
    assert line.endswith(b'"detail":{"reason":null,"last_lines":[]}}]}\n')


def test_rows_do_not_share_a_default() -> None:
    first, second = (EventRow(seq=seq, at="t", event="started") for seq in (1, 2))
    assert first.detail is not second.detail
