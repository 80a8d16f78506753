"""Runs of git."""

import asyncio
import json
from pathlib import Path

import pytest

from hive.errors import FailedError, TooLargeError
from hive.git.runner import Git, GitError, find_git
from tests.support.repositories import Repository


async def test_nothing_of_the_environment_reaches_git(
    git: Git, proposed: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = tmp_path / "gitconfig"
    await asyncio.to_thread(settings.write_text, "[user]\n name = somebody\n")
    for name, value in {
        "GIT_CONFIG_GLOBAL": str(settings),
        "GIT_DIR": "/nowhere",
        "GIT_EXTERNAL_DIFF": "/bin/false",
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    assert await git.run(proposed.dot_git, "rev-parse", "--git-dir")
    with pytest.raises(GitError) as missing:
        await git.run(proposed.dot_git, "config", "user.name")
    assert missing.value.status == 1
    found = await git.run(proposed.dot_git, "var", "GIT_COMMITTER_IDENT")
    assert found.startswith(b"hive-c0re <hive-c0re@localhost>")


async def test_an_error_has_the_command_the_status_and_the_words(
    git: Git, proposed: Repository
) -> None:
    with pytest.raises(GitError, match=r"`git show` exited with 128: .*unknown revision") as failed:
        await git.run(proposed.dot_git, "show", "nothing")
    assert failed.value.status == 128


async def test_a_git_that_hangs_is_killed(git: Git, proposed: Repository) -> None:
    hasty = Git(git.program, deadline=0.2)
    with pytest.raises(GitError, match="did not end within") as killed:
        await hasty.run(proposed.dot_git, "-c", "alias.wait=!sleep 60", "wait")
    assert killed.value.status is None


async def test_what_is_written_is_on_disk_as_the_store_is(
    git: Git, proposed: Repository, tmp_path: Path
) -> None:
    """A tag is a loose object and a file, and git flushes neither by itself."""
    sha = await asyncio.to_thread(proposed.commit, {"file": "x"})
    trace, wrapper = tmp_path / "trace", tmp_path / "git"
    script = f'#!/bin/sh\nGIT_TRACE2_EVENT={trace} exec {git.program} "$@"\n'
    await asyncio.to_thread(wrapper.write_text, script)
    wrapper.chmod(0o700)
    await Git(wrapper).run(proposed.dot_git, "tag", "--annotate", "--message=x", "one", sha)
    lines = map(json.loads, (await asyncio.to_thread(trace.read_text)).splitlines())
    flushes = [line["value"] for line in lines if line.get("key") == "fsync/hardware-flush"]
    assert sum(map(int, flushes)) >= 2


async def test_too_much_output_is_refused(git: Git, proposed: Repository) -> None:
    await asyncio.to_thread(proposed.commit, {"long": "x" * 5000})
    with pytest.raises(TooLargeError, match="more than 100 bytes"):
        await git.run(proposed.dot_git, "show", "HEAD", most=100)


async def test_a_missing_git_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FailedError, match="install git, or name it in HYPERHIVE_GIT"):
        await Git(tmp_path / "git").run(tmp_path, "version")


def test_git_is_found_where_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HYPERHIVE_GIT", str(tmp_path / "git"))
    assert find_git() == tmp_path / "git"
    monkeypatch.delenv("HYPERHIVE_GIT")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_git() is None
