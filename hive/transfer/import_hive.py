"""Import: a state directory made of an export, all of it or nothing."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from hive.errors import BadRequestError, ConflictError, FailedError
from hive.git.repositories import Repositories
from hive.names import MANAGER, check_agent_name
from hive.paths import Paths
from hive.store.backup import back_up
from hive.store.errors import from_sqlite
from hive.transfer import archive
from hive.transfer.archive import Index

_MARK = ".hive-import"
"""A file in a directory that is being made by an import, so that no other is ever removed."""


async def import_hive(repositories: Repositories, source: Path) -> Index:
    """Make the state directory of a hive of an export.

    Args:
        repositories: Git, and the directories of the new hive; its state directory must be empty.
        source: The directory of the export.

    Raises:
        NotFoundError: There is no export.
        BadRequestError: It is of a newer version, not complete, or was changed.
        ConflictError: The state directory has files, perhaps of a daemon that runs.
        StoreVersionError: A newer version wrote its store.
        FailedError: Something cannot be read or written.
    """
    state = repositories.paths.state_dir
    index = await asyncio.to_thread(archive.read_index, source)
    new = state.with_name(f"{state.name}.new")
    try:
        await asyncio.to_thread(_prepare, state, new)
        building = Repositories(repositories.git, Paths(repositories.paths.run_dir, new))
        await _fill(building, source, index, state)
        await asyncio.to_thread(_publish, new, state)
    except OSError as error:
        raise FailedError(f"cannot import into {state}: {error}") from error
    finally:
        if await asyncio.to_thread((new / _MARK).exists):
            await asyncio.to_thread(shutil.rmtree, new, ignore_errors=True)
    return index


def _prepare(state: Path, new: Path) -> None:
    if state.is_dir() and any(state.iterdir()):
        raise ConflictError(
            f"{state} is not empty; stop the daemon and move the directory away, or name another "
            "one in HYPERHIVE_STATE_DIR"
        )
    if new.exists():
        if not (new / _MARK).exists():
            raise ConflictError(f"{new} exists and is in the way; move it away")
        shutil.rmtree(new)
    new.mkdir(mode=0o750, parents=True)
    (new / _MARK).touch()


def _publish(new: Path, state: Path) -> None:
    new.rename(state)  # fails if it is no longer empty
    (state / _MARK).unlink()


async def _fill(building: Repositories, source: Path, index: Index, state: Path) -> None:
    paths = building.paths
    await asyncio.to_thread(back_up, source / archive.STORE, paths.database)
    for file in index.files:
        if file.startswith(f"{archive.BUNDLES}/"):
            name = Path(file).name.removesuffix(".bundle")
            if name != MANAGER:
                check_agent_name(name)
            applied = building.applied(name)
            await applied.create()
            await applied.read_bundle(source / file)
    if archive.PROPOSED in index.files:
        await asyncio.to_thread(archive.unpack, source / archive.PROPOSED, paths.proposed_dir)
    for name, sha in await asyncio.to_thread(_move, paths.database, Path(index.state_dir), state):
        if await building.applied(name).head() is None:
            raise BadRequestError(
                f"the export has no repository of {name!r}, which runs {sha[:12]}"
            )
        await building.applied(name).check_out(sha, paths.deployed(name, sha))


def _move(database: Path, before: Path, after: Path) -> list[tuple[str, str]]:
    """Let manifests name the new state directory; return the agents that run a commit."""
    old, new = (json.dumps(str(each / "deployed"))[1:-1] + os.sep for each in (before, after))
    try:
        with closing(sqlite3.connect(database)) as connection, connection:
            for table, column in (("participants", "manifest"), ("deploys", "before")):
                connection.execute(
                    f"UPDATE {table} SET {column} = replace({column}, ?, ?)",  # noqa: S608
                    (old, new),
                )
            rows = connection.execute(
                "SELECT name, applied FROM participants WHERE applied IS NOT NULL"
            )
            return [(name, sha) for name, sha in rows]
    except sqlite3.Error as error:
        raise from_sqlite(error, database) from error
