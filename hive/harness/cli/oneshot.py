"""The programs `hive-ag3nt` and `hive-m1nd`.

Only `click` and the standard library are imported here; `serve` alone reaches for asyncio.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hive.click_types import Seconds
from hive.errors import INTERRUPTED, HiveError
from hive.harness.cli.adapters import hook, mcp_verb
from hive.harness.options import json_option, socket_option
from hive.stdio import reopen_closed_stdio
from hive.wire import WAIT_MAX

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Program(click.Group):
    """A program whose errors are one sentence on standard error and an exit status."""

    def main(self, *args: Any, **given: Any) -> Any:
        """Run a command line."""
        reopen_closed_stdio()
        return super().main(*args, **given)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb."""
        try:
            return super().invoke(ctx)
        except HiveError as error:
            click.echo(f"{ctx.info_name}: {error}", err=True)
            ctx.exit(error.exit_status)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


@click.group(cls=Program, name="hive-ag3nt", context_settings=CONTEXT)
@click.version_option(package_name="hyperhive")
def agent() -> None:
    """Take part in a hive: the harness of an agent or a peer, and its verbs for scripts."""


@click.group(cls=Program, name="hive-m1nd", context_settings=CONTEXT)
@click.version_option(package_name="hyperhive")
def manager() -> None:
    """Take part in a hive as its manager: everything of hive-ag3nt, and the care of the agents."""


@click.command(context_settings={"allow_interspersed_args": False})
@socket_option
@click.option("--driver", default="command", show_default=True, help="What works on messages.")
@click.option(
    "--time-limit",
    type=Seconds(min=0, min_open=True),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="Longest time for one message.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1, max=64),
    default=1,
    show_default=True,
    help="Messages that are worked on at once.",
)
@click.option("--reply-to-replies", is_flag=True, help="Answer also what is an answer itself.")
@click.option("--peer", is_flag=True, help="Announce presence; receive nothing without --hook.")
@click.option("--hook", is_flag=True, help="With --peer: hand each message to PROGRAM.")
@click.option("--bell", metavar="COMMAND", help="With --peer: run this when mail waits (sh -c).")
@click.option(
    "--bell-tty",
    type=click.Path(readable=False, path_type=Path),
    metavar="PATH",
    help="With --peer: notify this terminal when mail waits.",
)
@click.option(
    "--bell-notice",
    type=click.Choice(["bell", "osc9", "osc777"]),
    default="bell",
    show_default=True,
    help="What that terminal understands.",
)
@click.argument("arguments", metavar="[--] [PROGRAM [ARGS]...]", nargs=-1)
def serve(
    arguments: tuple[str, ...], peer: bool, hook: bool, reply_to_replies: bool, **given: Any
) -> None:
    """Receive messages and run PROGRAM for each.

    The message comes on standard input as JSON, what the program prints is the answer.
    """
    from hive.harness.serve import ServeOptions
    from hive.harness.serve import serve as run

    if hook and not peer:
        raise click.UsageError("--hook goes with --peer")
    if not peer and (given["bell"] or given["bell_tty"]):
        raise click.UsageError("a bell goes with --peer; an agent wakes by itself")
    if peer and hook != bool(arguments):
        raise click.UsageError("a peer's program stands behind --hook, and --hook needs one")
    run(
        ServeOptions(
            arguments=arguments,
            peer=peer,
            hook=hook,
            reply_to_replies=reply_to_replies,
            **given,
        )
    )


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
    from hive.harness.cli import call as verbs

    request = {"cmd": "send", "body": verbs.body_of(body), **given}
    answer = verbs.ask(socket, request)
    verbs.print_answer(answer, [str(answer.get("id", ""))], as_json=as_json)


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
    from hive.harness.cli import call as verbs

    verbs.receive(socket, most=most, wait=wait, keep=keep, as_json=as_json)


@click.command()
@socket_option
@json_option
@click.option("--from", "label", required=True, help="A label that says what rang.")
@click.option("--body", help='The text; default and "-": standard input.')
@click.option("--transient", is_flag=True, help="Only ring: lost if nobody receives just now.")
def wake(socket: Path, as_json: bool, label: str, body: str | None, transient: bool) -> None:
    """Put a message into the own inbox, from a script beside the agent."""
    from hive.harness.cli import call as verbs

    text = verbs.body_of(body)
    request = {"cmd": "wake", "from": label, "body": text, "transient": transient}
    answer = verbs.ask(socket, request)
    verbs.print_answer(answer, [str(answer["id"])] if "id" in answer else [], as_json=as_json)


@click.command()
@socket_option
@json_option
def status(socket: Path, as_json: bool) -> None:
    """Print how many messages wait."""
    from hive.harness.cli import call as verbs

    answer = verbs.ask(socket, {"cmd": "status"})
    verbs.print_answer(answer, [str(answer["unread"])], as_json=as_json)


@click.command()
@socket_option
@json_option
def whoami(socket: Path, as_json: bool) -> None:
    """Print who the daemon takes this socket for."""
    from hive.harness.cli import call as verbs

    answer = verbs.ask(socket, {"cmd": "whoami"})
    verbs.print_answer(answer, [f"{answer['name']} ({answer['kind']})"], as_json=as_json)


@click.command()
@socket_option
@json_option
def who(socket: Path, as_json: bool) -> None:
    """List the participants with their presence."""
    from hive.harness.cli import call as verbs

    answer = verbs.ask(socket, {"cmd": "who"})
    lines = [verbs.presence_text(row) for row in answer["participants"]]
    verbs.print_answer(answer, lines, as_json=as_json)


@click.command()
@socket_option
@click.option("--lease", help="Refuse if the message has been leased anew.")
@click.argument("ids", nargs=-1, required=True, type=click.IntRange(min=1))
def ack(socket: Path, lease: str | None, ids: tuple[int, ...]) -> None:
    """Say that the work for the messages with these IDS is done."""
    from hive.harness.cli import call as verbs

    verbs.ask(socket, {"cmd": "ack", "ids": list(ids), "lease": lease})


@click.command()
@socket_option
@click.option("--mode", type=click.Choice(["defer", "fail", "reject"]), default="fail")
@click.option("--delay", type=Seconds(min=0), metavar="SECONDS")
@click.option("--reason")
@click.option("--lease", help="Refuse if the message has been leased anew.")
@click.argument("message", metavar="ID", type=click.IntRange(min=1))
def nack(socket: Path, delay: float | None, message: int, **given: str | None) -> None:
    """Give the message ID back."""
    from hive.harness.cli import call as verbs

    verbs.ask(socket, {"cmd": "nack", "id": message, "delay_seconds": delay, **given})


@click.command()
@socket_option
@json_option
@click.argument("ids", metavar="ID...", type=click.IntRange(min=1), nargs=-1, required=True)
def receipts(socket: Path, as_json: bool, ids: tuple[int, ...]) -> None:
    """Print what became of messages that this participant sent."""
    from hive.harness.cli import call as verbs

    answer = verbs.ask(socket, {"cmd": "receipts", "ids": list(ids)})
    lines = [line for row in answer["receipts"] for line in verbs.receipt_lines(row)]
    verbs.print_answer(answer, lines, as_json=as_json)


@click.command()
@socket_option
@json_option
@click.argument("message", metavar="ID", type=click.IntRange(min=1))
def verify(socket: Path, as_json: bool, message: int) -> None:
    """Print who sent the message ID, by the socket that it came in through."""
    from hive.harness.cli import call as verbs

    answer = verbs.ask(socket, {"cmd": "verify", "id": message})
    trusted = "" if answer["operator_verified"] else ", not from the operator"
    verbs.print_answer(answer, [f"#{message} is from {answer['from']}{trusted}"], as_json=as_json)


def care_of_agents(verb: str, sentence: str) -> click.Command:
    """Return a verb of the manager that is about one other agent."""

    @click.command(name=verb, help=sentence)
    @socket_option
    @click.argument("name")
    def command(socket: Path, name: str) -> None:
        from hive.harness.cli import call as verbs

        verbs.ask(socket, {"cmd": verb, "name": name})

    return command


@click.command()
@socket_option
@json_option
@click.option("--lines", type=click.IntRange(1, 5000), default=100, show_default=True)
@click.argument("name")
def logs(socket: Path, as_json: bool, lines: int, name: str) -> None:
    """Print the last lines that the agent NAME printed."""
    from hive.harness.cli import call as verbs

    answer = verbs.ask(socket, {"cmd": "get_logs", "name": name, "lines": lines})
    verbs.print_answer(answer, answer["lines"], as_json=as_json)


COMMON = (serve, send, recv, wake, status, whoami, who, ack, nack, receipts, verify)
CARE = {
    "kill": "Stop the agent NAME gracefully.",
    "start": "Start the stopped or failed agent NAME.",
    "restart": "Stop the agent NAME gracefully and start it again.",
    "update": "Apply the configuration of the agent NAME anew.",
}

for common in COMMON:
    agent.add_command(common)
    manager.add_command(common)
for verb, sentence in CARE.items():
    manager.add_command(care_of_agents(verb, sentence))
manager.add_command(logs)
for program, is_manager in ((agent, False), (manager, True)):
    program.add_command(hook)
    program.add_command(mcp_verb(manager=is_manager))
