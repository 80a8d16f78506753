"""The applied repository of an agent: bare, and written by hive-c0re alone.

Its branch `main` is what runs; its annotated tags say what became of each proposal:

    proposal/ID   the commit as it was submitted; whatever happens in the proposed repository
                  afterwards, this is what is shown, approved and built
    approved/ID, building/ID, deployed/ID, failed/ID, denied/ID

An import copies the objects of a commit and checks each (git-fsck(1)), see `hive.git.quarantine`;
from then on the repository depends on no other.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import evolve, frozen

from hive.errors import BadRequestError, ConflictError, FailedError, TooLargeError
from hive.git.check_out import write_tree
from hive.git.quarantine import Quarantine, quarantined
from hive.git.runner import Git, GitError, ObjectPlaces
from hive.git.tree_check import (
    FILE_BYTES,
    FILE_MODES,
    LINK,
    Entry,
    parse_tree,
    problems_of,
    size_problems,
)
from hive.quantities import counted

MAIN = "refs/heads/main"

DIFF_BYTES = 1 << 20
"""Bytes of a difference above which it is refused."""

PRUNE_AFTER = "1.hour.ago"
"""Age of objects that `prune` deletes, in git's own words."""

_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_FULL = re.compile(r"[0-9a-f]{40}")
_BATCH_HEAD = 100
"""Most bytes that git prints about an object besides its content."""

_FORMAT = "%H%x00%at%x00%an%x00%s"


@frozen
class CommitInfo:
    """A commit.

    Attributes:
        sha: Its full id.
        at: When it was written by its author's account, in Unix seconds.
        author: The name that it gives for its author; anybody can write any name there.
        subject: The first line of its message.
    """

    sha: str
    at: int
    author: str
    subject: str


@frozen
class IncomingCommit:
    """An imported commit that is not accepted yet.

    Attributes:
        commit: The commit.
        repository: The applied repository as it is with the commit.
    """

    commit: CommitInfo
    repository: AppliedRepository
    _place: Quarantine

    async def accept(self) -> None:
        """Keep it. Nothing refers to it yet; `AppliedRepository.tag` makes it stay."""
        await asyncio.to_thread(self._place.accept)


@frozen
class AppliedRepository:
    """One applied repository.

    Attributes:
        git: Runs git.
        path: Its directory.
        places: Where its objects are besides; None but for an import that is not accepted yet.
    """

    git: Git
    path: Path
    places: ObjectPlaces | None = None

    async def create(self) -> bool:
        """Make the repository, empty; return whether it was made, False if it exists."""
        if await asyncio.to_thread((self.path / "HEAD").exists):
            return False
        await asyncio.to_thread(self.path.mkdir, mode=0o700, parents=True, exist_ok=True)
        await self._run("init", "--quiet", "--bare", "--template=", "--initial-branch=main")
        return True

    async def is_empty(self) -> bool:
        """Return whether it has neither a tag nor a branch."""
        return not (await self._run("for-each-ref", "--count=1")).strip()

    async def remove(self) -> None:
        """Remove the repository with everything in it."""
        await asyncio.to_thread(shutil.rmtree, self.path, ignore_errors=True)

    # Import

    @asynccontextmanager
    async def incoming(self, proposed: Path, name: str) -> AsyncIterator[IncomingCommit]:
        """Import a commit of a proposed repository, with everything it needs, and check it.

        It is in a quarantine until it is accepted; without that, nothing of it is left.

        Args:
            proposed: The directory of the proposed repository.
            name: The id of the commit, 7 to 40 hexadecimal digits.

        Raises:
            BadRequestError: `name` is no such id, or its tree may not be proposed.
            NotFoundError: The repository has no such commit.
            ConflictError: It is ambiguous, or the repository cannot be read.
            TooLargeError: It has too many objects, or too many bytes.
            GitError: Its objects are damaged.
        """
        require_commit_id(name)
        async with quarantined(self.git, self.path, proposed) as place:
            sha = await place.fetch(name)
            found = evolve(self, places=place.places)
            await found.check(sha)
            yield IncomingCommit((await found.log(sha, 1))[0], found, place)

    async def import_commit(self, proposed: Path, name: str) -> CommitInfo:
        """Import a commit and accept it, see `incoming`.

        Nothing refers to it yet; `tag` makes it stay.
        """
        async with self.incoming(proposed, name) as found:
            await found.accept()
        return found.commit

    async def check(self, sha: str) -> None:
        """Check what the tree of a commit contains, see `hive.git.tree_check`.

        Raises:
            BadRequestError: It may not be proposed.
        """
        entries = await self.tree(sha)
        found = size_problems(entries)
        if not found:
            links = [entry for entry in entries if entry.mode == LINK]
            targets = await self._contents(links)
            found = problems_of(
                entries,
                {
                    entry.path: target.decode(errors="surrogateescape")
                    for entry, target in zip(links, targets, strict=True)
                },
            )
        if found:
            raise BadRequestError(f"the commit {sha[:12]} cannot be proposed: {'; '.join(found)}")

    # Reading

    async def tree(self, sha: str) -> list[Entry]:
        """Return the files of a commit."""
        return parse_tree(await self._run("ls-tree", "-r", "-z", "-l", "--full-tree", sha))

    async def read(self, sha: str, path: str, most: int = FILE_BYTES) -> bytes | None:
        """Return the content of a plain file of a commit; None if it has none of that path.

        Raises:
            TooLargeError: It has more than `most` bytes.
        """
        for entry in await self.tree(sha):
            if entry.path == path and entry.mode in FILE_MODES:
                if (entry.size or 0) > most:
                    raise TooLargeError(
                        f"{path} of {sha[:12]} has {counted(entry.size or 0, 'byte')}, at most "
                        f"{most} are allowed"
                    )
                return (await self._contents([entry]))[0]
        return None

    async def files(self, sha: str) -> list[tuple[Entry, bytes]]:
        """Return the files of a commit with their contents."""
        entries = await self.tree(sha)
        return list(zip(entries, await self._contents(entries), strict=True))

    async def _contents(self, entries: list[Entry]) -> list[bytes]:
        """Return the contents of files, by one run of git for all of them."""
        if not entries:
            return []
        answer = await self._run(
            *("cat-file", "--batch"),
            data="".join(f"{entry.object_id}\n" for entry in entries).encode(),
            most=sum((entry.size or 0) + _BATCH_HEAD for entry in entries),
        )
        return list(_parse_batch(answer))

    async def head(self) -> str | None:
        """Return the commit that `main` is at; None before the first deploy."""
        return await self._ref(MAIN)

    async def has(self, sha: str) -> bool:
        """Return whether it has a commit; a short id must be that of one object only."""
        return await self._ref(sha) is not None

    async def tagged(self, tag: str) -> str | None:
        """Return the commit of a tag; None without such a tag."""
        return await self._ref(f"refs/tags/{tag}")

    async def tags(self) -> Mapping[str, str]:
        """Return the commits of all tags, by the name of the tag, the oldest first."""
        words = ("--sort=creatordate", "--format=%(refname) %(*objectname)", "refs/tags")
        listing = await self._run("for-each-ref", *words)
        pairs = (line.split() for line in listing.decode().splitlines())
        return {pair[0].removeprefix("refs/tags/"): pair[-1] for pair in pairs}

    async def log(self, sha: str, most: int) -> list[CommitInfo]:
        """Return the newest commits that lead to one, newest first."""
        listing = await self._run(
            *("log", "-z", f"--max-count={most}", f"--format={_FORMAT}", "--no-show-signature"), sha
        )
        words = listing.decode(errors="replace").split("\0")
        return [
            CommitInfo(words[at], int(words[at + 1]), words[at + 2], words[at + 3])
            for at in range(0, len(words) - 3, 4)
        ]

    async def diff(self, base: str | None, sha: str) -> str:
        """Return the difference between two commits as a patch; of the empty tree without `base`.

        Every file is shown as text, whatever the tree's own attributes say of it: a proposal must
        not be able to hide a file from its reader.

        Raises:
            TooLargeError: It has more than `DIFF_BYTES` bytes.
        """
        before = base or (await self._run("hash-object", "-t", "tree", "--stdin")).decode().strip()
        words = ("--no-ext-diff", "--no-textconv", "--text", "--no-color", "--find-renames")
        prefixes = ("--src-prefix=a/", "--dst-prefix=b/")
        try:
            patch = await self._run(
                "diff",
                *words,
                *prefixes,
                "--stat=100",
                "--patch",
                before,
                sha,
                "--",
                most=DIFF_BYTES,
            )
        except TooLargeError:
            raise TooLargeError(
                f"the difference to {sha[:12]} has more than {DIFF_BYTES} bytes; read it with "
                f"'git --git-dir={self.path} diff {before} {sha}'"
            ) from None
        return patch.decode(errors="replace")

    async def is_ancestor(self, older: str, newer: str) -> bool:
        """Return whether one commit leads to another."""
        try:
            await self._run("merge-base", "--is-ancestor", older, newer)
        except GitError as error:
            if error.status == 1:
                return False
            raise
        return True

    # Writing

    async def check_out(self, sha: str, target: Path) -> None:
        """Write the files of a commit into a directory that no agent can write to. Idempotent.

        Not by git, which would heed the attributes of the tree. The directory appears at once and
        whole.

        Raises:
            FailedError: They cannot be written; nothing is left.
        """
        if await asyncio.to_thread(target.exists):
            return
        files = await self.files(sha)
        try:
            await asyncio.to_thread(write_tree, files, target)
        except OSError as error:
            raise FailedError(
                f"the files of {sha[:12]} cannot be written to {target}: {error.strerror}"
            ) from error

    async def tag(self, tag: str, sha: str, message: str) -> None:
        """Make an annotated tag. Idempotent for the same commit.

        Raises:
            ConflictError: The tag is at another commit.
        """
        present = await self.tagged(tag)
        if present == sha:
            return
        if present is not None:
            raise ConflictError(
                f"the tag {tag} of {self.path} is at {present[:12]}, not at {sha[:12]}; "
                "somebody else has written to this repository"
            )
        text = message.encode(errors="replace")
        await self._run("tag", "--annotate", "--cleanup=verbatim", "--file=-", tag, sha, data=text)

    async def delete_tags(self, tags: list[str]) -> None:
        """Delete tags; the commits of those that have no other are deleted by the next `prune`."""
        if tags:
            lines = "".join(f"delete refs/tags/{tag}\n" for tag in tags)
            await self._run("update-ref", "--stdin", data=lines.encode())

    async def prune(self) -> None:
        """Delete the objects that no tag and no branch needs, and pack the rest.

        Those of the last hour stay: an import that goes on has no tag yet.
        """
        await self._run("gc", "--quiet", f"--prune={PRUNE_AFTER}")

    async def write_bundle(self, file: Path) -> None:
        """Write everything that a branch or a tag leads to into a new file."""
        await self._run("bundle", "create", "--quiet", str(file), "--branches", "--tags")

    async def read_bundle(self, file: Path) -> None:
        """Take over the objects, branches and tags of a bundle, and check each object.

        Raises:
            GitError: It is damaged.
        """
        listing = await self._run("bundle", "unbundle", str(file))
        refs = [line.split(" ", 1) for line in listing.decode(errors="replace").splitlines()]
        lines = "".join(f"update {name} {sha}\n" for sha, name in refs if name.startswith("refs/"))
        await self._run("update-ref", "--stdin", data=lines.encode())
        await self._run("fsck", "--strict", "--no-dangling", "--no-progress")

    async def move_main(self, sha: str) -> None:
        """Move `main` to a commit; idempotent."""
        await self._run("update-ref", MAIN, sha)

    async def _ref(self, ref: str) -> str | None:
        try:
            found = await self._run("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        except GitError as error:
            if error.status == 1:
                return None
            raise
        return found.decode().strip()

    async def _run(self, *words: str, data: bytes = b"", most: int = 8 << 20) -> bytes:
        places = self.places
        return await self.git.run(self.path, *words, data=data, places=places, most=most)


def require_commit_id(name: str) -> None:
    """Require the id of a commit; the name of a branch or tag may move after it was submitted.

    Raises:
        BadRequestError: It is none.
    """
    if not _COMMIT.fullmatch(name):
        raise BadRequestError(
            f"{name[:60]!r} is no id of a commit; give 7 to 40 hexadecimal digits, such as "
            "'git rev-parse HEAD' prints: a branch or a tag may move after it was submitted"
        )


def is_full_id(name: str) -> bool:
    """Return whether a text is a full id of a commit."""
    return _FULL.fullmatch(name) is not None


def _parse_batch(answer: bytes) -> Iterator[bytes]:
    """Yield the contents in the output of `git cat-file --batch`.

    Raises:
        FailedError: An object is missing.
    """
    at = 0
    while at < len(answer):
        end = answer.index(b"\n", at)
        words = answer[at:end].split()
        if len(words) != 3:  # noqa: PLR2004 - id, type, size
            raise FailedError(f"git has no content for {answer[at:end]!r}")
        size = int(words[2])
        yield answer[end + 1 : end + 1 + size]
        at = end + size + 2
