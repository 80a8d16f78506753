"""A history of what clients of a broker did and saw, and the check that it could have happened.

Clients record each call when they begin it and when they know how it ended, as Jepsen does
(jepsen.io): `ok`, `fail` (it certainly did not happen), or `info` (nobody knows, for instance
because the connection broke). A call without an end counts as `info`. Bodies are unique, so a
message is known by its body from its send to its ack.

The check needs no search through possible orders: for a queue of unique messages these axioms are
enough, and each can say what exactly is wrong.

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


class Verb(StrEnum):
    """What a client did."""

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
    """The beginning or the end of one call. A `recv` has one `ok` for each message that it got.

    Attributes:
        at: Nanoseconds of the machine's monotonic clock, comparable between processes.
        process: The client; it does one thing after the other.
        call: Number of the call, which its beginning and end share.
        inbox: Where to, or whose mail.
        body: The message, where one is known.
        id: The broker's number of it.
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
    """What must hold of every history."""

    NO_LOSS = "no loss"
    NO_INVENTION = "no invention"
    MARKED_DUPLICATES = "duplicates are few and marked"
    SENDER_ORDER = "order of each sender"
    ACK_STABILITY = "acked stays acked"
    LIVENESS = "all is read once faults stop"


@frozen
class Violation:
    """An axiom that does not hold, and where one can see it."""

    axiom: Axiom
    sentence: str

    def __str__(self) -> str:
        return f"{self.axiom}: {self.sentence}"


@define
class Recorder:
    """Writes one client's history down, each line at once: the client may be killed any time.

    Args:
        file: Where lines go.
        process: The client's name.
    """

    file: TextIO
    process: str
    _calls: Iterator[int] = field(factory=lambda: count(1), init=False)

    def invoke(self, verb: Verb, inbox: str, **facts: Any) -> HistoryEvent:
        """Note the beginning of a call."""
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
        """Note how a call ended."""
        at = time.monotonic_ns()
        return self._write(evolve(begun, at=at, phase=phase, **facts))

    def _write(self, event: HistoryEvent) -> HistoryEvent:
        self.file.write(json.dumps(asdict(event)) + "\n")
        self.file.flush()
        return event


def read(paths: Iterable[Path]) -> list[HistoryEvent]:
    """Read the histories of several clients as one, in the order of time.

    The last line of a client that was killed may be cut; it is left out.
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
    """Return everything that is wrong with a history; nothing if it could have happened.

    Args:
        history: Events in the order of time.
        left: Bodies that are still in an inbox at the end.
        drained: Whether faults have stopped and clients were given time: then all must be read.
        most_deliveries: How often one message may be delivered.
    """
    story = _Story.of(history)
    found = [
        *_no_loss(story, left),
        *_no_invention(story),
        *_marked_duplicates(story, most_deliveries),
        *_sender_order(story),
        *_ack_stability(story),
    ]
    if drained:
        found += [Violation(Axiom.LIVENESS, f"{body!r} is still unread") for body in sorted(left)]
    return found


@define
class _Story:
    """A history, sorted by what the axioms ask for."""

    invoked: dict[tuple[str, int], HistoryEvent] = field(factory=dict)
    sends: dict[str, HistoryEvent] = field(factory=dict)
    sent: dict[str, HistoryEvent] = field(factory=dict)
    refused: set[str] = field(factory=set)
    deliveries: dict[str, list[HistoryEvent]] = field(factory=lambda: defaultdict(list))
    acked: dict[int, HistoryEvent] = field(factory=dict)

    @classmethod
    def of(cls, history: Iterable[HistoryEvent]) -> _Story:
        story = cls()
        for event in history:
            story.add(event)
        return story

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


def _no_loss(story: _Story, left: Collection[str]) -> Iterator[Violation]:
    for body, event in story.sent.items():
        if body not in story.deliveries and body not in left:
            sentence = f"{body!r} was answered ok as {event.id}, and nobody ever got it"
            yield Violation(Axiom.NO_LOSS, sentence)


def _no_invention(story: _Story) -> Iterator[Violation]:
    for body, deliveries in story.deliveries.items():
        send, sent = story.sends.get(body), story.sent.get(body)
        for got in deliveries:
            if send is None:
                wrong = "nobody sent it"
            elif body in story.refused:
                wrong = "its send was refused"
            elif send.inbox != got.inbox:
                wrong = f"it was sent to {send.inbox!r}"
            elif sent is not None and sent.id != got.id:
                wrong = f"its sender was told the id {sent.id}"
            else:
                continue
            sentence = f"{got.inbox!r} got {body!r} as {got.id}, but {wrong}"
            yield Violation(Axiom.NO_INVENTION, sentence)


def _marked_duplicates(story: _Story, most: int) -> Iterator[Violation]:
    for body, deliveries in story.deliveries.items():
        ordered = sorted(deliveries, key=lambda got: got.attempt)
        if len(ordered) > most:
            sentence = f"{body!r} was delivered {len(ordered)} times, {most} are allowed"
            yield Violation(Axiom.MARKED_DUPLICATES, sentence)
        for before, after in pairwise(ordered):
            if before.attempt == after.attempt:
                sentence = f"two deliveries of {body!r} are attempt {after.attempt}"
                yield Violation(Axiom.MARKED_DUPLICATES, sentence)
            elif not after.redelivered:
                sentence = f"attempt {after.attempt} of {body!r} is not marked as redelivered"
                yield Violation(Axiom.MARKED_DUPLICATES, sentence)


def _sender_order(story: _Story) -> Iterator[Violation]:
    """Ids grow with each sender's sends, and each receiver gets what is fresh by growing ids."""
    last: dict[tuple[str, str], HistoryEvent] = {}
    for sent in sorted(story.sent.values(), key=lambda event: event.at):
        yield from _grows(last, (sent.process, sent.inbox), sent)
    last.clear()
    fresh = [got for each in story.deliveries.values() for got in each if not got.redelivered]
    for got in sorted(fresh, key=lambda event: event.at):
        send = story.sends.get(got.body or "")
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


def _ack_stability(story: _Story) -> Iterator[Violation]:
    for body, deliveries in story.deliveries.items():
        for got in deliveries:
            acked = story.acked.get(got.id or 0)
            asked = story.invoked.get((got.process, got.call), got)
            if acked is not None and asked.at > acked.at:
                sentence = f"{body!r} ({got.id}) was acked, and then {got.process} got it again"
                yield Violation(Axiom.ACK_STABILITY, sentence)


def main(arguments: Sequence[str]) -> int:
    """Check the histories in files; print what is wrong and return 1 if anything is."""
    history = read(map(Path, arguments))
    found = check(history, drained=False)
    for violation in found:
        sys.stdout.write(f"{violation}\n")
    sys.stdout.write(f"{len(history)} events, {len(found)} violations\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
