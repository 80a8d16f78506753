"""A proposed repository and an applied one."""

from pathlib import Path

import pytest

from hive.git.applied import AppliedRepository
from hive.git.runner import Git, find_git
from tests.support.repositories import Repository


@pytest.fixture
def git() -> Git:
    program = find_git()
    if program is None:
        pytest.skip("git is not installed")
    return Git(program)


@pytest.fixture
def proposed(tmp_path: Path, git: Git) -> Repository:
    return Repository(tmp_path / "proposed")


@pytest.fixture
async def applied(tmp_path: Path, git: Git) -> AppliedRepository:
    repository = AppliedRepository(git, tmp_path / "applied")
    await repository.create()
    return repository
