"""Sends a message as the operator, and prints its id or the answer to it."""

from __future__ import annotations

from hive.cli import output
from hive.cli.requests import call
from hive.client.responses import copies, nothing_typed, skipped_sentences
from hive.errors import BadRequestError
from hive.escapes import block, inline
from hive.names import EVERYONE, GROUP_PREFIX
from hive.stdio import INPUT_MAX, read_input

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hive.cli.answers import Row


def send(
    name: str,
    body: str | None,
    reply_to: int | None,
    wait: float | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Send a message and print its id, or wait for the answer and print that.

    Args:
        name: Its recipient, or recipients.
        body: Its text; None or `-` for standard input.
        reply_to: The message that it answers.
        wait: Seconds to wait for the answer; None to wait for none.
        as_json: Print JSON.
        given: Further fields of the request.

    Raises:
        HiveError: It is not sent; or it is, and the answer did not come, which the sentence says.
    """
    if wait is not None and name == EVERYONE:
        raise output.misuse(
            "send", "--wait needs a recipient or a group: of '*', few agents ever answer"
        )
    text = read_body(body, "BODY", "send")
    sent = call("send", to=name, body=text, in_reply_to=reply_to, **given)
    for sentence in skipped_sentences(sent):
        output.complain(sentence)
    if wait is None:
        _show_sent(sent, is_single=not name.startswith((EVERYONE, GROUP_PREFIX)), as_json=as_json)
    else:
        _await_answers(name, sent, wait, as_json=as_json)


def _await_answers(name: str, sent: dict[str, Any], wait: float, *, as_json: bool) -> None:
    """Print each answer to a message as it comes."""
    from hive.cli.answers import answers_to

    answers = answers_to(sent)
    show = _show_answer_of_member if name.startswith(GROUP_PREFIX) else _show_answer
    try:
        for answer in answers.wait(wait):
            show(answers.first, answer, as_json=as_json)
    except KeyboardInterrupt:
        output.complain(answers.stored("the wait for its answer was interrupted"))
        raise


def _show_answer(sent: int, answer: Row, *, as_json: bool) -> None:
    if as_json:
        output.document({"id": sent, "answer": answer}, "AnsweredMessage")
    else:
        output.lines(block(answer["body"]))


def _show_answer_of_member(sent: int, answer: Row, *, as_json: bool) -> None:
    if as_json:
        output.item({"id": sent, "answer": answer}, "AnsweredMessage")
    else:
        import time

        from hive.view.lines import message_lines

        output.lines(message_lines(answer, time.time()))


def _show_sent(sent: dict[str, Any], *, is_single: bool, as_json: bool) -> None:
    """Print the id of a message, or those of its copies with their recipients."""
    if as_json:
        output.document(sent, "SentMessage")
    elif is_single:
        output.lines([inline(sent["id"])])
    else:
        output.lines([f"{number} {inline(name)}" for number, name in copies(sent)])


def read_body(argument: str | None, name: str, verb: str) -> str:
    """Return the text of an argument, or of standard input exactly as it is.

    Args:
        argument: The argument; None or `-` for standard input.
        name: The name of the argument, for errors.
        verb: The verb that reads it, for errors.

    Raises:
        BadRequestError: Standard input is empty or a terminal, or the text is not UTF-8.
    """
    if argument is not None and argument != "-":
        return _utf8(argument.encode(errors="surrogateescape"), name)
    if argument is None and output.can_ask():
        raise output.misuse(verb, f"give {name}, or pipe it in, or type it after giving '-'")
    data = read_input(INPUT_MAX)
    if not data:
        raise nothing_typed(name)
    return _utf8(data, "standard input")


def _utf8(data: bytes, where: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BadRequestError(f"{where} is not UTF-8 at byte {error.start}: send text") from None
