"""Verbs with which the operator sends messages and answers questions."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection
from typing import Any

import click

from hive.cli import options, output
from hive.cli.requests import QUERY, call
from hive.click_types import Seconds
from hive.errors import BadRequestError, HiveError, TimedOutError
from hive.escapes import block, inline
from hive.names import EVERYONE, QUEUE_PREFIX
from hive.view.lines import question_lines

ANSWER_WAIT = 600.0
"""Default of `send --wait` in seconds: a turn of an agent may take minutes."""

_LOOKBACK = 200
"""Number of newest messages in the operator's inbox that are searched for an answer."""

_SHORTEST_POLL, _LONGEST_POLL = 0.05, 0.5
"""Seconds between polls for an answer: they double, to limit the load on the daemon."""


class WaitSeconds(Seconds):
    """Seconds of an option whose value is optional; its error says how to write the value."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number that a word stands for."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            raise click.BadParameter(
                f"{error.message} Write --wait=60, or put --wait last.", ctx, param
            ) from None


def message_options(command: options.F) -> options.F:
    """Add the options of a message."""
    for option in (
        click.option(
            "--priority",
            type=click.Choice(["low", "normal", "high"]),
            help="Its priority in the inbox.",
        ),
        click.option(
            "--ttl",
            "ttl_seconds",
            type=Seconds(min=0),
            metavar="SECONDS",
            help="Give it up after this time.",
        ),
        click.option(
            "--delay",
            "delay_seconds",
            type=Seconds(min=0),
            metavar="SECONDS",
            help="Deliver it after this time.",
        ),
        click.option(
            "--dedupe-key", metavar="KEY", help="Store it once, however often it is sent."
        ),
        click.option(
            "--supersede-key", metavar="KEY", help="Replace the unread message under KEY."
        ),
    ):
        command = option(command)
    return command


@click.command()
@options.name
@click.argument("body", required=False)
@click.option("--reply-to", type=int, metavar="ID", help="Answer this message.")
@message_options
@click.option(
    "--wait",
    type=WaitSeconds(min=0),
    is_flag=False,
    flag_value=str(ANSWER_WAIT),
    metavar="[SECONDS]",
    help=f"Wait for the answer ({ANSWER_WAIT:.0f} s by default) and print it.",
)
@options.as_json
def send(
    name: str,
    body: str | None,
    reply_to: int | None,
    wait: float | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Send a message as the operator and print its id once it is on disk.

    Without BODY, or with -, the body is read from standard input. NAME may be `manager`, `*` for
    every agent, `@group`, or `queue:name` for one of its receivers.
    """
    if wait is not None and name == EVERYONE:
        raise click.UsageError(
            "--wait needs one recipient: answers to '*' may come from every agent"
        )
    sent = call("send", to=name, body=read_body(body, "BODY"), in_reply_to=reply_to, **given)
    if wait is None:
        _show_sent(sent, as_json=as_json)
        return
    try:
        answer = await_answer(
            sent["id"],
            wait,
            receivers=lambda: _receivers(sent),
            fetch=_newest,
            now=time.monotonic,
            sleep=time.sleep,
        )
    except KeyboardInterrupt:
        output.complain(_stored(sent["id"], "the wait for its answer was interrupted"))
        raise
    if as_json:
        output.document({"id": sent["id"], "answer": answer})
    else:
        output.lines(block(answer["body"]))


@click.command()
@click.option("--all", "every", is_flag=True, help="Also those that have ended, newest last.")
@click.option("-n", "most", type=int, default=50, show_default=True, help="At most this many.")
@options.as_json
def questions(every: bool, most: int, as_json: bool) -> None:
    """Show open questions, oldest first."""
    found = call("questions", all=every, max=most)["questions"]
    if as_json:
        output.document(found)
        return
    if not found:
        output.hint("No questions.")
    now = time.time()
    for row in found:
        output.lines(question_lines(row, now))


@click.command()
@click.argument("number", metavar="ID", type=click.IntRange(min=1))
@click.argument("text", metavar="[TEXT]", required=False)
def answer(number: int, text: str | None) -> None:
    """Answer a question as the operator.

    Without TEXT, or with -, the answer is read from standard input.
    """
    call("answer", id=number, answer=read_body(text, "TEXT"))


def await_answer(
    sent: int,
    wait: float,
    *,
    receivers: Callable[[], Collection[str]],
    fetch: Callable[[float], list[dict[str, Any]]],
    now: Callable[[], float],
    sleep: Callable[[float], None],
) -> dict[str, Any]:
    """Return the first message of a receiver that answers another.

    Args:
        sent: Id of the message that is answered.
        wait: Seconds to wait.
        receivers: Returns the names of those who got the message.
        fetch: Returns the newest messages of the operator's inbox; takes a timeout in seconds.
        now: Returns monotonic seconds.
        sleep: Sleeps for seconds.

    Raises:
        TimedOutError: No answer came in time; the sentence says that the message is stored.
        HiveError: The inbox cannot be read; the sentence says the same.
    """
    deadline = now() + wait
    pause = _SHORTEST_POLL
    while True:
        try:
            replies = [row for row in fetch(QUERY) if row.get("in_reply_to") == sent]
            senders = receivers() if replies else ()
        except HiveError as error:
            raise type(error)(_stored(sent, f"its answer cannot be fetched: {error}")) from None
        for row in replies:
            if row["from"] in senders:
                return row
        left = deadline - now()
        if left <= 0:
            raise TimedOutError(_stored(sent, f"no answer came within {wait:g} s"))
        sleep(min(pause, left))
        pause = min(pause * 2, _LONGEST_POLL)


def _stored(sent: int, why: str) -> str:
    """Return why there is no answer; it names the stored message, which must not be sent again."""
    return f"message {sent} is stored, but {why}; a later answer will be in 'hive-c0re inbox'"


def _newest(timeout: float) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call("inbox", timeout=timeout, max=_LOOKBACK)["messages"]
    return found


def _receivers(sent: dict[str, Any]) -> set[str]:
    """Return the recipients of a message; of a work queue, those who took it from there."""
    names: set[str] = set(sent["recipients"])
    if any(name.startswith(QUEUE_PREFIX) for name in names):
        steps = call("trace", timeout=QUERY, id=sent["id"])["steps"]
        names |= {step["session"].rpartition("/")[0] for step in steps if step.get("session")}
    return names


def _show_sent(sent: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.document({key: value for key, value in sent.items() if key not in {"version", "ok"}})
    else:
        output.lines([inline(sent["id"])])


def read_body(argument: str | None, name: str) -> str:
    """Return the text of an argument, or of standard input exactly as it is.

    Args:
        argument: The argument; None or `-` for standard input.
        name: The name of the argument, for errors.
    """
    if argument is not None and argument != "-":
        return _utf8(argument.encode(errors="surrogateescape"), name)
    if argument is None and output.can_ask():
        raise click.UsageError(f"give {name}, or pipe it in, or type it after giving '-'")
    return _utf8(sys.stdin.buffer.read() if sys.stdin else b"", "standard input")


def _utf8(data: bytes, where: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BadRequestError(f"{where} is not UTF-8 at byte {error.start}: send text") from None
