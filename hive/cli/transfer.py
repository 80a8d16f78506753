"""Verbs that move a whole hive to another machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

import hive
from hive import paths
from hive.cli import options, output
from hive.escapes import inline
from hive.quantities import counted

directory = click.argument(
    "directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path)
)


@click.command()
@directory
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A hive.toml to copy into it.",
)
@options.as_json
def export(directory: Path, config: Path | None, as_json: bool) -> None:
    """Write a whole hive into a new directory, while it runs.

    It has the store, the repositories of agents and the hive.toml; not the files of the agents
    themselves.
    """
    from hive.git.repositories import Repositories
    from hive.git.runner import Git, find_git
    from hive.transfer.export_hive import export_hive

    program = find_git()
    repositories = Repositories(None if program is None else Git(program), paths.find())
    made = asyncio.run(
        export_hive(repositories, directory.absolute(), version=hive.__version__, config=config)
    )
    if as_json:
        output.document(
            {"path": str(made.path), "files": made.files, "left_out": list(made.left_out)},
            "ExportDirectory",
        )
        return
    for name in made.left_out:
        output.hint(f"Left out, as it is no plain file or too deep: proposed/{inline(name)}")
    output.lines([f"{made.path}  {counted(made.files, 'file')}"])


@click.command("import")
@directory
def import_(directory: Path) -> None:
    """Make an empty state directory the hive of an export.

    No daemon may run. All of it is there afterwards, or nothing.
    """
    from hive.git.repositories import Repositories
    from hive.git.runner import Git, find_git
    from hive.transfer.import_hive import import_hive

    program = find_git()
    repositories = Repositories(None if program is None else Git(program), paths.find())
    index = asyncio.run(import_hive(repositories, directory.absolute()))
    output.lines([f"{repositories.paths.state_dir}  {counted(len(index.files), 'file')}"])
