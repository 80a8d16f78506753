"""Verbs that make an agent a peer or a peer an agent, and that rename participants."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from hive.cli import options, output
from hive.cli.completing import complete_names
from hive.cli.requests import BUILD, call
from hive.command_lines import resolved_program
from hive.errors import ConfigError
from hive.escapes import block
from hive.view.change_lines import approval_line


@click.command()
@options.name
@options.as_json
@options.timeout
def release(name: str, as_json: bool, timeout: float) -> None:
    """Make an agent a peer; its container runs on.

    The container is yours from then on, and what the hive wrote about it is removed. The socket,
    the mail and the history of the agent stay.
    """
    found = call("release", timeout=timeout, name=name)
    if as_json:
        output.document(found, "MoveResult")
    unit = found.get("unit")
    if unit is not None:
        output.hint(f"{name} is a peer; its container is that of {unit}, which is observed.")
    output.advise_of(found)


@click.command()
@options.name
@click.argument("program", metavar="[-- PROGRAM ARGS...]", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--file",
    type=click.Path(dir_okay=False, readable=False, path_type=Path),
    metavar="AGENT.TOML",
    help="Its manifest.",
)
@click.option(
    "--driver",
    metavar="NAME",
    shell_complete=complete_names,
    help="The driver of its harness.",
)
@click.option("--stop", is_flag=True, help="Stop its container, so that it can be taken over.")
@click.option(
    "--dry-run", is_flag=True, help="Only print the manifest, and what stands against it."
)
@click.option("--yes", is_flag=True, help="Approve it at once.")
@options.as_json
@options.waiting(BUILD)
def adopt(
    *,
    name: str,
    program: tuple[str, ...],
    file: Path | None,
    driver: str | None,
    stop: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    timeout: float,
) -> None:
    """Make a peer an agent, once you have approved it.

    Its mail and its history stay. Without --file, its manifest is that of hive.toml, or is read
    from its container; PROGRAM and --driver say then what it runs.
    """
    wish: dict[str, Any] = {
        "manifest": None if file is None else _text(file),
        "manifest_path": None if file is None else str(file.absolute()),
        "driver": driver,
        "run": resolved_program(*program) if program else None,
        "stop": stop or None,
        "dry_run": dry_run or None,
        "approve": yes or None,
    }
    given = {key: value for key, value in wish.items() if value is not None}
    found = call("adopt", timeout=timeout, name=name, **given)
    for note in found["notes"]:
        output.advise(note)
    if as_json:
        output.document(found, "AdoptResult")
    elif dry_run:
        output.lines(block(found["manifest"]))
    elif not yes:
        output.lines([approval_line(found["approval"], time.time())])
    if "refusal" in found:
        output.complain(found["refusal"])
    output.advise_of(found)


@click.command()
@click.argument("old", shell_complete=complete_names)
@click.argument("new")
@click.option("--restart", is_flag=True, help="Stop an agent that runs, and start it again.")
@options.as_json
@options.timeout
def rename(old: str, new: str, restart: bool, as_json: bool, timeout: float) -> None:
    """Give a peer or a stopped agent another name.

    Its mail and its files move along.
    """
    found = call("rename", timeout=timeout, name=old, new=new, restart=restart)
    if as_json:
        output.document(found, "MoveResult")
    output.advise_of(found)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
