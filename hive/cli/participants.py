"""Verbs about participants: the lifecycle of agents, and registering peers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hive.cli import options, output
from hive.cli.requests import BUILD, call
from hive.errors import NotAllowedError
from hive.escapes import inline


def _environment(
    context: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> dict[str, str]:
    pairs = [text.partition("=") for text in value]
    for key, equals, _ in pairs:
        if not key or not equals:
            raise click.BadParameter(f"{key or '='!r} is not of the form KEY=VALUE")
    return {key: text for key, _, text in pairs}


@click.command()
@options.name
@click.argument("program", metavar="[-- PROGRAM ARGS...]", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--env", multiple=True, callback=_environment, metavar="KEY=VALUE", help="Add a variable."
)
@click.option("--cwd", type=Path, metavar="PATH", help="Run it in this directory.")
@click.option("--exec", "as_agent", is_flag=True, help="PROGRAM is the agent itself.")
@options.timeout
def spawn(
    *,
    name: str,
    program: tuple[str, ...],
    env: dict[str, str],
    cwd: Path | None,
    as_agent: bool,
    timeout: float,
) -> None:
    """Create an agent and start it.

    PROGRAM is run once per message by the command driver: it gets the message on standard input
    and answers on standard output. With --exec, PROGRAM runs all the time and connects to the
    hive itself.
    """
    if as_agent and not program:
        raise click.UsageError("--exec needs a program: hive-c0re spawn NAME --exec -- PROGRAM")
    call(
        "spawn",
        timeout=timeout,
        name=name,
        **({"exec" if as_agent else "run": _resolved(*program)} if program else {}),
        env=env or None,
        cwd=str(cwd.absolute()) if cwd else None,
    )


@click.command()
@options.names
@options.timeout
def start(names: tuple[str, ...], timeout: float) -> None:
    """Start agents, also those that were parked as failed."""
    call("start", timeout=timeout, scope={"agent_names": list(names)})


@click.command()
@options.names
@click.option("--now", is_flag=True, help="Do not wait for the turn to end.")
@options.timeout
def stop(names: tuple[str, ...], now: bool, timeout: float) -> None:
    """Stop agents; they stay stopped until you start them.

    This survives a restart of the daemon and overrides every automatic restart.
    """
    call("stop", timeout=timeout, scope={"agent_names": list(names)}, graceful=not now)


@click.command()
@options.names
@options.timeout
def restart(names: tuple[str, ...], timeout: float) -> None:
    """Stop agents gracefully and start them again, one after the other."""
    output.each(names, lambda name: call("restart", timeout=timeout, name=name))


@click.command()
@options.names
@options.waiting(BUILD)
def rebuild(names: tuple[str, ...], timeout: float) -> None:
    """Rebuild agents' containers and restart them, one after the other."""
    output.each(names, lambda name: call("rebuild", timeout=timeout, name=name))


@click.command()
@options.names
@click.option("--force", is_flag=True, help="Kill it at once, without a graceful stop.")
@options.timeout
def kill(names: tuple[str, ...], force: bool, timeout: float) -> None:
    """Stop agents; with --force, at once. Several are stopped one after the other."""
    output.each(names, lambda name: call("kill", timeout=timeout, name=name, force=force))


@click.command()
@options.name
@click.option("--purge", is_flag=True, help="Remove its files and unread mail, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.timeout
def destroy(name: str, purge: bool, yes: bool, timeout: float) -> None:
    """Remove an agent. Its files and its unread mail stay, unless --purge."""
    if not yes:
        call("destroy", name=name, dry_run=True)
        _confirm(name, purge=purge)
    call("destroy", timeout=timeout, name=name, purge=purge)


@click.command()
@options.names
def pause(names: tuple[str, ...]) -> None:
    """Hold back agents' mail while they keep running; it waits in their inboxes."""
    output.each(names, lambda name: call("set_paused", name=name, paused=True))


@click.command()
@options.names
def resume(names: tuple[str, ...]) -> None:
    """Deliver paused agents' mail again."""
    output.each(names, lambda name: call("set_paused", name=name, paused=False))


@click.command()
@options.name
@click.option("--broadcast", is_flag=True, help="Deliver messages to '*' to it, too.")
@click.option("--description", metavar="TEXT", help="What it is, for the other participants.")
@click.option("--observe", metavar="UNIT", help="Show the state of this unit or machine.")
@options.as_json
def register_peer(
    name: str, broadcast: bool, description: str | None, observe: str | None, as_json: bool
) -> None:
    """Register a participant with its own lifecycle, and print the path of its socket.

    Nothing in hyperhive can start, stop or restart it.
    """
    settings: dict[str, Any] = {
        "broadcast": broadcast,
        "description": description,
        "observe": observe,
    }
    socket = call("register_peer", name=name, **settings)["socket"]
    if as_json:
        output.document({"socket": socket})
    else:
        output.lines([inline(socket)])


@click.command()
@options.name
@click.option("--force", is_flag=True, help="Even if it has unread mail.")
def unregister_peer(name: str, force: bool) -> None:
    """Remove a peer; refused while it has unread mail, unless --force."""
    call("unregister_peer", name=name, force=force)


def _resolved(program: str, *arguments: str) -> list[str]:
    """Return a command line whose program does not depend on the operator's directory.

    As in hive.toml, a program with a `/` is a path and any other is looked up on the agent's PATH.
    """
    return [str(Path(program).absolute()) if "/" in program else program, *arguments]


def _confirm(name: str, *, purge: bool) -> None:
    """Ask a person to type the name of the agent that will be destroyed.

    Raises:
        click.UsageError: Standard input is not a terminal.
        NotAllowedError: Another text was typed.
    """
    if not output.can_ask():
        raise click.UsageError(f"there is no terminal to confirm on; to destroy {name!r} add --yes")
    what = "with its files and unread mail" if purge else "(its files and unread mail stay)"
    typed = click.prompt(f"Destroying {name} {what}. Type its name to confirm", err=True)
    if typed != name:
        raise NotAllowedError(f"{typed!r} is not {name!r}: nothing was destroyed")
