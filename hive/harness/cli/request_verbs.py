"""The verbs by which the manager asks the operator for something: one request each.

Each prints the number of an approval; a `system` message says how that ended. They mean what the
tools of the same names mean, see `hive.harness.tools`. The docstrings are the texts of `--help`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from hive.click_types import Name, Seconds, TextCommand
from hive.command_lines import resolved_program
from hive.errors import ConfigError
from hive.harness.cli.call import (
    LIFECYCLE_TIMEOUT,
    json_option,
    print_answer,
    read_body,
    request,
    socket_option,
)
from hive.harness.cli.offered_words import complete_agents, complete_participants, complete_peers

F = TypeVar("F", bound=Callable[..., Any])

LOCK_TIMEOUT = 700.0
"""Timeout in seconds of a request that fetches newer inputs."""

ON_EXPIRY = ("hold", "deny", "escalate")


def asking(command: F) -> F:
    """Add the options that all of these verbs have."""
    for option in (  # the help shows them in the reverse order
        socket_option,
        json_option,
        click.option(
            "--on-expiry",
            type=click.Choice(ON_EXPIRY),
            help="What happens without a decision in time: hold (by default), deny, or escalate.",
        ),
        click.option(
            *("--ttl", "ttl_seconds"),
            type=Seconds(min=0, min_open=True),
            metavar="SECONDS",
            help="The time for a decision.",
        ),
        click.option("--description", metavar="TEXT", help="Words for the operator."),
    ):
        command = option(command)
    return command


def _ask(
    verb: str, socket: str, *, as_json: bool, timeout: float = LIFECYCLE_TIMEOUT, **fields: Any
) -> None:
    """Submit something to the operator, and print the number of the approval."""
    given = {key: value for key, value in fields.items() if value is not None}
    answer = request(socket, {"cmd": verb, **given}, timeout)
    print_answer(answer, [str(answer["approval"])], as_json=as_json, row="AskedApproval")


@click.command("request-spawn")
@asking
@click.argument("name", type=Name())
@click.argument("commit")
def request_spawn(name: str, commit: str, **given: Any) -> None:
    """Propose the new agent NAME, from a COMMIT of its repository below $HIVE_PROPOSED.

    The commit needs an agent.toml. Give its id, 7 digits at least, never a branch.
    """
    _ask("request_spawn", name=name, commit_ref=commit, **given)


@click.command("request-apply-commit")
@asking
@click.argument("name", type=Name(), shell_complete=complete_agents)
@click.argument("commit")
def request_apply_commit(name: str, commit: str, **given: Any) -> None:
    """Propose a COMMIT as the new configuration of the agent NAME.

    It is one of its repository below $HIVE_PROPOSED. Give its id, 7 digits at least, never a
    branch. If the agent does not work with it, it runs as before.
    """
    _ask("request_apply_commit", agent=name, commit_ref=commit, **given)


@click.command("request-init-config")
@asking
@click.option(
    *("--from", "template"),
    metavar="TEMPLATE",
    help="claude, command, or an agent to copy; by default what it runs.",
)
@click.argument("name", type=Name())
def request_init_config(**given: Any) -> None:
    """Ask for a first repository of the agent NAME below $HIVE_PROPOSED, for you to edit."""
    _ask("request_init_config", **given)


@click.command("request-schedule", cls=TextCommand)
@asking
@click.option("--timezone", metavar="ZONE", help="Of a cron expression; by default the host's.")
@click.argument("to", type=Name(), shell_complete=complete_participants)
@click.argument("when")
@click.argument("body", required=False)
def request_schedule(body: str | None, **given: Any) -> None:
    """Ask for a message that TO gets again and again.

    WHEN is an interval, such as 'every 2h', or a cron expression, such as '0 9 * * 1-5'. Without
    BODY, or with -, the body is read from standard input.
    """
    _ask("request_schedule", body=read_body(body), **given)


@click.command("request-adopt")
@asking
@click.option(
    "--file",
    type=click.Path(dir_okay=False, readable=False, path_type=Path),
    metavar="AGENT.TOML",
    help="Its manifest, with absolute paths.",
)
@click.option("--driver", metavar="NAME", help="The driver of its harness.")
@click.option("--stop", is_flag=True, help="Its container may be stopped to be taken over.")
@click.argument("name", type=Name(), shell_complete=complete_peers)
@click.argument("program", metavar="[-- PROGRAM ARGS...]", nargs=-1, type=click.UNPROCESSED)
def request_adopt(*, file: Path | None, program: tuple[str, ...], **given: Any) -> None:
    """Ask for the peer NAME to become an agent.

    Without --file, its manifest is that of hive.toml, or is read from its container; PROGRAM and
    --driver say then what it runs.
    """
    manifest = None if file is None else _text(file)
    run = resolved_program(*program) if program else None
    _ask("request_adopt", manifest=manifest, run=run, **given)


@click.command("request-release")
@asking
@click.argument("name", type=Name(), shell_complete=complete_agents)
def request_release(**given: Any) -> None:
    """Ask for the agent NAME to become a peer: its container runs on, and the hive leaves it."""
    _ask("request_release", **given)


@click.command("request-update-inputs")
@asking
@click.argument("inputs", metavar="[INPUT...]", nargs=-1)
def request_update_inputs(inputs: tuple[str, ...], **given: Any) -> None:
    """Propose newer inputs of the NixOS systems: nixpkgs, agent-NAME/INPUT; without any, all."""
    _ask("request_update_inputs", inputs=list(inputs), timeout=LOCK_TIMEOUT, **given)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error


ASK_VERBS = (
    *(request_spawn, request_apply_commit, request_init_config),
    *(request_schedule, request_adopt, request_release, request_update_inputs),
)
"""The verbs by which the manager asks the operator."""
