"""Spans of turns: a message from its send to its ack, and within it the turn that worked on it.

A trace is a thread of messages: a reply belongs to the trace of what it answers. The ids are made
from the ids of the messages, so a later daemon goes on with the same trace. A message that was
delivered several times has a span for each attempt. Bodies, notes and names of tools are not
exported. Pure; runs on the export thread. The attributes follow the semantic conventions for
generative AI and for messaging.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from attrs import frozen
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from hive.store import Message
from hive.store.usage import StoredTurn
from hive.wire.enums import TurnOutcome

MOST_MESSAGES = 32
"""Messages of one turn that have a span; the others are only counted."""

Attributes = dict[str, str | int | float | bool]


class FinishedTurn(NamedTuple):
    """A turn, with the participant that ran it."""

    name: str
    record: StoredTurn


@frozen
class SpanMaker:
    """Makes the spans of turns.

    Attributes:
        hive: What distinguishes this hive from others, part of the ids.
        resource: What is monitored.
        scope: What has measured it.
    """

    hive: str
    resource: Resource
    scope: InstrumentationScope

    def spans(
        self, turns: Iterable[tuple[str, StoredTurn]], messages: Mapping[int, Message]
    ) -> list[ReadableSpan]:
        """Return the spans of turns and of their messages; one that is gone has none."""
        return [span for turn in turns for span in self._spans_of(FinishedTurn(*turn), messages)]

    def _spans_of(
        self, turn: FinishedTurn, messages: Mapping[int, Message]
    ) -> Iterator[ReadableSpan]:
        ids = turn.record.messages[:MOST_MESSAGES]
        found = [messages[number] for number in ids if number in messages]
        contexts = [self._message_context(message) for message in found]
        for message, context in zip(found, contexts, strict=True):
            yield self._message_span(message, context, turn)
        yield self._turn_span(turn, contexts)

    def _message_span(
        self, message: Message, context: SpanContext, turn: FinishedTurn
    ) -> ReadableSpan:
        times = {"lease": message.leased_at, "ack": message.ended_at}
        events = [Event(name, timestamp=_nano(at)) for name, at in times.items() if at is not None]
        return ReadableSpan(
            f"process {message.inbox}",
            context=context,
            parent=self._parent(message, context),
            resource=self.resource,
            attributes=_message_attributes(message),
            events=events,
            kind=SpanKind.CONSUMER,
            start_time=_nano(message.sent_at),
            end_time=_nano(max(message.ended_at or turn.record.ended_at, message.sent_at)),
            instrumentation_scope=self.scope,
        )

    def _turn_span(self, turn: FinishedTurn, contexts: Sequence[SpanContext]) -> ReadableSpan:
        record = turn.record
        key = f"turn {turn.name} {record.started_at!r}"
        parent = contexts[0] if contexts else None
        trace = self._number(key, 16) if parent is None else parent.trace_id
        return ReadableSpan(
            f"invoke_agent {turn.name}",
            context=_context(trace, self._number(key, 8)),
            parent=parent,
            resource=self.resource,
            attributes=_turn_attributes(turn),
            links=[Link(context) for context in contexts[1:]],
            status=_status(record),
            start_time=_nano(record.started_at),
            end_time=_nano(record.ended_at),
            instrumentation_scope=self.scope,
        )

    def _message_context(self, message: Message) -> SpanContext:
        trace = self._number(f"thread {message.thread or message.id}", 16)
        return _context(trace, self._number(f"message {message.id} {message.attempts}", 8))

    def _parent(self, message: Message, context: SpanContext) -> SpanContext | None:
        """Return the span of the first attempt of the message that it answers."""
        if message.in_reply_to is None:
            return None
        return _context(context.trace_id, self._number(f"message {message.in_reply_to} 1", 8))

    def _number(self, key: str, size: int) -> int:
        """Return a number that is never 0, which OpenTelemetry takes for no id."""
        digest = blake2b(f"{self.hive} {key}".encode(), digest_size=size).digest()
        return int.from_bytes(digest) or 1


def _context(trace: int, span: int) -> SpanContext:
    return SpanContext(trace, span, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _message_attributes(message: Message) -> Attributes:
    return {
        "messaging.system": "hyperhive",
        "messaging.operation.type": "process",
        "messaging.destination.name": message.inbox,
        "messaging.message.id": str(message.id),
        "messaging.message.body.size": message.size,
        "hyperhive.sender": message.sender,
        "hyperhive.attempt": message.attempts,
        "hyperhive.state": message.state.value,
    }


def _turn_attributes(turn: FinishedTurn) -> Attributes:
    record = turn.record
    attributes: Attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": turn.name,
        "gen_ai.usage.input_tokens": record.input_tokens,
        "gen_ai.usage.output_tokens": record.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": record.cache_read_tokens,
        "gen_ai.usage.cache_creation.input_tokens": record.cache_write_tokens,
        "hyperhive.wake": record.wake,
        "hyperhive.outcome": record.outcome.value,
        "hyperhive.messages": len(record.messages),
    }
    if record.model is not None:
        attributes["gen_ai.request.model"] = record.model
    if record.frozen_seconds:
        attributes["hyperhive.frozen_seconds"] = record.frozen_seconds
    if record.cost_usd is not None:
        attributes["hyperhive.cost_usd"] = record.cost_usd
    return attributes


def _status(record: StoredTurn) -> Status:
    if record.outcome is TurnOutcome.FAILED:
        return Status(StatusCode.ERROR, "the turn failed")
    return Status(StatusCode.OK if record.outcome is TurnOutcome.DONE else StatusCode.UNSET)


def _nano(seconds: float) -> int:
    """Return a wall time in nanoseconds, as far as OTLP has digits: until the year 2554."""
    return min(int(seconds * 1e9), 2**64 - 1)
