"""The wait of `send --wait` for answers: of the recipient, or of every member of a group.

Each recipient has a copy of the message with an id of its own, and answers that copy. The daemon
says what becomes of each copy: its answer, its end without one, or why nobody works on it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import closing
from typing import Any

from hive.cli import output
from hive.cli.requests import QUERY, call, follow
from hive.errors import HiveError, TimedOutError, UnansweredError

Row = Mapping[str, Any]
"""A message of the operator's inbox, see `hive.wire.rows.InboxRow`."""

Fields = Mapping[str, Any]
"""What is new about the copies, see `hive.wire.host.Answers`."""


class AnswerWait:
    """The answers to the copies of one message.

    Args:
        copies: The recipient of each copy, by its id.
        look: Returns what became of copies until now.
        follow: Yields what is new about copies, for so many seconds, which a TimedOutError ends.
        complain: Prints why there is no answer of a recipient, or none yet.
        now: Returns monotonic seconds.

    Attributes:
        first: The id of the first copy, by which the message is known.
        missing: The recipients that have neither answered nor will not, by the id of their copy.
        unanswered: Why the others gave no answer, by their names.
    """

    def __init__(
        self,
        copies: Mapping[int, str],
        look: Callable[[Collection[int]], Fields],
        follow: Callable[[Collection[int], float], Generator[Fields]],
        *,
        complain: Callable[[str], object] = output.complain,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.first = min(copies)
        self.missing = dict(copies)
        self.unanswered: dict[str, str] = {}
        self._count = len(copies)
        self._look = look
        self._follow = follow
        self._complain = complain
        self._reported: set[str] = set()
        self._now = now

    def wait(self, seconds: float) -> Iterator[Row]:
        """Yield the first answer to each copy as it comes.

        Raises:
            TimedOutError: Not all came in time; the sentence says who did not answer, and that the
                message is stored.
            UnansweredError: Copies have ended without an answer; the sentence says why.
            HiveError: The daemon cannot be asked; the sentence says that the message is stored.
        """
        deadline = self._now() + seconds
        try:
            yield from self._take(self._look([*self.missing]))
            left = deadline - self._now()
            if self.missing and left > 0:
                yield from self._wait(left)
        except UnansweredError:
            raise
        except HiveError as error:
            why = f"its answer cannot be fetched: {error}"
            raise type(error)(self.stored(why)) from None
        if self.missing:
            raise TimedOutError(self.stored(self._why_missing(seconds)))
        if self.unanswered:
            raise UnansweredError(self._why_unanswered())

    def stored(self, why: str) -> str:
        """Return why there is no answer; the message is stored and must not be sent again."""
        return (
            f"message {self.first} is stored, but {why}; a later answer will be in "
            "'hive-c0re inbox'"
        )

    def _wait(self, seconds: float) -> Iterator[Row]:
        try:
            with closing(self._follow([*self.missing], seconds)) as responses:
                for fields in responses:
                    yield from self._take(fields)
                    if not self.missing:
                        return
        except TimedOutError:
            # A program that was suspended finds its time over, and what came meanwhile.
            yield from self._take(self._look([*self.missing]))

    def _take(self, fields: Fields) -> list[Row]:
        """Return the new answers; say why others have none."""
        for row in fields.get("hindrances", ()):
            self._say(f"waiting for an answer of message {row['id']}: {row['what']}")
        found = []
        for row in fields.get("answers", ()):
            del self.missing[row["id"]]
            if "answer" in row:
                found.append(row["answer"])
            else:
                self.unanswered[row["to"]] = row["reason"]
                if self._count > 1:
                    self._say(f"{row['to']} gives no answer: {row['reason']}")
        return found

    def _say(self, sentence: str) -> None:
        """Say something once."""
        if sentence not in self._reported:
            self._reported.add(sentence)
            self._complain(sentence)

    def _why_missing(self, seconds: float) -> str:
        if self._count == 1:
            return f"no answer came within {seconds:g} s"
        names = ", ".join(self.missing.values())
        count = f"{len(self.missing)} of {self._count}"
        return f"{count} did not answer within {seconds:g} s: {names}"

    def _why_unanswered(self) -> str:
        if self._count == 1:
            [reason] = self.unanswered.values()
            return f"message {self.first} gets no answer: {reason}"
        names = ", ".join(self.unanswered)
        return f"{len(self.unanswered)} of {self._count} gave no answer: {names}"


def answers_to(sent: Mapping[str, Any]) -> AnswerWait:
    """Return the wait for the answers to a message that was just sent.

    Args:
        sent: The response to `send`; the ids of the copies follow the first, in the order of the
            recipients.
    """
    first: int = sent["id"]
    copies = dict(enumerate(sent.get("recipients") or [""], start=first))
    return AnswerWait(copies, _look, _follow)


def _look(ids: Collection[int]) -> Fields:
    return call("answers", timeout=QUERY, ids=ids)


def _follow(ids: Collection[int], seconds: float) -> Generator[Fields]:
    yield from follow("answers", within=seconds, ids=ids, follow=True)
