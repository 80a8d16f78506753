"""What deploys leave behind, and how much of it is kept.

Tags, files of commits and outputs grow with each deploy. After a deploy the oldest are removed;
what waits, what runs and what it may return to always stays.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from hive.errors import HiveError
from hive.git.repositories import Repositories
from hive.store.deploys import Deploy, DeployStep

logger = logging.getLogger(__name__)

DEPLOYED_TAGS = 50
"""Newest tags `deployed/…` of an agent that are kept."""

OTHER_TAGS = 50
"""Newest other tags of an agent that are kept."""


@frozen
class InUse:
    """What must stay.

    Attributes:
        ids: The second parts of the tags of approvals and deploys that have not ended.
        commits: The commits that run, that may run next, and that ran before.
    """

    ids: Collection[str] = ()
    commits: Collection[str] = ()


def surplus_tags(tags: Mapping[str, str], in_use: InUse) -> list[str]:
    """Return the tags to delete. Pure.

    Args:
        tags: The commits of all tags of an agent, the oldest tag first.
        in_use: What must stay.
    """
    deployed = [tag for tag in tags if tag.startswith("deployed/")]
    others = [tag for tag in tags if not tag.startswith("deployed/")]
    old = [*_all_but(deployed, DEPLOYED_TAGS), *_all_but(others, OTHER_TAGS)]
    return [
        tag
        for tag in old
        if tag.partition("/")[2] not in in_use.ids and tags[tag] not in in_use.commits
    ]


def commits_in_use(
    applied: str | None, past: Iterable[Deploy], waiting: Iterable[Deploy]
) -> set[str]:
    """Return the commits of an agent whose files must stay. Pure.

    Args:
        applied: The commit that runs.
        past: Its deploys that have ended, oldest first.
        waiting: Its deploys that have not.
    """
    found = {sha for each in waiting for sha in (each.sha, each.previous)} | {applied}
    before = [each.sha for each in past if each.step is DeployStep.DEPLOYED and each.sha != applied]
    return {sha for sha in (*found, *before[-1:]) if sha is not None}


def _all_but(tags: list[str], kept: int) -> list[str]:
    return tags[: max(0, len(tags) - kept)]


async def tidy(repositories: Repositories, name: str, in_use: InUse) -> None:
    """Remove old tags, the objects of commits that nothing needs, and files of old commits.

    Args:
        repositories: The repositories of agents.
        name: The agent.
        in_use: What must stay.
    """
    try:
        applied = repositories.applied(name)
        if surplus := surplus_tags(await applied.tags(), in_use):
            await applied.delete_tags(surplus)
            await applied.prune()
        directory = repositories.paths.deployed_of(name)
        await asyncio.to_thread(_remove_files, directory, in_use.commits)
    except (HiveError, OSError) as error:  # the next deploy tries again
        logger.warning("old deploys of %s cannot be removed: %s", name, error)


def _remove_files(directory: Path, commits: Collection[str]) -> None:
    with suppress(FileNotFoundError):
        for entry in directory.iterdir():
            if entry.name not in commits:
                shutil.rmtree(entry)
