"""What a hostile manager can do to the object files that an import reads, while it reads them."""

import asyncio
import hashlib
import os
import resource
import struct
import time
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from hive.errors import ConflictError, HiveError, NotFoundError, TooLargeError
from hive.git import quarantine
from hive.git.applied import AppliedRepository
from hive.git.quarantine import ProposedObjects, copy_objects
from tests.support.repositories import Repository

TOML = 'run = ["./agent.sh"]\n'
MIB = 1 << 20
SECONDS, RSS_KIB = 20.0, 400 * 1024
"""Bounds of any refusal; the deadline of a single git is 60 s."""


def files_below(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


def loose(repository: Repository, sha: str) -> Path:
    path = repository.dot_git / "objects" / sha[:2] / sha[2:]
    path.parent.mkdir(exist_ok=True)
    return path


def write_loose(repository: Repository, kind: str, size: int, content: bytes) -> str:
    """Write an object whose header says `size`; its name is that of header and content."""
    whole = f"{kind} {size}\0".encode() + content
    sha = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
    loose(repository, sha).write_bytes(zlib.compress(whole, 1))
    return sha


def with_blob(repository: Repository, blob: str) -> str:
    return repository.commit_tree(repository.tree(("100644", "agent.toml", blob)))


Build = Callable[[Repository], str]


def zeros_that_compress_well(repository: Repository) -> str:
    return with_blob(repository, write_loose(repository, "blob", 64 * MIB, bytes(64 * MIB)))


def a_header_that_says_more(repository: Repository) -> str:
    return with_blob(repository, write_loose(repository, "blob", 1 << 40, b"x"))


def a_header_that_says_less(repository: Repository) -> str:
    return with_blob(repository, write_loose(repository, "blob", 3, bytes(48 * MIB)))


def a_long_message(repository: Repository) -> str:
    return repository.commit_tree(repository.tree(), "x" * (50 * MIB))


def a_long_tree(repository: Repository) -> str:
    entry = b"100644 f%07d\0" + bytes(20)
    content = b"".join(entry % number for number in range(1_200_000))
    return repository.commit_tree(write_loose(repository, "tree", len(content), content))


def a_damaged_index(repository: Repository) -> str:
    sha = repository.commit({"agent.toml": TOML})
    repository.git("gc", "--quiet")
    (index,) = (repository.dot_git / "objects" / "pack").glob("*.idx")
    index.chmod(0o600)
    content = bytearray(index.read_bytes())
    content[-40 - 4 * 3 : -40] = b"\x7f\xff\xff\xf0" * 3  # offsets far behind the end of the pack
    index.write_bytes(content)
    return sha


def a_shortened_pack(repository: Repository) -> str:
    sha = repository.commit({"agent.toml": TOML})
    repository.git("gc", "--quiet")
    (pack,) = (repository.dot_git / "objects" / "pack").glob("*.pack")
    pack.chmod(0o600)
    pack.write_bytes(pack.read_bytes()[:40])
    return sha


def a_history_without_its_beginning(repository: Repository) -> str:
    """As of a shallow clone: `.git/shallow` says that the parent is not there on purpose."""
    first = repository.commit({"agent.toml": TOML})
    second = repository.commit({"more": "text\n"})
    loose(repository, first).unlink()
    (repository.dot_git / "shallow").write_text(f"{second}\n")
    return second


def a_tag_of_a_commit(repository: Repository) -> str:
    name = repository.commit({"agent.toml": TOML})
    kind = "commit"
    for _ in range(200):
        body = f"object {name}\ntype {kind}\ntag t\ntagger m <m@x> 0 +0000\n\nt\n".encode()
        name, kind = write_loose(repository, "tag", len(body), body), "tag"
    return name


def deltas_that_grow(repository: Repository) -> str:
    """A small pack in which the result of each of three deltas is 40 times as long as its base."""
    content, entries = b"x" * 1024, [_packed(3, b"x" * 1024)]
    for _ in range(3):
        base = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
        delta = _varint(len(content)) + _varint(len(content) * 40)
        delta += _copy_all(len(content)) * 40
        entries.append(_packed(7, delta, base.digest()))
        content *= 40
    body = b"PACK" + struct.pack(">II", 2, len(entries)) + b"".join(entries)
    body += hashlib.sha1(body, usedforsecurity=False).digest()
    repository.git("index-pack", "--stdin", data=body)
    last = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return with_blob(repository, last.hexdigest())


def _packed(kind: int, content: bytes, base: bytes = b"") -> bytes:
    size, head = len(content), bytearray()
    byte, size = (kind << 4) | (size & 15), size >> 4
    while size:
        head.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    head.append(byte)
    return bytes(head) + base + zlib.compress(content)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _copy_all(size: int) -> bytes:
    """Return instructions that copy a whole base, at most 64 KiB by each."""
    out = b""
    for at in range(0, size, 0x8000):
        step = min(0x8000, size - at)
        out += b"\xbf" + struct.pack("<I", at) + struct.pack("<H", step)
    return out


BOMBS: tuple[Build, ...] = (
    zeros_that_compress_well,
    a_header_that_says_more,
    a_header_that_says_less,
    a_long_message,
    a_long_tree,
    a_damaged_index,
    a_shortened_pack,
    a_history_without_its_beginning,
    a_tag_of_a_commit,
    deltas_that_grow,
)


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("build", BOMBS, ids=lambda build: build.__name__)
async def test_a_refused_import_is_short_and_leaves_nothing(
    applied: AppliedRepository, proposed: Repository, build: Build
) -> None:
    sha = await asyncio.to_thread(build, proposed)
    before = await asyncio.to_thread(files_below, applied.path)
    # The most of any child so far: of other tests, and of git as the manager runs it.
    most = max(RSS_KIB, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    begun = time.monotonic()
    with pytest.raises(HiveError) as refused:
        await applied.import_commit(proposed.path, sha)
    assert time.monotonic() - begun < SECONDS
    assert str(refused.value).isprintable()
    assert "Traceback" not in str(refused.value)
    assert await asyncio.to_thread(files_below, applied.path) == before
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss <= most


@pytest.mark.loops("asyncio")
async def test_a_commit_with_very_many_parents(
    applied: AppliedRepository, proposed: Repository
) -> None:
    """It is honest in its way, so it may be imported; it must not take long."""

    def build() -> str:
        first = proposed.commit({"agent.toml": TOML})
        tree = proposed.git("rev-parse", f"{first}^{{tree}}")
        parents = f"parent {first}\n" * 100_000
        body = f"tree {tree}\n{parents}author m <m@x> 0 +0000\ncommitter m <m@x> 0 +0000\n\nx\n"
        return write_loose(proposed, "commit", len(body), body.encode())

    sha = await asyncio.to_thread(build)
    begun = time.monotonic()
    with suppress(HiveError):
        await applied.import_commit(proposed.path, sha)
    assert time.monotonic() - begun < SECONDS


# What other files of the repository say


def replace_refs(repository: Repository, sha: str, other: str) -> None:
    repository.git("replace", sha, other)


def grafts(repository: Repository, sha: str, other: str) -> None:
    (repository.dot_git / "info").mkdir(exist_ok=True)
    (repository.dot_git / "info" / "grafts").write_text(f"{sha} {other}\n")


def commit_graph(repository: Repository, sha: str, other: str) -> None:
    """A commit graph of other commits under these names."""
    repository.git("commit-graph", "write", "--reachable")
    graph = repository.dot_git / "objects" / "info" / "commit-graph"
    graph.chmod(0o600)
    content = graph.read_bytes()
    graph.write_bytes(content.replace(bytes.fromhex(sha), bytes.fromhex(other)))


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("lie", [replace_refs, grafts, commit_graph], ids=lambda lie: lie.__name__)
async def test_only_the_objects_count(
    applied: AppliedRepository,
    proposed: Repository,
    lie: Callable[[Repository, str, str], None],
) -> None:
    def build() -> tuple[str, str]:
        sha = proposed.commit({"agent.toml": TOML})
        proposed.git("checkout", "--quiet", "--orphan", "other")
        other = proposed.commit({"agent.toml": "evil\n", "evil": "x"})
        lie(proposed, sha, other)
        return sha, other

    sha, other = await asyncio.to_thread(build)
    await applied.import_commit(proposed.path, sha)
    assert await applied.read(sha, "agent.toml") == TOML.encode()
    assert [commit.sha for commit in await applied.log(sha, 9)] == [sha]
    assert await applied.read(sha, "evil") is None
    with pytest.raises(HiveError):
        await applied.log(other, 1)


# Object files that are no files


def link_to_a_pack(objects: Path, secret: Path) -> None:
    (objects / "pack").mkdir(exist_ok=True)
    (objects / "pack" / f"pack-{'a' * 40}.pack").symlink_to(secret)


def link_to_a_directory(objects: Path, secret: Path) -> None:
    (objects / "pack").rmdir()
    (objects / "pack").symlink_to(secret.parent)


def fifo_for_a_directory(objects: Path, secret: Path) -> None:
    del secret
    for name in ("a0", "pack"):
        if (objects / name).is_dir():
            continue
        os.mkfifo(objects / name)
        return


def fifo_for_an_object(objects: Path, secret: Path) -> None:
    del secret
    (objects / "a1").mkdir(exist_ok=True)
    os.mkfifo(objects / "a1" / ("0" * 38))


def directory_for_an_object(objects: Path, secret: Path) -> None:
    del secret
    (objects / "a1" / ("0" * 38)).mkdir(parents=True)


def device_for_an_object(objects: Path, secret: Path) -> None:
    del secret
    (objects / "a1").mkdir(exist_ok=True)
    (objects / "a1" / ("0" * 38)).symlink_to("/dev/zero")


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize(
    "spoil",
    [
        link_to_a_pack,
        link_to_a_directory,
        fifo_for_a_directory,
        fifo_for_an_object,
        directory_for_an_object,
        device_for_an_object,
    ],
    ids=lambda spoil: spoil.__name__,
)
async def test_what_is_no_plain_file_is_refused_at_once(
    applied: AppliedRepository,
    proposed: Repository,
    tmp_path: Path,
    spoil: Callable[[Path, Path], None],
) -> None:
    """Mistake 49: a link in a directory of an agent exposed the file of another one."""
    sha = await asyncio.to_thread(proposed.commit, {"agent.toml": TOML})
    secret = tmp_path / "secret" / "pack"
    secret.parent.mkdir()
    secret.write_text("secret")
    await asyncio.to_thread(spoil, proposed.dot_git / "objects", secret)
    begun = time.monotonic()
    with pytest.raises(ConflictError, match="remove it") as refused:
        await applied.import_commit(proposed.path, sha)
    assert time.monotonic() - begun < 5
    assert "secret" not in str(refused.value)


@pytest.mark.loops("asyncio")
async def test_alternates_that_appear_during_an_import_are_not_read(
    applied: AppliedRepository,
    proposed: Repository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def build() -> str:
        other = Repository(tmp_path / "other")
        secret = other.commit({"agent.toml": TOML, "secret": "x"})
        proposed.commit({"agent.toml": TOML})
        return secret

    secret = await asyncio.to_thread(build)

    def late(descriptor: int, target: Path) -> None:
        alternates = proposed.dot_git / "objects" / "info" / "alternates"
        alternates.write_text(f"{tmp_path}/other/.git/objects\n")
        copy_objects(descriptor, target)

    monkeypatch.setattr(quarantine, "copy_objects", late)
    with pytest.raises(NotFoundError):
        await applied.import_commit(proposed.path, secret)


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("is_directory", [False, True], ids=["file", "directory"])
async def test_files_that_vanish_while_they_are_copied(
    applied: AppliedRepository,
    proposed: Repository,
    monkeypatch: pytest.MonkeyPatch,
    is_directory: bool,
) -> None:
    """As by `git gc`; the pack that it has written is copied at another try."""
    sha = await asyncio.to_thread(proposed.commit, {"agent.toml": TOML})
    real = os.open
    gone = {sha[:2] if is_directory else sha[2:]}

    def vanishing(path: str, *words: int, **keys: int) -> int:
        if path in gone:
            raise FileNotFoundError(2, "No such file or directory")
        return real(path, *words, **keys)

    monkeypatch.setattr(quarantine.os, "open", vanishing)
    with pytest.raises(NotFoundError):
        await applied.import_commit(proposed.path, sha)
    gone.clear()
    assert (await applied.import_commit(proposed.path, sha)).sha == sha


@pytest.mark.parametrize("limits", [(10, MIB), (1000, 10)], ids=["files", "bytes"])
def test_the_copy_is_bounded(proposed: Repository, tmp_path: Path, limits: tuple[int, int]) -> None:
    proposed.commit({f"f{number}": f"{number}\n" for number in range(20)})
    (tmp_path / "copy").mkdir()
    with (
        closing(ProposedObjects.open(proposed.path)) as found,
        pytest.raises(TooLargeError, match="run 'git gc"),
    ):
        copy_objects(found.descriptor, tmp_path / "copy", *limits)
    assert sum(path.is_file() for path in (tmp_path / "copy").rglob("*")) <= 20
