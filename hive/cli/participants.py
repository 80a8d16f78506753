"""Verbs about participants: the lifecycle of agents, and registering peers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hive.cli import options, output
from hive.cli.completing import complete_names
from hive.cli.requests import BUILD, act_on_each, call
from hive.click_types import Seconds
from hive.client.responses import not_in_force_sentences
from hive.command_lines import resolved_program
from hive.errors import ConfigError, NotAllowedError
from hive.escapes import block, inline

_FILE = click.Path(dir_okay=False, readable=False, path_type=Path)


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
    "--from",
    "template",
    metavar="TEMPLATE",
    shell_complete=complete_names,
    help="claude, command, an agent to copy, or a FILE.toml.",
)
@click.option("--file", type=_FILE, metavar="FILE", help="Its manifest, an agent.toml.")
@click.option(
    "--env", multiple=True, callback=_environment, metavar="KEY=VALUE", help="Add a variable."
)
@click.option("--cwd", type=Path, metavar="PATH", help="Run it in this directory.")
@click.option("--exec", "as_agent", is_flag=True, help="PROGRAM is the agent itself.")
@click.option(
    "--driver",
    metavar="NAME",
    shell_complete=complete_names,
    help="The driver of its harness, such as claude.",
)
@click.option(
    "--time-limit",
    type=Seconds(min=0, min_open=True),
    metavar="SECONDS",
    help="Longest time for one message.",
)
@click.option("--description", metavar="TEXT", help="What it is, for the other participants.")
@click.option("--dry-run", is_flag=True, help="Only check, and print the manifest as TOML.")
@options.timeout
def spawn(
    *,
    name: str,
    program: tuple[str, ...],
    template: str | None,
    file: Path | None,
    env: dict[str, str],
    cwd: Path | None,
    as_agent: bool,
    dry_run: bool,
    timeout: float,
    **given: Any,
) -> None:
    """Create an agent and start it.

    PROGRAM is run once per message by the command driver: it gets the message on standard input
    and answers on standard output. With --exec, PROGRAM runs all the time and connects to the
    hive itself. What is given besides --from or --file replaces that part of its manifest.
    """
    if as_agent and not program:
        raise click.UsageError("--exec needs a program: hive-c0re spawn NAME --exec -- PROGRAM")
    is_command = template in {None, "command"} and given["driver"] in {None, "command"}
    if not program and file is None and is_command:
        other = "another --from" if template else "--from"
        raise click.UsageError(
            f"say what {name} runs: hive-c0re spawn {name} -- PROGRAM, or give {other} or --file"
        )
    if template is not None and file is not None:
        raise click.UsageError("give --from or --file, not both")
    answer = call(
        "spawn",
        timeout=timeout,
        name=name,
        **({"exec" if as_agent else "run": resolved_program(*program)} if program else {}),
        **(_of_file(file) if file else _of_template(template)),
        env=env or None,
        cwd=str(cwd.absolute()) if cwd else None,
        dry_run=dry_run or None,
        **given,
    )
    if dry_run:
        output.lines(block(answer["manifest"].rstrip("\n")))


def _of_template(template: str | None) -> dict[str, str]:
    """Return the fields of a request for `--from`."""
    match template:
        case None | "command":  # what an agent is without a manifest
            return {}
        case "claude":
            return {"manifest": 'driver = "claude"\n'}
        case str() if template.endswith(".toml"):
            return _of_file(Path(template))
        case _:
            return {"template": template}


def _of_file(path: Path) -> dict[str, str]:
    """Return the fields of a request with the text of a file.

    Raises:
        ConfigError: The file cannot be read.
    """
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    return {"manifest": text, "manifest_path": str(path.absolute())}


@click.command()
@options.names_or_all
@options.timeout
def start(names: tuple[str, ...], every: bool, timeout: float) -> None:
    """Start agents, also those that were parked as failed."""
    if chosen := _chosen_agents(names, every=every):
        call("start", timeout=timeout, scope={"agent_names": chosen})


@click.command()
@options.names_or_all
@click.option("--now", is_flag=True, help="Do not wait for the turn to end.")
@options.timeout
def stop(names: tuple[str, ...], every: bool, now: bool, timeout: float) -> None:
    """Stop agents; they stay stopped until you start them.

    This survives a restart of the daemon and overrides every automatic restart.
    """
    if chosen := _chosen_agents(names, every=every):
        call("stop", timeout=timeout, scope={"agent_names": chosen}, graceful=not now)


def _chosen_agents(names: tuple[str, ...], *, every: bool) -> list[str]:
    """Return the names that were given, or those of all agents, which may be none.

    Raises:
        click.UsageError: Neither names nor --all were given, or both.
    """
    if every == bool(names):
        why = "give names or --all, not both" if every else f"{options.NO_NAME}; --all does"
        raise click.UsageError(why, click.get_current_context())
    if not every:
        return list(dict.fromkeys(names))
    found: list[str] = call("list")["agents"]
    if not found:
        output.lines(["No agents."])
    return found


@click.command()
@options.names
@options.timeout
def restart(names: tuple[str, ...], timeout: float) -> None:
    """Stop agents gracefully and start them again, one after the other."""
    act_on_each(names, lambda name: _restart("restart", name, timeout))


@click.command()
@options.names
@options.waiting(BUILD)
def rebuild(names: tuple[str, ...], timeout: float) -> None:
    """Rebuild agents' containers and restart them, one after the other."""
    act_on_each(names, lambda name: _restart("rebuild", name, timeout))


def _restart(verb: str, name: str, timeout: float) -> None:
    """Restart an agent, and say what it does not run with, of its build or of hive.toml."""
    answer = call(verb, timeout=timeout, name=name)
    if notice := answer.get("notice"):
        output.complain(notice)
    for sentence in not_in_force_sentences(name, answer):
        output.complain(sentence)


@click.command()
@options.names
@click.option("--force", is_flag=True, help="Kill it at once, without a graceful stop.")
@options.timeout
def kill(names: tuple[str, ...], force: bool, timeout: float) -> None:
    """Stop agents; with --force, at once. Several are stopped one after the other."""
    act_on_each(names, lambda name: call("kill", timeout=timeout, name=name, force=force))


@click.command()
@options.name
@click.option("--purge", is_flag=True, help="Remove its files and unread mail, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.timeout
def destroy(name: str, purge: bool, yes: bool, timeout: float) -> None:
    """Remove an agent. Its files and its unread mail stay, unless --purge."""
    if not yes:
        call("destroy", name=name, purge=purge, dry_run=True)
        _confirm(name, purge=purge)
    output.advise_of(call("destroy", timeout=timeout, name=name, purge=purge))


@click.command()
@options.names
def pause(names: tuple[str, ...]) -> None:
    """Hold back agents' mail while they keep running; it waits in their inboxes."""
    act_on_each(names, lambda name: _set_paused(name, paused=True))


@click.command()
@options.names_or_all
def resume(names: tuple[str, ...], every: bool) -> None:
    """Deliver paused agents' mail again."""
    chosen = _chosen_agents(names, every=every)
    if every:
        rows = call("agent_status")["agent_statuses"]
        paused = {row["name"] for row in rows if row.get("paused")}
        chosen = [name for name in chosen if name in paused]
        if not chosen:
            output.lines(["No agent is paused."])
    act_on_each(chosen, lambda name: _set_paused(name, paused=False))


def _set_paused(name: str, *, paused: bool) -> None:
    """Pause or resume an agent, and say so if it was that way before."""
    if not call("set_paused", name=name, paused=paused).get("changed", True):
        output.complain(f"{name} was {'paused before' if paused else 'not paused'}")


@click.command()
@options.name
@click.option(
    "--broadcast/--no-broadcast", default=None, help="Deliver messages to '*' to it, too."
)
@click.option("--description", metavar="TEXT", help="What it is, for the other participants.")
@click.option(
    "--observe", metavar="UNIT", help="Show the state of this unit or machine; '' for none."
)
@options.as_json
def register_peer(
    name: str, broadcast: bool | None, description: str | None, observe: str | None, as_json: bool
) -> None:
    """Register a participant with its own lifecycle, and print the path of its socket.

    Nothing in hyperhive can start, stop or restart it.
    """
    settings: dict[str, Any] = {
        "broadcast": broadcast,
        "description": description,
        "observe": observe,
    }
    answer = call("register_peer", name=name, **settings)
    output.advise_of(answer)
    socket = answer["socket"]
    if as_json:
        output.document({"socket": socket}, "PeerSocket")
    else:
        output.lines([inline(socket)])


@click.command()
@options.name
@click.option("--force", is_flag=True, help="Even if it has unread mail.")
def unregister_peer(name: str, force: bool) -> None:
    """Remove a peer; refused while it has unread mail, unless --force."""
    output.advise_of(call("unregister_peer", name=name, force=force))


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
