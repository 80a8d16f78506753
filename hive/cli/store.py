"""Verbs about the store's file. They read it themselves and need no daemon."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from hive import paths
from hive.cli import options, out
from hive.cli.host import call
from hive.errors import ExitStatus, HiveError, UnavailableError
from hive.view.escape import inline

if TYPE_CHECKING:
    from hive.store.checkup import Finding


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
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
        out.document({"path": str(made.path), "bytes": made.size, "schema": made.version})


@click.command()
@click.option("--db", "only_file", is_flag=True, help="Only the store: no daemon is no problem.")
@options.as_json
def doctor(only_file: bool, as_json: bool) -> None:
    """Say whether the store is healthy, and what to do if not.

    Looks at the file and asks the daemon, if there is one. Ends with 1 if there is a problem.
    """
    from hive.store.checkup import Grade, examine

    found = [_daemon(needed=not only_file), *examine(paths.find().database, time.time())]
    if as_json:
        out.document(
            [
                {"what": each.what, "grade": each.grade, "seen": each.seen, "remedy": each.remedy}
                for each in found
            ]
        )
    else:
        out.lines(line for each in found for line in _lines(each))
    if any(each.grade is Grade.PROBLEM for each in found):
        raise Exit(ExitStatus.FAILED)


def _daemon(*, needed: bool) -> Finding:
    """Ask the daemon whether it can store anything."""
    from hive.store.checkup import Finding, Grade

    try:
        answer = call("store")
    except UnavailableError as error:
        if needed:
            return Finding("daemon", Grade.PROBLEM, str(error), "start it: hive-c0re serve")
        return Finding("daemon", Grade.GOOD, "none runs; this is the file alone")
    except HiveError as error:
        return Finding("daemon", Grade.WARNING, str(error))
    if answer["writable"]:
        return Finding("daemon", Grade.GOOD, f"stores what it is sent, {answer['durability']}")
    seen = f"refuses what it is sent since {answer['since']}: {answer['trouble']}"
    remedy = "end the cause; it takes up again by itself, unless the store is damaged or was moved"
    return Finding("daemon", Grade.PROBLEM, seen, remedy)


def _lines(found: Finding) -> list[str]:
    line = f"{found.grade:<8} {found.what:<10} {inline(found.seen)}"
    return [line] if found.remedy is None else [line, f"{'':<19} {inline(found.remedy)}"]
