"""The wait of `send --wait` for the answers to a participant's own message.

Its socket has no stream of answers. The wait looks at the own inbox and at the message's receipts
again and again, which leases nothing; each look is metered as any request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from hive.base_directories import StrPath
from hive.client.responses import copies, skipped_sentences
from hive.errors import HiveError, TimedOutError, UnansweredError
from hive.escapes import block
from hive.harness.cli.call import (
    json_line,
    message_lines,
    print_lines,
    print_sentences,
    read_body,
    request,
)
from hive.names import GROUP_PREFIX

Fields = dict[str, Any]

Row = Fields
"""A message of the inbox, see `hive.wire.rows.InboxRow`."""

Request = Callable[[Fields], Fields]
"""Sends a request and returns the fields of its answer."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Seconds between the first two looks, and at most; the pause doubles."""

LOOK = 200
"""Newest messages of the inbox that a look covers: the most that a request returns."""

ENDS = {"dead": "it is a dead letter", "expired": "it has expired"}
"""States of a message to which no answer comes, in words."""


class InboxAnswerWait:
    """The answers to the copies of a message that a participant sent.

    Args:
        copies: The recipient of each copy, by its id.
        request: Asks the daemon.
        complain: Prints why a recipient gives no answer, or not yet.
        now: Returns monotonic seconds.
        sleep: Waits for so many seconds.

    Attributes:
        missing: The recipients of which nothing is known yet, by the id of their copy.
    """

    def __init__(
        self,
        copies: Mapping[int, str],
        request: Request,
        *,
        complain: Callable[[str], object],
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.missing = dict(copies)
        self._count = len(copies)
        self._first = min(copies)
        self._ended: list[str] = []
        self._said: set[str] = set()
        self._request, self._complain, self._now, self._sleep = request, complain, now, sleep

    def wait(self, seconds: float) -> Iterator[Row]:
        """Yield the first answer to each copy as it comes; it stays in the inbox.

        Raises:
            TimedOutError: Not all came in time.
            UnansweredError: Copies have ended without an answer.
            HiveError: The daemon cannot be asked. Each sentence says that the message is stored.
        """
        deadline, pause = self._now() + seconds, FIRST_PAUSE
        while True:
            try:
                yield from self._look()
            except HiveError as error:
                raise type(error)(self.stored(f"its answer cannot be fetched: {error}")) from None
            left = deadline - self._now()
            if not self.missing or left <= 0:
                break
            self._sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE)
        if self.missing:
            names = ", ".join(self.missing.values())
            raise TimedOutError(self.stored(f"no answer of {names} came within {seconds:g} s"))
        if self._ended:
            raise UnansweredError(f"message {self._first} gets no answer: {'; '.join(self._ended)}")

    def stored(self, why: str) -> str:
        """Return why there is no answer; the message is stored and must not be sent again."""
        return f"message {self._first} is stored, but {why}; a later answer comes to your inbox"

    def _look(self) -> Iterator[Row]:
        # The receipts first: an answer that is stored before its message ends is not missed.
        ended = self._ends()
        rows = self._request({"cmd": "recent", "max": LOOK, "body_max": 0})["messages"]
        for place, row in enumerate(rows):
            if row.get("in_reply_to") in self.missing:
                answer = self._whole(row, len(rows) - place)
                if answer is not None:
                    del self.missing[row["in_reply_to"]]
                    yield answer
        for number, why in ended.items():
            if (name := self.missing.pop(number, None)) is not None:
                self._ended.append(f"{name}: {why}" if self._count > 1 else why)

    def _whole(self, row: Row, place: int) -> Row | None:
        """Return an answer with its body; None if too much mail has come since it was seen.

        Args:
            row: The answer without its body.
            place: Its place from the newest message of the inbox, which is 1.
        """
        most = min(place + 10, LOOK)
        found = self._request({"cmd": "recent", "max": most})["messages"]
        return next((each for each in found if each["id"] == row["id"]), None)

    def _ends(self) -> dict[int, str]:
        """Return why copies get no answer, by their ids; say once what hinders the others."""
        rows = self._request({"cmd": "receipts", "ids": [*self.missing]})["receipts"]
        found = {}
        for row in rows:
            number, last = row["id"], row["steps"][-1] if row["steps"] else {}
            reason = last.get("reason")
            if row["state"] in ENDS:
                found[number] = f"{ENDS[row['state']]}{f': {reason}' if reason else ''}"
            elif row["state"] == "parked":
                self._say(f"message {number} is parked: {reason}")
            elif row.get("hindrance"):
                self._say(f"waiting for an answer of message {number}: {row['hindrance']}")
        return found

    def _say(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._complain(sentence)


def send_and_wait(
    socket: StrPath, *, to: str, body: str | None, as_json: bool, wait: float, **given: Any
) -> None:
    """Send a message, wait for the answers to it, and print each as it comes.

    Args:
        socket: The participant's socket.
        to: The recipient, or a group: then each answer has a line about it.
        body: The text; None and `-` for standard input.
        as_json: Print each answer as one line of JSON.
        wait: Longest time for all answers, in seconds.
        given: Further fields of the request.

    Raises:
        UnansweredError: No participant received it, or no answer comes.
        HiveError: See `InboxAnswerWait.wait`.
    """
    sent = request(socket, {"cmd": "send", "body": read_body(body), "to": to, **given})
    print_sentences(skipped_sentences(sent))
    if "id" not in sent:
        raise UnansweredError(f"no participant received the message to {to}: nothing was stored")
    waited = dict(copies(sent)) or {sent["id"]: to}
    answers = InboxAnswerWait(
        waited, partial(request, socket), complain=lambda each: print_sentences([each])
    )
    try:
        for answer in answers.wait(wait):
            if as_json:
                print_lines([json_line({"id": sent["id"], "answer": answer}, "AnsweredMessage")])
            else:
                is_group = to.startswith(GROUP_PREFIX)
                print_lines(message_lines(answer) if is_group else block(answer["body"]))
    except KeyboardInterrupt:
        print_sentences([answers.stored("the wait for its answer was interrupted")])
        raise
