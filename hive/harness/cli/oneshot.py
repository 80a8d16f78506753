"""The verbs that send one request and print the answer.

The docstrings of the verbs are the texts of `--help`.
"""

from __future__ import annotations

from typing import Any

import click

from hive.click_types import Name, Seconds, TextCommand, WaitSeconds, Whole
from hive.client.responses import not_in_force_sentences
from hive.escapes import block, inline
from hive.harness.cli import call
from hive.harness.cli.call import (
    LIFECYCLE_TIMEOUT,
    hint,
    json_option,
    presence_line,
    print_answer,
    print_sentences,
    read_body,
    receipt_lines,
    request,
    socket_option,
)
from hive.harness.cli.offered_words import complete_agents, complete_participants
from hive.harness.cli.question_verbs import QUESTION_VERBS
from hive.harness.cli.request_verbs import ASK_VERBS
from hive.names import EVERYONE
from hive.wire import WAIT_MAX

ANSWER_WAIT = 600.0
"""Default of `send --wait` in seconds: a turn of an agent may take minutes."""


@click.command(cls=TextCommand)
@socket_option
@json_option
@click.option("--reply-to", "in_reply_to", type=Whole(min=1), help="Id of the message answered.")
@click.option(
    "--priority", type=click.Choice(["low", "normal", "high"]), help="Its priority in the inbox."
)
@click.option(
    "--ttl",
    "ttl_seconds",
    type=Seconds(min=0, min_open=True),
    metavar="SECONDS",
    help="Give it up after this time.",
)
@click.option(
    "--delay",
    "delay_seconds",
    type=Seconds(min=0),
    metavar="SECONDS",
    help="Deliver it after this time.",
)
@click.option("--dedupe-key", metavar="KEY", help="Store it once, however often it is sent.")
@click.option("--supersede-key", metavar="KEY", help="Replace what is unread under KEY.")
@click.option(
    "--wait",
    type=WaitSeconds(min=0),
    is_flag=False,
    flag_value=str(ANSWER_WAIT),
    metavar="[SECONDS]",
    help=f"Wait for the answer ({ANSWER_WAIT:.0f} s by default) and print it; of a group, all.",
)
@click.argument("to", type=Name(), shell_complete=complete_participants)
@click.argument("body", required=False)
def send(**given: Any) -> None:
    """Send BODY (default and "-": standard input) to TO and print the id.

    It is on disk when this ends with 0. With --wait, the answer is printed in place of the id; it
    stays in the inbox.
    """
    if given["wait"] is not None and given["to"] == EVERYONE:
        raise click.UsageError("--wait needs a recipient or a group", click.get_current_context())
    call.send(**given)


@click.command()
@socket_option
@json_option
@click.option(
    "--max",
    "most",
    type=Whole(1, 32),
    default=1,
    show_default=True,
    help="Print at most this many messages.",
)
@click.option(
    "--wait",
    type=Seconds(min=0, max=WAIT_MAX),
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the first message.",
)
@click.option("--keep", is_flag=True, help="Do not ack: the messages go back when this ends.")
@click.option(
    "--queue", type=Name(), metavar="NAME", help="Receive from this work queue, not the inbox."
)
def recv(**given: Any) -> None:
    """Print messages and ack them once they are printed."""
    call.receive(**given)


@click.command()
@socket_option
@json_option
@click.option("--from", "label", required=True, help="A label that names the cause.")
@click.option("--body", help='The text; default and "-": standard input.')
@click.option("--transient", is_flag=True, help="Store nothing: lost unless a receiver is waiting.")
def wake(socket: str, as_json: bool, label: str, body: str | None, transient: bool) -> None:
    """Put a message into the participant's own inbox, from a script outside the agent."""
    text = read_body(body, "--body")
    fields = {"cmd": "wake", "from": label, "body": text, "transient": transient}
    answer = request(socket, fields)
    print_answer(
        answer, [str(answer["id"])] if "id" in answer else [], as_json=as_json, row="SentMessage"
    )


@click.command()
@socket_option
@json_option
def status(socket: str, as_json: bool) -> None:
    """Print how many messages wait."""
    answer = request(socket, {"cmd": "status"})
    print_answer(answer, [str(answer["unread"])], as_json=as_json, row="UnreadCount")


@click.command()
@socket_option
@json_option
def whoami(socket: str, as_json: bool) -> None:
    """Print who the daemon takes this socket for."""
    answer = request(socket, {"cmd": "whoami"})
    print_answer(answer, [f"{answer['name']} ({answer['kind']})"], as_json=as_json, row="Identity")


@click.command()
@socket_option
@json_option
def who(socket: str, as_json: bool) -> None:
    """List the participants with their presence."""
    answer = request(socket, {"cmd": "who"})
    lines = [presence_line(row) for row in answer["participants"]]
    print_answer(answer, lines, as_json=as_json, row="ParticipantList")


@click.command()
@socket_option
@click.option("--lease", help="Refuse if the message has been leased again.")
@click.argument("ids", nargs=-1, required=True, type=Whole(min=1))
def ack(socket: str, lease: str | None, ids: tuple[int, ...]) -> None:
    """Say that the work for the messages with these IDS is done."""
    request(socket, {"cmd": "ack", "ids": list(ids), "lease": lease})


@click.command()
@socket_option
@click.option(
    "--mode",
    type=click.Choice(["defer", "fail", "reject"]),
    default="fail",
    show_default=True,
    help="defer counts no attempt, fail counts one, reject makes it a dead letter.",
)
@click.option(
    "--delay",
    type=Seconds(min=0),
    metavar="SECONDS",
    help="Deliver it again after this time; without it, at once, and after fail with a back-off.",
)
@click.option("--reason", metavar="TEXT", help="Why; it is in the trace of the message.")
@click.option("--lease", help="Refuse if the message has been leased again.")
@click.argument("message", metavar="ID", type=Whole(min=1))
def nack(socket: str, delay: float | None, message: int, **given: str | None) -> None:
    """Give the message ID back."""
    request(socket, {"cmd": "nack", "id": message, "delay_seconds": delay, **given})


@click.command()
@socket_option
@json_option
@click.argument("ids", metavar="ID...", type=Whole(min=1), nargs=-1, required=True)
def receipts(socket: str, as_json: bool, ids: tuple[int, ...]) -> None:
    """Print the state and the steps of sent messages."""
    answer = request(socket, {"cmd": "receipts", "ids": list(ids)})
    lines = [line for row in answer["receipts"] for line in receipt_lines(row)]
    print_answer(answer, lines, as_json=as_json, row="ReceiptList")


@click.command()
@socket_option
@json_option
@click.argument("message", metavar="ID", type=Whole(min=1))
def verify(socket: str, as_json: bool, message: int) -> None:
    """Print who sent the message ID, by the socket that it came in through."""
    answer = request(socket, {"cmd": "verify", "id": message})
    trusted = "" if answer["operator_verified"] else ", not from the operator"
    print_answer(
        answer,
        [f"#{message} is from {inline(answer['from'])}{trusted}"],
        as_json=as_json,
        row="Verified",
    )


def agent_verb(verb: str, sentence: str) -> click.Command:
    """Return a verb of the manager that acts on one other agent."""

    @click.command(name=verb, help=sentence)
    @socket_option
    @click.argument("name", type=Name(), shell_complete=complete_agents)
    def command(socket: str, name: str) -> None:
        answer = request(socket, {"cmd": verb, "name": name}, LIFECYCLE_TIMEOUT)
        print_sentences(not_in_force_sentences(name, answer))

    return command


@click.command()
@socket_option
@json_option
@click.option(
    "--lines", type=Whole(1, 5000), default=100, show_default=True, help="At most this many."
)
@click.argument("name", type=Name(), shell_complete=complete_agents)
def logs(socket: str, as_json: bool, lines: int, name: str) -> None:
    """Print the last lines that the agent NAME printed."""
    answer = request(socket, {"cmd": "get_logs", "name": name, "lines": lines})
    shown = [line for text in answer["lines"] for line in block(text)]
    if not shown and not as_json:
        hint(f"No output of {name}.")
    print_answer(answer, shown, as_json=as_json, row="LogLines")


AGENT_VERBS = (
    *(send, recv, ack, nack, receipts, verify, wake, status),
    *QUESTION_VERBS,
    *(whoami, who),
)
"""The verbs of every participant, in the order of their groups."""

MANAGER_VERBS = (
    agent_verb("kill", "Stop the agent NAME gracefully."),
    agent_verb("start", "Start the stopped or failed agent NAME."),
    agent_verb("restart", "Stop the agent NAME gracefully and start it again."),
    agent_verb("update", "Restart the agent NAME with the configuration in force."),
    logs,
    *ASK_VERBS,
)
"""The verbs that only the manager has."""
