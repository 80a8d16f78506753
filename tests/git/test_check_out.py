"""Files of a commit on disk: whole or not at all, with their modes, whatever the umask is."""

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from hive.errors import FailedError
from hive.git import check_out
from hive.git.applied import AppliedRepository
from hive.git.check_out import PREFIX
from tests.support.repositories import Repository

pytestmark = pytest.mark.loops("asyncio")

TOML = 'run = ["./agent.sh"]\n'


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


async def imported(applied: AppliedRepository, proposed: Repository) -> str:
    def build() -> str:
        (proposed.path / "bin").mkdir()
        (proposed.path / "bin" / "run").write_text("#!/bin/sh\n")
        (proposed.path / "bin" / "run").chmod(0o755)
        (proposed.path / "deep" / "er").mkdir(parents=True)
        (proposed.path / "deep" / "er" / "link").symlink_to("../../bin/run")
        return proposed.commit({"agent.toml": TOML, "empty": "", "n\u00fcl": "x\n\n"})

    sha = await asyncio.to_thread(build)
    await applied.import_commit(proposed.path, sha)
    return sha


@pytest.mark.usefixtures("umask")
async def test_every_file_has_its_content_and_mode(
    applied: AppliedRepository, proposed: Repository, tmp_path: Path
) -> None:
    sha = await imported(applied, proposed)
    target = tmp_path / "deployed" / "alice" / sha
    await applied.check_out(sha, target)
    found = {
        str(path.relative_to(target)): oct(stat.S_IMODE(path.lstat().st_mode))
        for path in target.rglob("*")
        if not path.is_symlink()
    }
    assert found == {
        "bin": "0o755",
        "bin/run": "0o755",
        "deep": "0o755",
        "deep/er": "0o755",
        "agent.toml": "0o644",
        "empty": "0o644",
        "n\u00fcl": "0o644",
    }
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    assert (target / "agent.toml").read_text() == TOML
    assert (target / "n\u00fcl").read_text() == "x\n\n"
    assert (target / "deep/er/link").read_text() == "#!/bin/sh\n"
    assert not (target / ".git").exists()


async def test_two_at_once_make_one_directory(
    applied: AppliedRepository, proposed: Repository, tmp_path: Path
) -> None:
    sha = await imported(applied, proposed)
    target = tmp_path / "deployed" / sha
    await asyncio.gather(*(applied.check_out(sha, target) for _ in range(4)))
    assert names(target.parent) == [sha]
    assert names(target) == ["agent.toml", "bin", "deep", "empty", "n\u00fcl"]
    before = target.stat().st_ino
    await applied.check_out(sha, target)
    assert target.stat().st_ino == before, "it is not written again"


async def test_an_interrupted_one_is_not_there(
    applied: AppliedRepository,
    proposed: Repository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sha = await imported(applied, proposed)
    target = tmp_path / "deployed" / sha
    real, left = os.fsync, [2]

    def full(descriptor: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(28, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(check_out.os, "fsync", full)
        with pytest.raises(FailedError, match="No space left on device"):
            await applied.check_out(sha, target)
    assert names(target.parent) == []
    (target.parent / f"{PREFIX}of-a-crash").mkdir()
    await applied.check_out(sha, target)
    assert (target / "agent.toml").read_text() == TOML


async def test_attributes_of_the_tree_change_no_file(
    applied: AppliedRepository, proposed: Repository, tmp_path: Path
) -> None:
    attributes = "* text eol=crlf ident export-subst\nsecret export-ignore\n"
    files = {".gitattributes": attributes, "a": "$Id$ $Format:%H$\nx\n", "secret": "s\n"}
    sha = await asyncio.to_thread(proposed.commit, files)
    await applied.import_commit(proposed.path, sha)
    await applied.check_out(sha, tmp_path / "out")
    assert (tmp_path / "out" / "a").read_bytes() == b"$Id$ $Format:%H$\nx\n"
    assert (tmp_path / "out" / "secret").exists()
