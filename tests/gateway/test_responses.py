"""The line of a struct is, byte for byte, that of its fields."""

from __future__ import annotations

import msgspec
import pytest

from hive.errors import FailedError
from hive.gateway.late_answers import response_line
from hive.wire.codec import encode_error, encode_ok
from hive.wire.rows import Delivery, Received, SkippedRow, Stored

ROW = Delivery(
    id=1,
    sender="bob",
    body="x",
    sent_at="t",
    attempt=1,
    redelivered=False,
    lease="1-1",
    kind="agent",
    thread=7,
)


@pytest.mark.parametrize(
    ("response", "fields"),
    [
        (Received(True, []), {"messages": []}),
        (Received(True, [ROW]), {"messages": [ROW]}),
        (Stored(True, 7, ("bob",)), {"id": 7, "recipients": ["bob"]}),
        (Stored(True, msgspec.UNSET, ()), {"id": None, "recipients": []}),
        (
            Stored(True, 7, ("bob",), True, "they loop", [SkippedRow(name="eve", reason="away")]),
            {
                "id": 7,
                "recipients": ["bob"],
                "duplicate": True,
                "parked": "they loop",
                "skipped": [{"name": "eve", "reason": "away"}],
            },
        ),
    ],
)
@pytest.mark.parametrize("req", [None, 3, "three"])
def test_a_response_with_a_struct_is_the_line_that_its_fields_make(
    response: Received | Stored, fields: dict[str, object], req: str | int | None
) -> None:
    assert response_line(response, req, "send") == encode_ok(req, **fields)


def test_an_error_is_the_line_of_a_refusal() -> None:
    error = FailedError("no")
    assert response_line(error, 7, "send") == encode_error(error, 7)


def test_what_cannot_be_put_as_json_is_answered_as_a_bug(caplog: pytest.LogCaptureFixture) -> None:
    line = response_line({"odd": object()}, 7, "list")
    answer = msgspec.json.decode(line)
    assert (answer["ok"], answer["code"], answer["req"]) == (False, "failed", 7)
    assert "a bug in hive-c0re: 'list' failed" in caplog.text
