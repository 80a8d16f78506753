"""The verb that copies the store. It reads the file itself and needs no daemon."""

from __future__ import annotations

from pathlib import Path

import click

from hive import paths
from hive.cli import options, output


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, readable=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@options.as_json
def backup(file: Path, force: bool, as_json: bool) -> None:
    """Copy the store to a file, while everything runs.

    The copy is the store of one moment. It is checked before it gets its name, so what is there is
    whole.
    """
    from hive.store.backup import back_up

    made = back_up(paths.find().database, file.absolute(), force=force)
    if as_json:
        output.document({"path": str(made.path), "bytes": made.size, "schema": made.version})
