"""The newest commit of a proposed repository, read as data."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hive.errors import ConflictError, HiveError, NotFoundError
from hive.git.proposed import newest_commit
from tests.support.repositories import Repository


def test_the_newest_commit_is_that_of_the_branch(proposed: Repository) -> None:
    with pytest.raises(NotFoundError, match="no commit yet"):
        newest_commit(proposed.path)
    first = proposed.commit({"a": "1"})
    assert newest_commit(proposed.path) == first
    proposed.git("checkout", "--quiet", "-b", "feature/x")
    second = proposed.commit({"a": "2"})
    assert newest_commit(proposed.path) == second
    proposed.git("pack-refs", "--all")
    assert newest_commit(proposed.path) == second
    proposed.git("checkout", "--quiet", "--detach", first)
    assert newest_commit(proposed.path) == first


def link(repository: Repository) -> None:
    (repository.dot_git / "HEAD").unlink()
    (repository.dot_git / "HEAD").symlink_to("/etc/passwd")


def fifo(repository: Repository) -> None:
    (repository.dot_git / "HEAD").unlink()
    os.mkfifo(repository.dot_git / "HEAD")


def upward(repository: Repository) -> None:
    (repository.dot_git / "HEAD").write_text("ref: refs/heads/../../../../etc/passwd\n")


def nonsense(repository: Repository) -> None:
    (repository.dot_git / "HEAD").write_bytes(b"\xff" * 5000)


def linked_refs(repository: Repository) -> None:
    heads = repository.dot_git / "refs" / "heads"
    heads.rename(repository.path / "elsewhere")
    heads.symlink_to(repository.path / "elsewhere")


@pytest.mark.parametrize(
    "spoil", [link, fifo, upward, nonsense, linked_refs], ids=lambda spoil: spoil.__name__
)
def test_what_leads_elsewhere_is_refused(
    proposed: Repository, spoil: Callable[[Repository], None]
) -> None:
    proposed.commit({"a": "1"})
    spoil(proposed)
    with pytest.raises(HiveError):
        newest_commit(proposed.path)


def test_a_bare_repository_is_read_too(proposed: Repository, tmp_path: Path) -> None:
    sha = proposed.commit({"a": "1"})
    target = tmp_path / "bare"
    proposed.git("clone", "--quiet", "--bare", str(proposed.path), str(target))
    assert newest_commit(target) == sha


def test_no_repository_is_a_conflict(tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match="no git repository"):
        newest_commit(tmp_path / "none")


def test_no_descriptor_stays_open(proposed: Repository) -> None:
    proposed.commit({"a": "1"})
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - descriptors, not files
    newest_commit(proposed.path)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
