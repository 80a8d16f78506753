"""History of the calls of a broker's clients, and the check that it is consistent.

Clients record the beginning of each call and its end, as Jepsen does (jepsen.io): `ok`, `fail` (it
certainly did not happen), or `info` (unknown, for instance because the connection broke). A call
without an end counts as `info`. Bodies are unique, so a message is identified by its body from its
send to its ack.

The check needs no search through possible orders: for a queue of unique messages these axioms are
sufficient, and each violation names its message.

    python -m hive.testing.history FILE...     check recorded histories, one JSON object a line
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import count, pairwise
from pathlib import Path
from typing import Any, TextIO

from attrs import asdict, define, evolve, field, frozen

from hive.quantities import counted


class Verb(StrEnum):
    """The verb of a call."""

    SEND = "send"
    RECV = "recv"
    ACK = "ack"


class Phase(StrEnum):
    """The beginning of a call, or one of its three ends."""

    INVOKE = "invoke"
    OK = "ok"
    FAIL = "fail"
    INFO = "info"


@frozen
class HistoryEvent:
    """The beginning or the end of one call. A `recv` has one `ok` for each received message.

    Attributes:
        at: Nanoseconds of the machine's monotonic clock, comparable between processes.
        process: The client; its calls do not overlap.
        call: Number of the call, the same at its beginning and its end.
        verb: The verb of the call.
        phase: The beginning or an end.
        inbox: The recipient of a send, or the inbox that is read.
        body: The message, if known.
        id: The broker's id of the message.
        attempt: Number of the delivery.
        redelivered: Whether the broker marked the delivery as a repeat.
    """

    at: int
    process: str
    call: int
    verb: Verb = field(converter=Verb)
    phase: Phase = field(converter=Phase)
    inbox: str
    body: str | None = None
    id: int | None = None
    attempt: int = 0
    redelivered: bool = False


class Axiom(StrEnum):
    """The properties of a consistent history."""

    NO_LOSS = "no loss"
    NO_INVENTION = "no invention"
    MARKED_DUPLICATES = "duplicates are few and marked"
    SENDER_ORDER = "order of each sender"
    ACK_STABILITY = "acked stays acked"
    LIVENESS = "all is read after the last fault"


@frozen
class Violation:
    """An axiom that does not hold, with a sentence about the messages concerned."""

    axiom: Axiom
    sentence: str

    def __str__(self) -> str:
        return f"{self.axiom}: {self.sentence}"


@define
class Recorder:
    """Writes the history of one client; each line is flushed, since the client may be killed.

    Args:
        file: The file of the history.
        process: The client's name.
    """

    file: TextIO
    process: str
    _calls: Iterator[int] = field(factory=lambda: count(1), init=False)

    def invoke(self, verb: Verb, inbox: str, **facts: Any) -> HistoryEvent:
        """Record the beginning of a call."""
        begun = HistoryEvent(
            time.monotonic_ns(),
            self.process,
            next(self._calls),
            verb,
            Phase.INVOKE,
            inbox,
            **facts,
        )
        return self._write(begun)

    def end(self, begun: HistoryEvent, phase: Phase, **facts: Any) -> HistoryEvent:
        """Record the end of a call."""
        at = time.monotonic_ns()
        return self._write(evolve(begun, at=at, phase=phase, **facts))

    def _write(self, event: HistoryEvent) -> HistoryEvent:
        self.file.write(json.dumps(asdict(event)) + "\n")
        self.file.flush()
        return event


def read(paths: Iterable[Path]) -> list[HistoryEvent]:
    """Return the histories of several clients as one, in the order of time.

    An incomplete last line of a killed client is left out.
    """
    events = [
        HistoryEvent(**json.loads(line))
        for path in paths
        for line in path.read_text().splitlines(keepends=True)
        if line.endswith("\n")
    ]
    return sorted(events, key=lambda event: event.at)


def check(
    history: Sequence[HistoryEvent],
    *,
    left: Collection[str] = (),
    drained: bool = True,
    most_deliveries: int = 1000,
) -> list[Violation]:
    """Return the violations of a history; none if it is consistent.

    Args:
        history: Events in the order of time.
        left: Bodies that are still in an inbox at the end.
        drained: Whether clients had time to read everything after the last fault.
        most_deliveries: Limit of the deliveries of one message.
    """
    index = _Index.of(history)
    found = [
        *_no_loss(index, left),
        *_no_invention(index),
        *_marked_duplicates(index, most_deliveries),
        *_sender_order(index),
        *_ack_stability(index),
    ]
    if drained:
        found += [Violation(Axiom.LIVENESS, f"{body!r} is still unread") for body in sorted(left)]
    return found


@define
class _Index:
    """A history, indexed for the axioms."""

    invoked: dict[tuple[str, int], HistoryEvent] = field(factory=dict)
    sends: dict[str, HistoryEvent] = field(factory=dict)
    sent: dict[str, HistoryEvent] = field(factory=dict)
    refused: set[str] = field(factory=set)
    deliveries: dict[str, list[HistoryEvent]] = field(factory=lambda: defaultdict(list))
    acked: dict[int, HistoryEvent] = field(factory=dict)

    @classmethod
    def of(cls, history: Iterable[HistoryEvent]) -> _Index:
        index = cls()
        for event in history:
            index.add(event)
        return index

    def add(self, event: HistoryEvent) -> None:
        body = event.body or ""
        match event.verb, event.phase:
            case Verb.SEND, Phase.INVOKE:
                self.sends[body] = event
            case Verb.SEND, Phase.OK:
                self.sent[body] = event
            case Verb.SEND, Phase.FAIL:
                self.refused.add(body)
            case Verb.RECV, Phase.INVOKE:
                self.invoked[event.process, event.call] = event
            case Verb.RECV, Phase.OK if event.body is not None:
                self.deliveries[body].append(event)
            case Verb.ACK, Phase.OK if event.id is not None:
                self.acked.setdefault(event.id, event)


def _no_loss(index: _Index, left: Collection[str]) -> Iterator[Violation]:
    for body, event in index.sent.items():
        if body not in index.deliveries and body not in left:
            sentence = f"{body!r} was answered ok as {event.id}, and was never delivered"
            yield Violation(Axiom.NO_LOSS, sentence)


def _no_invention(index: _Index) -> Iterator[Violation]:
    for body, deliveries in index.deliveries.items():
        send, sent = index.sends.get(body), index.sent.get(body)
        for got in deliveries:
            if send is None:
                wrong = "it was never sent"
            elif body in index.refused:
                wrong = "its send was refused"
            elif send.inbox != got.inbox:
                wrong = f"it was sent to {send.inbox!r}"
            elif sent is not None and sent.id != got.id:
                wrong = f"the response to its send had the id {sent.id}"
            else:
                continue
            sentence = f"{got.inbox!r} got {body!r} as {got.id}, but {wrong}"
            yield Violation(Axiom.NO_INVENTION, sentence)


def _marked_duplicates(index: _Index, most: int) -> Iterator[Violation]:
    for body, deliveries in index.deliveries.items():
        ordered = sorted(deliveries, key=lambda got: got.attempt)
        if len(ordered) > most:
            sentence = (
                f"{body!r} was delivered {counted(len(ordered), 'time')}, at most {most} allowed"
            )
            yield Violation(Axiom.MARKED_DUPLICATES, sentence)
        for before, after in pairwise(ordered):
            if before.attempt == after.attempt:
                sentence = f"two deliveries of {body!r} are attempt {after.attempt}"
                yield Violation(Axiom.MARKED_DUPLICATES, sentence)
            elif not after.redelivered:
                sentence = f"attempt {after.attempt} of {body!r} is not marked as redelivered"
                yield Violation(Axiom.MARKED_DUPLICATES, sentence)


def _sender_order(index: _Index) -> Iterator[Violation]:
    """Ids grow with each sender's sends, and first deliveries to a receiver have growing ids."""
    last: dict[tuple[str, str], HistoryEvent] = {}
    for sent in sorted(index.sent.values(), key=lambda event: event.at):
        yield from _grows(last, (sent.process, sent.inbox), sent)
    last.clear()
    first = [got for each in index.deliveries.values() for got in each if not got.redelivered]
    for got in sorted(first, key=lambda event: event.at):
        send = index.sends.get(got.body or "")
        if send is not None:
            yield from _grows(last, (send.process, got.process), got)


def _grows(
    last: dict[tuple[str, str], HistoryEvent], key: tuple[str, str], event: HistoryEvent
) -> Iterator[Violation]:
    before = last.get(key)
    last[key] = event
    if before is not None and (before.id or 0) >= (event.id or 0):
        what = "answered" if event.verb is Verb.SEND else "delivered"
        sentence = f"{before.body!r} ({before.id}) was {what} before {event.body!r} ({event.id})"
        yield Violation(Axiom.SENDER_ORDER, f"{key[0]}: {sentence}")


def _ack_stability(index: _Index) -> Iterator[Violation]:
    for body, deliveries in index.deliveries.items():
        for got in deliveries:
            acked = index.acked.get(got.id or 0)
            asked = index.invoked.get((got.process, got.call), got)
            if acked is not None and asked.at > acked.at:
                sentence = f"{body!r} ({got.id}) was acked, and then {got.process} got it again"
                yield Violation(Axiom.ACK_STABILITY, sentence)


def main(arguments: Sequence[str]) -> int:
    """Print the violations of the histories in files; return 1 if there are any."""
    history = read(map(Path, arguments))
    found = check(history, drained=False)
    for violation in found:
        sys.stdout.write(f"{violation}\n")
    sys.stdout.write(f"{counted(len(history), 'event')}, {counted(len(found), 'violation')}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
