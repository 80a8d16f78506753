"""Applied repositories: imports, tags, differences; honest proposals and a hostile corpus."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hive.errors import (
    BadRequestError,
    ConflictError,
    HiveError,
    NotFoundError,
    TooLargeError,
)
from hive.git import applied as applied_module
from hive.git.applied import AppliedRepository
from hive.git.runner import Git
from tests.support.repositories import Repository

TOML = 'run = ["./agent.sh"]\n'


async def committed(proposed: Repository, files: dict[str, str] | None = None) -> str:
    return await asyncio.to_thread(proposed.commit, files or {"agent.toml": TOML})


async def test_an_import_copies_a_commit_with_all_that_it_needs(
    applied: AppliedRepository, proposed: Repository, tmp_path: Path
) -> None:
    sha = await committed(proposed, {"agent.toml": TOML, "bin/run": "#!/bin/sh\n"})
    commit = await applied.import_commit(proposed.path, sha)
    assert (commit.sha, commit.author, commit.subject) == (sha, "hm1nd", "a change")
    await asyncio.to_thread(proposed.path.rename, tmp_path / "gone")
    await applied.tag("proposal/1", sha, "as submitted\n")
    await applied.prune()
    assert await applied.read(sha, "agent.toml") == TOML.encode()
    assert await applied.read(sha, "agent.nix") is None
    assert [entry.path for entry in await applied.tree(sha)] == ["agent.toml", "bin/run"]
    assert await applied.tags() == {"proposal/1": sha}


async def test_a_short_id_is_accepted_and_answered_in_full(
    applied: AppliedRepository, proposed: Repository
) -> None:
    """Mistake 24 of the existing hyperhive: a bare id cannot be fetched by its branch."""
    sha = await committed(proposed)
    assert (await applied.import_commit(proposed.path, sha[:7])).sha == sha


@pytest.mark.parametrize(
    "name", ["main", "HEAD", "refs/heads/main", "abc", "--all", "z" * 40, "A" * 40, "", "a" * 41]
)
async def test_what_may_move_is_refused(
    applied: AppliedRepository, proposed: Repository, name: str
) -> None:
    """Mistake 25: the name of a branch was accepted, which moved after it was submitted."""
    await committed(proposed)
    with pytest.raises(BadRequestError, match="may move"):
        await applied.import_commit(proposed.path, name)


async def test_a_branch_named_like_an_id_does_not_stand_for_it(
    applied: AppliedRepository, proposed: Repository
) -> None:
    await committed(proposed)
    await asyncio.to_thread(proposed.git, "branch", "deadbeef")
    with pytest.raises(NotFoundError, match="no commit deadbeef"):
        await applied.import_commit(proposed.path, "deadbeef")


async def test_a_tree_or_a_file_is_no_commit(
    applied: AppliedRepository, proposed: Repository
) -> None:
    await committed(proposed)
    for name in ("HEAD^{tree}", "HEAD:agent.toml"):
        other = await asyncio.to_thread(proposed.git, "rev-parse", name)
        with pytest.raises(NotFoundError, match="no commit"):
            await applied.import_commit(proposed.path, other)


async def test_a_later_change_of_the_proposed_repository_changes_nothing(
    applied: AppliedRepository, proposed: Repository
) -> None:
    """Mistake 23: a change under an approval that waited changed what was built."""
    sha = await committed(proposed)
    await applied.import_commit(proposed.path, sha)
    await applied.tag("proposal/7", sha, "x")
    amend = ("commit", "--quiet", "--amend", "-m", "another", "--allow-empty")
    await asyncio.to_thread(proposed.git, *amend)
    await asyncio.to_thread(proposed.git, "reflog", "expire", "--expire=now", "--all")
    await asyncio.to_thread(proposed.git, "gc", "--quiet", "--prune=now")
    assert await applied.tagged("proposal/7") == sha
    assert (await applied.log(sha, 1))[0].subject == "a change"


async def test_only_what_is_new_is_copied(applied: AppliedRepository, proposed: Repository) -> None:
    first = await committed(proposed)
    await applied.import_commit(proposed.path, first)
    await applied.tag("proposal/1", first, "x")
    second = await committed(proposed, {"more": "text\n"})
    await applied.import_commit(proposed.path, second)
    assert await applied.is_ancestor(first, second)
    assert not await applied.is_ancestor(second, first)
    assert [commit.sha for commit in await applied.log(second, 9)] == [second, first]


# Tags and main


async def test_a_tag_stays_where_it_is(applied: AppliedRepository, proposed: Repository) -> None:
    first = await committed(proposed)
    second = await committed(proposed, {"more": "text\n"})
    await applied.import_commit(proposed.path, second)
    await applied.tag("deployed/1", first, "once\n")
    await applied.tag("deployed/1", first, "again\n")
    with pytest.raises(ConflictError, match=f"deployed/1 .* at {first[:12]}"):
        await applied.tag("deployed/1", second, "x")
    await applied.delete_tags(["deployed/1"])
    await applied.delete_tags([])
    assert await applied.tags() == {}


async def test_a_message_of_a_tag_is_kept_as_it_is(
    applied: AppliedRepository, proposed: Repository
) -> None:
    sha = await committed(proposed)
    await applied.import_commit(proposed.path, sha)
    await applied.tag("failed/1", sha, "# no comment\n-m \x1b[31m \ud800 line\n")
    text = await applied.git.run(applied.path, "for-each-ref", "--format=%(contents)")
    assert text.decode() == "# no comment\n-m \x1b[31m ? line\n\n"


async def test_main_moves_both_ways(applied: AppliedRepository, proposed: Repository) -> None:
    first = await committed(proposed)
    second = await committed(proposed, {"more": "text\n"})
    await applied.import_commit(proposed.path, second)
    assert await applied.head() is None
    for sha in (first, second, first):
        await applied.move_main(sha)
        assert await applied.head() == sha


# Differences


async def test_a_difference_has_every_file(
    applied: AppliedRepository, proposed: Repository
) -> None:
    first = await committed(proposed)
    second = await committed(proposed, {"agent.toml": "run = []\n", "b.txt": "b\n"})
    await applied.import_commit(proposed.path, second)
    patch = await applied.diff(first, second)
    assert "2 files changed" in patch
    assert f"-{TOML}+run = []\n" in patch
    assert "+b\n" in patch
    assert f"+{TOML}" in await applied.diff(None, first)
    assert await applied.diff(first, first) == ""


async def test_attributes_of_the_tree_hide_no_file(
    applied: AppliedRepository, proposed: Repository
) -> None:
    first = await committed(proposed)
    hidden = {".gitattributes": "* -diff\nsecret binary\n", "secret": "evil\n"}
    second = await committed(proposed, hidden)
    await applied.import_commit(proposed.path, second)
    await applied.move_main(second)
    patch = await applied.diff(first, second)
    assert "+evil\n" in patch
    assert "Binary" not in patch


async def test_a_huge_difference_is_refused_with_the_command_that_shows_it(
    applied: AppliedRepository, proposed: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applied_module, "DIFF_BYTES", 1000)
    sha = await committed(proposed, {"long": "line\n" * 1000})
    await applied.import_commit(proposed.path, sha)
    with pytest.raises(TooLargeError, match="git --git-dir="):
        await applied.diff(None, sha)


# A hostile manager

Build = Callable[[Repository], str]


def submodule(repository: Repository) -> str:
    return repository.commit_tree(repository.tree(("160000", "sub", "1" * 40)))


def link_out(repository: Repository) -> str:
    target = repository.blob(b"/etc/shadow")
    return repository.commit_tree(repository.tree(("120000", "link", target)))


def dot_git_file(repository: Repository) -> str:
    inner = repository.tree(("100644", "config", repository.blob(b"[core]\n")))
    return repository.commit_tree(repository.tree(("40000", ".git", inner)))


def dot_git_in_capitals(repository: Repository) -> str:
    inner = repository.tree(("100644", "config", repository.blob(b"[core]\n")))
    return repository.commit_tree(repository.tree(("40000", ".GIT", inner)))


def upward(repository: Repository) -> str:
    inner = repository.tree(("100644", "x", repository.blob(b"x")))
    return repository.commit_tree(repository.tree(("40000", "..", inner)))


def slash_in_a_name(repository: Repository) -> str:
    return repository.commit_tree(repository.tree(("100644", "a/../b", repository.blob(b"x"))))


def escape_in_a_name(repository: Repository) -> str:
    return repository.commit_tree(repository.tree(("100644", "a\x1b[2Jb", repository.blob(b"x"))))


def not_unicode(repository: Repository) -> str:
    return repository.commit_tree(repository.tree(("100644", "a\udcff", repository.blob(b"x"))))


def same_name_twice(repository: Repository) -> str:
    blob = repository.blob(b"x")
    return repository.commit_tree(
        repository.tree(("100644", "agent.toml", blob), ("100644", "agent.toml", blob))
    )


def missing_blob(repository: Repository) -> str:
    return repository.commit_tree(repository.tree(("100644", "x", "1" * 40)))


def damaged_blob(repository: Repository) -> str:
    sha = repository.commit({"agent.toml": TOML})
    blob = repository.git("rev-parse", "HEAD:agent.toml")
    loose = repository.dot_git / "objects" / blob[:2] / blob[2:]
    loose.chmod(0o600)
    loose.write_bytes(b"nonsense")
    return sha


def exchanged_blob(repository: Repository) -> str:
    sha = repository.commit({"agent.toml": TOML})
    blob, other = repository.git("rev-parse", "HEAD:agent.toml"), repository.blob(b"evil")
    objects = repository.dot_git / "objects"
    loose = objects / blob[:2] / blob[2:]
    loose.unlink()
    loose.write_bytes((objects / other[:2] / other[2:]).read_bytes())
    return sha


def large_file(repository: Repository) -> str:
    return repository.commit({"big": "x" * ((4 << 20) + 1)})


def many_files(repository: Repository) -> str:
    blob = repository.blob(b"x")
    names = sorted(f"f{number}" for number in range(2001))
    return repository.commit_tree(repository.tree(*(("100644", name, blob) for name in names)))


def deep_bomb(repository: Repository) -> str:
    """2 ** 40 paths in forty-one small trees."""
    tree = repository.tree(("100644", "x", repository.blob(b"x")))
    for _ in range(40):
        tree = repository.tree(("40000", "a", tree), ("40000", "b", tree))
    return repository.commit_tree(tree)


HOSTILE: tuple[Build, ...] = (
    submodule,
    link_out,
    dot_git_file,
    dot_git_in_capitals,
    upward,
    slash_in_a_name,
    escape_in_a_name,
    not_unicode,
    same_name_twice,
    missing_blob,
    damaged_blob,
    exchanged_blob,
    large_file,
    many_files,
    deep_bomb,
)


@pytest.mark.parametrize("build", HOSTILE, ids=lambda build: build.__name__)
async def test_a_hostile_tree_is_refused_in_words(
    applied: AppliedRepository, proposed: Repository, build: Build
) -> None:
    sha = await asyncio.to_thread(build, proposed)
    with pytest.raises(HiveError) as refused:
        await applied.import_commit(proposed.path, sha)
    assert str(refused.value).isprintable(), str(refused.value)
    assert await applied.tags() == {}


def test_a_hostile_configuration(proposed: Repository, git: Git, tmp_path: Path) -> None:
    """No key of the proposed repository's configuration, and no hook, starts a program."""
    sha = proposed.commit({"agent.toml": TOML, ".gitattributes": "* filter=x diff=x merge=x\n"})
    proof = tmp_path / "proof"
    program = tmp_path / "evil"
    program.write_text(f"#!/bin/sh\ntouch {proof}\n")
    program.chmod(0o755)
    for key in (
        *("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.gitProxy"),
        *("core.alternateRefsCommand", "uploadpack.packObjectsHook", "diff.external"),
        *("filter.x.clean", "filter.x.smudge", "filter.x.process", "diff.x.textconv"),
        *("diff.x.command", "merge.x.driver", "credential.helper", "gpg.program"),
    ):
        proposed.git("config", key, str(program))
    proposed.git("config", "core.hooksPath", str(proposed.dot_git / "hooks"))
    for hook in ("post-checkout", "pre-commit", "reference-transaction", "post-index-change"):
        target = proposed.dot_git / "hooks" / hook
        target.parent.mkdir(exist_ok=True)
        target.write_text(program.read_text())
        target.chmod(0o755)

    async def use() -> None:
        applied = AppliedRepository(git, tmp_path / "applied")
        await applied.create()
        await applied.import_commit(proposed.path, sha)
        await applied.tag("proposal/1", sha, "x")
        await applied.diff(None, sha)
        await applied.move_main(sha)
        await applied.log(sha, 5)
        await applied.prune()

    proof.unlink(missing_ok=True)
    asyncio.run(use())
    assert not proof.exists()


def borrowed(repository: Repository, tmp_path: Path) -> None:
    (repository.dot_git / "objects" / "info" / "alternates").write_text(f"{tmp_path}/secret\n")


def linked_objects(repository: Repository, tmp_path: Path) -> None:
    objects = repository.dot_git / "objects"
    objects.rename(tmp_path / "objects")
    objects.symlink_to(tmp_path / "objects")


def linked_dot_git(repository: Repository, tmp_path: Path) -> None:
    repository.dot_git.rename(tmp_path / "elsewhere")
    repository.dot_git.symlink_to(tmp_path / "elsewhere")


def dot_git_is_a_file(repository: Repository, tmp_path: Path) -> None:
    repository.dot_git.rename(tmp_path / "elsewhere")
    repository.dot_git.write_text(f"gitdir: {tmp_path}/elsewhere\n")


def fifo_for_objects(repository: Repository, tmp_path: Path) -> None:
    (repository.dot_git / "objects").rename(tmp_path / "objects")
    os.mkfifo(repository.dot_git / "objects")


@pytest.mark.parametrize(
    "spoil",
    [borrowed, linked_objects, linked_dot_git, dot_git_is_a_file, fifo_for_objects],
    ids=lambda spoil: spoil.__name__,
)
async def test_a_repository_that_leads_elsewhere_is_refused(
    applied: AppliedRepository,
    proposed: Repository,
    tmp_path: Path,
    spoil: Callable[[Repository, Path], None],
) -> None:
    sha = await committed(proposed)
    await asyncio.to_thread(spoil, proposed, tmp_path)
    with pytest.raises(ConflictError, match="repository"):
        await applied.import_commit(proposed.path, sha)


async def test_what_is_only_staged_is_not_imported(
    applied: AppliedRepository, proposed: Repository
) -> None:
    """Mistake 26: what was staged was built, so nobody could tell later what had run."""
    sha = await committed(proposed)

    def stage() -> None:
        (proposed.path / "agent.toml").write_text("run = []\n")
        proposed.git("add", "--all")

    await asyncio.to_thread(stage)
    await applied.import_commit(proposed.path, sha)
    assert await applied.read(sha, "agent.toml") == TOML.encode()


async def test_no_file_is_special_but_the_manifest(
    applied: AppliedRepository, proposed: Repository
) -> None:
    """Mistake 28: a guard that refused any change of flake.nix blocked those that were meant."""
    sha = await committed(proposed, {"agent.toml": TOML, "flake.nix": "{ }\n", "agent.nix": "{ }"})
    await applied.import_commit(proposed.path, sha)
    assert await applied.read(sha, "flake.nix") == b"{ }\n"


async def test_no_secret_of_the_proposed_repository_is_copied(
    applied: AppliedRepository, proposed: Repository
) -> None:
    """Mistake 50: the address of a remote with its token was readable in `.git/config`."""
    sha = await committed(proposed)

    def add_secrets() -> None:
        proposed.git("remote", "add", "origin", "https://user:t0ken@example.org/x.git")
        (proposed.dot_git / "credentials").write_text("t0ken")
        (proposed.path / "untracked").write_text("t0ken")

    await asyncio.to_thread(add_secrets)
    await applied.import_commit(proposed.path, sha)

    def texts() -> list[bytes]:
        return [path.read_bytes() for path in applied.path.rglob("*") if path.is_file()]

    assert not any(b"t0ken" in text for text in await asyncio.to_thread(texts))


async def test_no_descriptor_stays_open(applied: AppliedRepository, proposed: Repository) -> None:
    sha = await committed(proposed)
    before = await asyncio.to_thread(os.listdir, "/proc/self/fd")
    await applied.import_commit(proposed.path, sha)
    with pytest.raises(NotFoundError):
        await applied.import_commit(proposed.path, "1" * 40)
    assert len(await asyncio.to_thread(os.listdir, "/proc/self/fd")) == len(before)
