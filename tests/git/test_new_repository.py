"""A new proposed repository: whole, in its place at once, and blind to what lies there."""

import asyncio
import stat
import subprocess
from pathlib import Path

import pytest

from hive.errors import ConflictError
from hive.git import new_repository
from hive.git.applied import AppliedRepository
from hive.git.new_repository import PREFIX, FirstCommit, write_repository
from hive.git.proposed import description_of, newest_commit
from hive.git.runner import Git
from hive.git.tree_check import EXECUTABLE, LINK, Entry

pytestmark = pytest.mark.loops("asyncio")

ODD = 'a "quoted" näme'

FILES = [
    (Entry("100644", "", 4, "agent.toml"), b"a=1\n"),
    (Entry(EXECUTABLE, "", 10, "bin/answer.sh"), b"#!/bin/sh\n"),
    (Entry("100644", "", 3, ODD), b"\x00\n\xff"),
    (Entry(LINK, "", 10, "link"), b"agent.toml"),
]
FIRST = FirstCommit(FILES, "the first\n\nwhy\n", "for alice, approval 7", 1_700_000_000)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "proposed").mkdir()
    return tmp_path


def git_in(repository: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(repository), *words], capture_output=True, check=True)
    return done.stdout.decode().strip()


async def test_a_repository_has_the_files_and_one_commit(git: Git, state: Path) -> None:
    target = state / "proposed" / "alice"
    sha = await write_repository(git, FIRST, target, state)

    def look() -> None:
        assert git_in(target, "status", "--porcelain") == ""
        assert git_in(target, "log", "--format=%H %an %ae %s %b") == (
            f"{sha} hive-c0re hive-c0re@localhost the first why"
        )
        assert git_in(target, "symbolic-ref", "HEAD") == "refs/heads/main"
        assert git_in(target, "config", "core.bare") == "false"
        assert (target / ODD).read_bytes() == b"\x00\n\xff"
        assert (target / "link").readlink() == Path("agent.toml")
        assert stat.S_IMODE((target / "bin" / "answer.sh").stat().st_mode) == 0o755
        assert newest_commit(target) == sha
        assert description_of(target) == "for alice, approval 7"
        assert [each.name for each in state.iterdir()] == ["proposed"]

    await asyncio.to_thread(look)


async def test_its_commit_can_be_proposed(git: Git, state: Path) -> None:
    target = state / "proposed" / "alice"
    sha = await write_repository(git, FIRST, target, state)
    applied = AppliedRepository(git, state / "applied")
    await applied.create()
    assert (await applied.import_commit(target, sha)).sha == sha
    files = {entry.path: content for entry, content in await applied.files(sha)}
    assert files == {entry.path: content for entry, content in FILES}


def _file(target: Path) -> None:
    target.write_text("mine")


def _directory(target: Path) -> None:
    target.mkdir()
    (target / "mine").write_text("mine")


def _link(target: Path) -> None:
    outside = target.parent.parent / "outside"
    outside.mkdir()
    target.symlink_to(outside)


def _dangling(target: Path) -> None:
    target.symlink_to("/nonexistent")


@pytest.mark.parametrize("lay", [_file, _directory, _link, _dangling])
@pytest.mark.parametrize("late", [False, True], ids=["before", "in the last moment"])
async def test_what_lies_in_the_place_stays_as_it_is(
    git: Git, state: Path, monkeypatch: pytest.MonkeyPatch, lay: object, late: bool
) -> None:
    target = state / "proposed" / "alice"
    if late:
        monkeypatch.setattr(new_repository.os.path, "lexists", lambda path: False)
    await asyncio.to_thread(lay, target)  # type: ignore[arg-type]
    with pytest.raises(ConflictError, match="already; edit it there"):
        await write_repository(git, FIRST, target, state)

    def look() -> None:
        if target.is_symlink():
            outside = state / "outside"
            assert not outside.exists() or list(outside.iterdir()) == []
        elif target.is_dir():
            assert [each.name for each in target.iterdir()] == ["mine"]
        else:
            assert target.read_text() == "mine"
        assert not [each for each in state.iterdir() if each.name.startswith(PREFIX)]

    await asyncio.to_thread(look)


async def test_its_owner_is_that_of_the_directory_around_it(
    git: Git, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a manager in a container with users of its own can write it."""
    owned: dict[str, tuple[int, int]] = {}

    def lchown(path: Path, uid: int, gid: int) -> None:
        owned[path.name] = (uid, gid)

    monkeypatch.setattr(new_repository.os, "lchown", lchown)
    monkeypatch.setattr(new_repository.os, "geteuid", lambda: 4711)
    await write_repository(git, FIRST, state / "proposed" / "alice", state)
    mine = ((state / "proposed").stat().st_uid, (state / "proposed").stat().st_gid)
    assert set(owned.values()) == {mine}
    assert {"tree", "agent.toml", "answer.sh", "link", ".git", "index"} <= owned.keys()


async def test_a_description_is_read_as_data(state: Path) -> None:
    target = state / "proposed" / "alice"

    def lay() -> None:
        (target / ".git").mkdir(parents=True)
        (target / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        (target / ".git" / "description").symlink_to("/etc/passwd")

    await asyncio.to_thread(lay)
    assert await asyncio.to_thread(description_of, target) is None
    assert await asyncio.to_thread(description_of, state / "proposed" / "bob") is None
