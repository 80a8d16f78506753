"""A daemon that is killed at any write of the meta flake: the next one finds the old or the new."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from hive.errors import FailedError
from hive.flakes.flake_texts import Pin, SharedInputs
from hive.flakes.meta_flake import FILES, MetaFlake
from hive.flakes.nix_runner import NixRunner
from hive.git.runner import Git, find_git
from hive.machines.runtime import ignore_line
from tests.support.fake_nix import make_fake_nix, set_revision
from tests.support.kills import KilledError, KillPoint

pytestmark = pytest.mark.loops("asyncio")

GIT = find_git()
OLD, NEW = (Pin("/state/applied/alice", "refs/tags/x", rev * 40) for rev in "12")


def make(root: Path) -> MetaFlake:
    assert GIT is not None
    root.mkdir()
    set_revision(root / "nixpkgs", "a" * 40)
    runner = NixRunner(make_fake_nix(root), GIT, root / "cache")
    return MetaFlake(Git(GIT), runner, root / "meta", SharedInputs(f"path:{root / 'nixpkgs'}"))


async def deploy(meta: MetaFlake, pin: Pin, message: str) -> None:
    await meta.build("alice", pin, ignore_line, ["alice"])
    await meta.install()
    await meta.commit(message)


async def deploy_badly(meta: MetaFlake, pin: Pin) -> None:
    await meta.build("alice", pin, ignore_line, ["alice"])
    await meta.install()
    await meta.restore()


async def state(meta: MetaFlake) -> tuple[list[str], dict[str, str], str]:
    """Return the log, the files, and what of them is not committed."""

    def read() -> dict[str, str]:
        there = [name for name in FILES if (meta.path / name).exists()]
        return {name: (meta.path / name).read_text() for name in there}

    status = await meta._run_git("status", "--porcelain", "--untracked-files=all")
    return await meta.log(), await asyncio.to_thread(read), status.decode()


def interrupted(patch: pytest.MonkeyPatch, at: int) -> KillPoint:
    def kill() -> None:
        raise KilledError

    point = KillPoint(patch, at, kill)
    point.arm()
    return point


async def count(make_it: Callable[[], MetaFlake], patch: pytest.MonkeyPatch) -> list[str]:
    """Return the writes of a deploy."""
    meta = make_it()
    await deploy(meta, OLD, "one")
    with patch.context() as patched:
        point = interrupted(patched, 1000)
        await deploy(meta, NEW, "two")
        return point.log


async def test_each_write_of_a_deploy_is_one_that_the_tests_kill_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await count(lambda: make(tmp_path / "x"), monkeypatch)
    kinds = [word for word in log if word not in {"show", "rev-parse"}]
    assert kinds == [
        *("nix flake", "nix build"),
        *("move flake.lock", "move inputs.json", "move flake.nix"),
        *("add", "diff", "commit"),
    ]


async def test_a_good_deploy_is_finished_whatever_it_was_killed_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = await count(lambda: make(tmp_path / "count"), monkeypatch)
    for at in range(len(writes)):
        meta = make(tmp_path / str(at))
        await deploy(meta, OLD, "one")
        before = await state(meta)
        with monkeypatch.context() as patched:
            point = interrupted(patched, at)
            with pytest.raises(KilledError):
                await deploy(meta, NEW, "two")
        moved = [word for word in point.log[:-1] if word.startswith("move")]
        if point.log[-1].startswith(("nix", "show", "rev-parse")):  # the step `building`
            assert await state(meta) == before
            await meta.build("alice", NEW, ignore_line, ["alice"])
        elif len(moved) < 3:
            assert (await state(meta))[0] == ["one"]
        await meta.install()
        await meta.commit("two")
        log, files, status = await state(meta)
        assert (log, status) == (["two", "one"], ""), point.log
        assert all(NEW.rev in text and OLD.rev not in text for text in files.values()), point.log


async def test_a_bad_deploy_leaves_what_was_there_whatever_it_was_killed_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = 0
    while True:
        meta = make(tmp_path / str(at))
        await deploy(meta, OLD, "one")
        before = await state(meta)
        with monkeypatch.context() as patched:
            point = interrupted(patched, at)
            try:
                await deploy_badly(meta, NEW)
            except KilledError:
                pass
            else:
                break
        await meta.restore()
        assert await state(meta) == before, point.log
        at += 1
    assert point.log[-1] == "read-tree"
    assert await state(meta) == before


async def test_a_first_deploy_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(20):
        meta = make(tmp_path / str(at))
        with monkeypatch.context() as patched:
            point = interrupted(patched, at)
            try:
                await deploy(meta, NEW, "one")
            except KilledError:
                pass
            else:
                break
        await meta.restore()
        assert await state(meta) == ([], {}, ""), point.log
    assert point.log[-1] == "commit"


async def test_a_git_that_fails_does_not_pass_for_a_flake_that_was_never_deployed(
    tmp_path: Path,
) -> None:
    """A restore that took any error for that removed the files."""
    meta = make(tmp_path / "x")
    await deploy(meta, OLD, "one")
    before = await state(meta)
    config = meta.path / ".git" / "config"
    text = await asyncio.to_thread(config.read_text)
    await asyncio.to_thread(config.write_text, "[nonsense")
    with pytest.raises(FailedError, match="bad config"):
        await meta.restore()
    await asyncio.to_thread(config.write_text, text)
    assert await state(meta) == before
