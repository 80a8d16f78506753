"""A whole hive moves: exported while it runs, imported into an empty directory, all or nothing."""

import asyncio
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from hive.errors import BadRequestError, ConflictError, NotFoundError
from hive.git.repositories import Repositories
from hive.git.runner import Git, find_git
from hive.machines.agent_files import purge_directory
from hive.paths import Paths
from hive.transfer import archive
from hive.transfer.export_hive import export_hive
from hive.transfer.import_hive import import_hive
from tests.deploys.test_deploys import field, site
from tests.support.hives import Site
from tests.support.runtimes import ScriptedRuntime

__all__ = ["site"]

RELATIVE = 'exec = ["./agent.sh"]\n'


PROGRAM = find_git()


def repositories(state: Path, run: Path) -> Repositories:
    assert PROGRAM is not None
    return Repositories(Git(PROGRAM), Paths(run, state))


async def exported(site: Site, target: Path) -> tuple[str, dict[str, str]]:
    """Export a hive with one deployed agent and a letter; return its commit and its tags."""
    async with field(site, ScriptedRuntime()) as found:
        sha = await found.deployed(RELATIVE)
        await found.hive.send("alice", "a letter")
        host = await found.host()
        await host.ok("schedule", to="alice", when="every 1h", body="look around")
        link = found.hive.paths.proposed("alice") / "passwd"
        await asyncio.to_thread(link.symlink_to, "/etc/passwd")
        made = await export_hive(repositories(site.state_dir, site.run_dir), target, version="0")
        assert made.left_out == ("alice/passwd",)
        return sha, await found.tags()


async def test_a_hive_comes_through_an_export_and_an_import(site: Site, tmp_path: Path) -> None:
    sha, tags = await exported(site, tmp_path / "moved")
    there = Site(tmp_path / "new" / "state", site.run_dir)
    await import_hive(repositories(there.state_dir, there.run_dir), tmp_path / "moved")
    runtime = ScriptedRuntime()
    async with field(there, runtime) as found:
        record = found.hive.parts.registry.agent("alice").record
        assert record.applied == sha
        assert await found.tags() == tags
        files = there.state_dir / "deployed" / "alice" / sha
        proposed = found.hive.paths.proposed("alice")
        texts = await asyncio.to_thread(
            lambda: [(each / "agent.toml").read_text() for each in (files, proposed)]
        )
        assert texts == [RELATIVE, RELATIVE]
        assert not await asyncio.to_thread((proposed / "passwd").exists)
        assert json.loads(record.manifest)["exec"] == [str(files / "agent.sh")]
        assert [each.body for each in await found.hive.inbox("alice")] == ["a letter"]
        assert [each.id for each in await found.hive.parts.approvals.newest(5)] == [1]
        assert [each.body for each in found.hive.parts.schedules.all] == ["look around"]
        await found.deployed('exec = ["agent"]\nmemory_max = "9G"\n')
        assert found.memory == "9G"


async def test_an_import_needs_an_empty_directory(site: Site, tmp_path: Path) -> None:
    await exported(site, tmp_path / "moved")
    with pytest.raises(ConflictError, match="is not empty"):
        await import_hive(repositories(site.state_dir, site.run_dir), tmp_path / "moved")
    with pytest.raises(ConflictError, match="exists; name another"):
        await export_hive(
            repositories(site.state_dir, site.run_dir), tmp_path / "moved", version="0"
        )


def cut_store(moved: Path) -> None:
    (moved / archive.STORE).write_bytes(b"SQLite format 3")


def lose_repository(moved: Path) -> None:
    (moved / archive.BUNDLES / "alice.bundle").unlink()


def age(moved: Path) -> None:
    index = json.loads((moved / archive.INDEX).read_text())
    (moved / archive.INDEX).write_text(json.dumps({**index, "format": 99}))


def lead_out(moved: Path) -> None:
    index = json.loads((moved / archive.INDEX).read_text())
    files = {**index["files"], "../../etc/passwd": "0"}
    (moved / archive.INDEX).write_text(json.dumps({**index, "files": files}))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut_store, "is not what was exported"),
        (lose_repository, "is missing"),
        (age, "has the format 99"),
        (lead_out, "leads out of its directory"),
    ],
)
async def test_a_damaged_export_changes_nothing(site: Site, tmp_path: Path, damage, words) -> None:
    await exported(site, tmp_path / "moved")
    await asyncio.to_thread(damage, tmp_path / "moved")
    state = tmp_path / "new" / "state"
    with pytest.raises(BadRequestError, match=words):
        await import_hive(repositories(state, site.run_dir), tmp_path / "moved")
    assert not await asyncio.to_thread((tmp_path / "new").exists)


async def test_an_import_that_was_killed_is_in_nobodys_way(site: Site, tmp_path: Path) -> None:
    await exported(site, tmp_path / "moved")
    state = tmp_path / "other"
    left = tmp_path / "other.new"
    await asyncio.to_thread(left.mkdir)
    with pytest.raises(ConflictError, match="is in the way"):
        await import_hive(repositories(state, site.run_dir), tmp_path / "moved")
    await asyncio.to_thread((left / ".hive-import").touch)
    await import_hive(repositories(state, site.run_dir), tmp_path / "moved")
    names = await asyncio.to_thread(lambda: {each.name for each in state.iterdir()})
    assert names == {"applied", "deployed", "hive.sqlite", "proposed"}
    assert not await asyncio.to_thread(left.exists)


async def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is no export of a hive"):
        await import_hive(repositories(tmp_path / "s", tmp_path / "r"), tmp_path)


def hostile(kind: bytes, name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc"
    return info


@pytest.mark.parametrize(
    "info",
    [
        hostile(tarfile.SYMTYPE, "link"),
        hostile(tarfile.LNKTYPE, "hard"),
        hostile(tarfile.CHRTYPE, "device"),
        hostile(tarfile.FIFOTYPE, "pipe"),
        hostile(tarfile.REGTYPE, "../out"),
        hostile(tarfile.REGTYPE, "/tmp/absolute"),
        hostile(tarfile.DIRTYPE, "a/../../out"),
    ],
    ids=lambda info: info.name,
)
def test_an_archive_has_only_plain_files_inside(tmp_path: Path, info: tarfile.TarInfo) -> None:
    with tarfile.open(tmp_path / "bad.tar", "x") as tar:
        tar.addfile(info, io.BytesIO())
    with pytest.raises(BadRequestError):
        archive.unpack(tmp_path / "bad.tar", tmp_path / "target")
    assert list((tmp_path / "target").iterdir()) == []


def test_an_archive_follows_no_link_and_keeps_what_is_executable(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "a").mkdir(parents=True)
    (source / "a" / "run.sh").write_text("echo")
    (source / "a" / "run.sh").chmod(0o755)
    (source / "out").symlink_to("/etc")
    os.mkfifo(source / "pipe")
    assert archive.pack(source, tmp_path / "good.tar") == ["out", "pipe"]
    archive.unpack(tmp_path / "good.tar", tmp_path / "target")
    assert sorted(each.name for each in (tmp_path / "target").rglob("*")) == ["a", "run.sh"]
    assert os.access(tmp_path / "target" / "a" / "run.sh", os.X_OK)


def test_what_is_too_deep_is_left_out_of_an_archive(tmp_path: Path) -> None:
    """The manager may nest directories without end, and no import could make such paths."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("kept")
    nest(source, "d", 2000)
    nest(source, "x" * 200, 30)
    left_out = archive.pack(source, tmp_path / "good.tar")
    assert len(left_out) == 2
    assert {name[0] for name in left_out} == {"d", "x"}
    archive.unpack(tmp_path / "good.tar", tmp_path / "target")
    assert (tmp_path / "target/file").read_text() == "kept"
    assert (tmp_path / "target" / "/".join("d" * 50)).is_dir()
    purge_directory(tmp_path, "source")  # pytest could not


def test_names_that_are_no_text_or_would_move_a_cursor_are_exported(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in (b"\xff\xfe", b"a\x1b[2Jb", b"a\nb"):
        Path(os.fsdecode(os.fsencode(source) + b"/" + name)).write_text("kept")
    assert archive.pack(source, tmp_path / "good.tar") == []
    archive.unpack(tmp_path / "good.tar", tmp_path / "target")
    assert len(list((tmp_path / "target").iterdir())) == 3


def nest(directory: Path, name: str, levels: int) -> None:
    """Nest directories deeper than a path can say."""
    here = os.open(directory, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
