"""Spans of turns: one trace for a thread, ids that stay the same, no text of participants."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import StatusCode

from hive.store import Kind, Message, MessageKind, MessageState
from hive.store.usage import StoredTurn
from hive.telemetry.turn_spans import MOST_MESSAGES, SpanMaker
from hive.wire.enums import TurnOutcome

MAKER = SpanMaker("box:/state", Resource({}), InstrumentationScope("hyperhive"))


def message(number: int, **more: Any) -> Message:
    fields: dict[str, Any] = {"attempts": 1, "leased_at": 110.0, "ended_at": 130.0} | more
    made = Message(number, "bob", "alice", Kind.AGENT, MessageKind.MESSAGE, 5, 100.0, body="secret")
    made.state = MessageState.ACKED
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def turn(*ids: int, outcome: TurnOutcome = TurnOutcome.DONE) -> tuple[str, StoredTurn]:
    return "bob", StoredTurn(115.0, 125.0, "message", outcome, messages=ids, note="secret")


def spans(*messages: Message, of: tuple[str, StoredTurn] | None = None) -> list[ReadableSpan]:
    found = {each.id: each for each in messages}
    return MAKER.spans([of or turn(*found)], found)


def test_a_reply_is_in_the_trace_of_what_it_answers() -> None:
    first, _ = spans(message(7))
    reply, turn_of_reply = spans(message(9, thread=7, in_reply_to=7))
    assert reply.context.trace_id == first.context.trace_id == turn_of_reply.context.trace_id
    assert reply.parent is not None
    assert reply.parent.span_id == first.context.span_id


def test_another_attempt_has_a_span_of_its_own_in_the_same_trace() -> None:
    first, _ = spans(message(7))
    again, _ = spans(message(7, attempts=2))
    assert first.context.trace_id == again.context.trace_id
    assert first.context.span_id != again.context.span_id


def test_another_hive_has_other_traces() -> None:
    other = SpanMaker("box:/other", MAKER.resource, MAKER.scope)
    [one, _], [two, _] = spans(message(7)), other.spans([turn(7)], {7: message(7)})
    assert one.context.trace_id != two.context.trace_id


def test_a_turn_on_several_messages_is_linked_to_each() -> None:
    *found, of_turn = spans(message(1), message(2), message(3))
    assert of_turn.parent == found[0].context
    assert [link.context for link in of_turn.links] == [each.context for each in found[1:]]


def test_a_turn_without_messages_is_a_trace_of_its_own() -> None:
    [only] = spans(of=turn())
    assert only.parent is None
    assert only.context.is_valid


def test_a_message_that_is_not_acked_ends_with_the_turn() -> None:
    span, _ = spans(message(1, ended_at=None))
    assert span.end_time == 125 * 10**9
    assert [event.name for event in span.events] == ["lease"]


def test_a_large_turn_has_a_bounded_number_of_spans() -> None:
    many = [message(number) for number in range(1, 200)]
    assert len(spans(*many)) == MOST_MESSAGES + 1


def test_a_turn_of_any_time_that_may_be_reported_costs_no_other_its_spans() -> None:
    last = 253402300799.0  # of the year 9999, see `hive.wire.base.UnixTime`
    late = ("eve", StoredTurn(last, last, "message", TurnOutcome.DONE))
    made = MAKER.spans([turn(), late], {})
    assert len(encode_spans(made).resource_spans[0].scope_spans[0].spans) == 2


def test_a_failed_turn_is_an_error() -> None:
    [only] = spans(of=turn(outcome=TurnOutcome.FAILED))
    assert only.status.status_code is StatusCode.ERROR


def test_no_text_of_a_participant_is_exported() -> None:
    assert not any("secret" in span.to_json() for span in spans(message(1)))


@given(st.integers(1, 2**53), st.integers(0, 2**53))
def test_ids_are_valid_and_the_same_each_time(number: int, thread: int) -> None:
    one, other = (spans(message(number, thread=thread or None)) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        assert a.context.is_valid
        assert a.context == b.context
