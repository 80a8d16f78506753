"""The verbs that send one request and print the answer.

The docstrings of the verbs are the texts of `--help`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hive.click_types import Seconds
from hive.escapes import block, inline
from hive.harness.cli.call import (
    json_option,
    presence_line,
    print_answer,
    read_body,
    receipt_lines,
    receive,
    request,
    socket_option,
)
from hive.wire import WAIT_MAX


@click.command()
@socket_option
@json_option
@click.option(
    "--reply-to", "in_reply_to", type=click.IntRange(min=1), help="Id of the message answered."
)
@click.option("--priority", type=click.Choice(["low", "normal", "high"]), help="Its place.")
@click.option("--ttl", "ttl_seconds", type=Seconds(min=0, min_open=True), metavar="SECONDS")
@click.option("--delay", "delay_seconds", type=Seconds(min=0), metavar="SECONDS")
@click.option("--dedupe-key", metavar="KEY", help="Store it once, however often it is sent.")
@click.option("--supersede-key", metavar="KEY", help="Replace what is unread under KEY.")
@click.argument("to")
@click.argument("body", required=False)
def send(socket: Path, as_json: bool, body: str | None, **given: Any) -> None:
    """Send BODY (default and "-": standard input) to TO and print the id.

    It is on disk when this ends with 0.
    """
    answer = request(socket, {"cmd": "send", "body": read_body(body), **given})
    print_answer(answer, [str(answer.get("id", ""))], as_json=as_json)


@click.command()
@socket_option
@json_option
@click.option("--max", "most", type=click.IntRange(1, 32), default=1, show_default=True)
@click.option(
    "--wait",
    type=Seconds(min=0, max=WAIT_MAX),
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the first message.",
)
@click.option("--keep", is_flag=True, help="Do not ack: the messages go back when this ends.")
def recv(socket: Path, as_json: bool, most: int, wait: float, keep: bool) -> None:
    """Print messages and ack them once they are printed."""
    receive(socket, most=most, wait=wait, keep=keep, as_json=as_json)


@click.command()
@socket_option
@json_option
@click.option("--from", "label", required=True, help="A label that names the cause.")
@click.option("--body", help='The text; default and "-": standard input.')
@click.option("--transient", is_flag=True, help="Store nothing: lost unless a receiver is waiting.")
def wake(socket: Path, as_json: bool, label: str, body: str | None, transient: bool) -> None:
    """Put a message into the participant's own inbox, from a script outside the agent."""
    fields = {"cmd": "wake", "from": label, "body": read_body(body), "transient": transient}
    answer = request(socket, fields)
    print_answer(answer, [str(answer["id"])] if "id" in answer else [], as_json=as_json)


@click.command()
@socket_option
@json_option
def status(socket: Path, as_json: bool) -> None:
    """Print how many messages wait."""
    answer = request(socket, {"cmd": "status"})
    print_answer(answer, [str(answer["unread"])], as_json=as_json)


@click.command()
@socket_option
@json_option
def whoami(socket: Path, as_json: bool) -> None:
    """Print who the daemon takes this socket for."""
    answer = request(socket, {"cmd": "whoami"})
    print_answer(answer, [f"{answer['name']} ({answer['kind']})"], as_json=as_json)


@click.command()
@socket_option
@json_option
def who(socket: Path, as_json: bool) -> None:
    """List the participants with their presence."""
    answer = request(socket, {"cmd": "who"})
    lines = [presence_line(row) for row in answer["participants"]]
    print_answer(answer, lines, as_json=as_json)


@click.command()
@socket_option
@click.option("--lease", help="Refuse if the message has been leased again.")
@click.argument("ids", nargs=-1, required=True, type=click.IntRange(min=1))
def ack(socket: Path, lease: str | None, ids: tuple[int, ...]) -> None:
    """Say that the work for the messages with these IDS is done."""
    request(socket, {"cmd": "ack", "ids": list(ids), "lease": lease})


@click.command()
@socket_option
@click.option("--mode", type=click.Choice(["defer", "fail", "reject"]), default="fail")
@click.option("--delay", type=Seconds(min=0), metavar="SECONDS")
@click.option("--reason")
@click.option("--lease", help="Refuse if the message has been leased again.")
@click.argument("message", metavar="ID", type=click.IntRange(min=1))
def nack(socket: Path, delay: float | None, message: int, **given: str | None) -> None:
    """Give the message ID back."""
    request(socket, {"cmd": "nack", "id": message, "delay_seconds": delay, **given})


@click.command()
@socket_option
@json_option
@click.argument("ids", metavar="ID...", type=click.IntRange(min=1), nargs=-1, required=True)
def receipts(socket: Path, as_json: bool, ids: tuple[int, ...]) -> None:
    """Print the state and the steps of sent messages."""
    answer = request(socket, {"cmd": "receipts", "ids": list(ids)})
    lines = [line for row in answer["receipts"] for line in receipt_lines(row)]
    print_answer(answer, lines, as_json=as_json)


@click.command()
@socket_option
@json_option
@click.argument("message", metavar="ID", type=click.IntRange(min=1))
def verify(socket: Path, as_json: bool, message: int) -> None:
    """Print who sent the message ID, by the socket that it came in through."""
    answer = request(socket, {"cmd": "verify", "id": message})
    trusted = "" if answer["operator_verified"] else ", not from the operator"
    print_answer(answer, [f"#{message} is from {inline(answer['from'])}{trusted}"], as_json=as_json)


def agent_verb(verb: str, sentence: str) -> click.Command:
    """Return a verb of the manager that acts on one other agent."""

    @click.command(name=verb, help=sentence)
    @socket_option
    @click.argument("name")
    def command(socket: Path, name: str) -> None:
        request(socket, {"cmd": verb, "name": name})

    return command


@click.command()
@socket_option
@json_option
@click.option("--lines", type=click.IntRange(1, 5000), default=100, show_default=True)
@click.argument("name")
def logs(socket: Path, as_json: bool, lines: int, name: str) -> None:
    """Print the last lines that the agent NAME printed."""
    answer = request(socket, {"cmd": "get_logs", "name": name, "lines": lines})
    shown = [line for text in answer["lines"] for line in block(text)]
    print_answer(answer, shown, as_json=as_json)


AGENT_VERBS = (send, recv, wake, status, whoami, who, ack, nack, receipts, verify)
"""The verbs of every participant."""

MANAGER_VERBS = (
    agent_verb("kill", "Stop the agent NAME gracefully."),
    agent_verb("start", "Start the stopped or failed agent NAME."),
    agent_verb("restart", "Stop the agent NAME gracefully and start it again."),
    agent_verb("update", "Apply the configuration of the agent NAME again."),
    logs,
)
"""The verbs that only the manager has."""
