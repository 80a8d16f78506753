"""Export: a directory with all that a hive has decided and stored, while its daemon runs."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from attrs import frozen

from hive.errors import ConflictError, FailedError
from hive.git.repositories import Repositories
from hive.store.backup import back_up
from hive.transfer import archive


@frozen
class Export:
    """A finished export.

    Attributes:
        path: Its directory.
        files: The number of its files.
        left_out: What of the proposed repositories is no plain file, or too deep.
    """

    path: Path
    files: int
    left_out: tuple[str, ...]


async def export_hive(
    repositories: Repositories, target: Path, *, version: str, config: Path | None = None
) -> Export:
    """Write an export; the directory appears at once and whole.

    The files of the agents themselves (`agents/` of the state directory) are not in it.

    Args:
        repositories: The repositories of the hive, and its directories.
        target: The directory; it must not exist.
        version: The version of this program.
        config: A hive.toml to copy into it.

    Raises:
        NotFoundError: There is no store.
        ConflictError: The target exists.
        FailedError: Something cannot be read or written.
    """
    if await asyncio.to_thread(target.exists):
        raise ConflictError(f"{target} exists; name another directory")
    new = target.with_name(f"{target.name}.new")
    try:
        await asyncio.to_thread(shutil.rmtree, new, ignore_errors=True)
        await asyncio.to_thread(new.mkdir, mode=0o700, parents=True)
        made = await _write(repositories, new, version, config)
        await asyncio.to_thread(new.rename, target)
    except OSError as error:
        raise FailedError(f"cannot export to {target}: {error}") from error
    finally:
        await asyncio.to_thread(shutil.rmtree, new, ignore_errors=True)
    return Export(target, made.files, made.left_out)


async def _write(
    repositories: Repositories, new: Path, version: str, config: Path | None
) -> Export:
    paths = repositories.paths
    # The store first: what it names is then in the repositories, which only grow.
    backup = await asyncio.to_thread(back_up, paths.database, new / archive.STORE)
    if config is not None:
        await asyncio.to_thread(shutil.copyfile, config, new / archive.CONFIG)
    await asyncio.to_thread((new / archive.BUNDLES).mkdir, mode=0o700)
    for name in await asyncio.to_thread(_names, paths.state_dir / "applied"):
        applied = repositories.applied(name)
        if await applied.tags():
            await applied.write_bundle(new / archive.BUNDLES / f"{name}.bundle")
    left_out: list[str] = []
    if await asyncio.to_thread(paths.proposed_dir.is_dir):
        left_out = await asyncio.to_thread(archive.pack, paths.proposed_dir, new / archive.PROPOSED)
    index = await asyncio.to_thread(
        lambda: archive.write_index(
            new, schema=backup.version, hyperhive=version, state_dir=paths.state_dir
        )
    )
    return Export(new, len(index.files) + 1, tuple(left_out))


def _names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir()) if directory.is_dir() else []
