"""What the tree of a proposal may contain: a pure check of its list of entries.

A tree is made by whoever controls the manager. It is shown to the operator, read by hive-c0re and,
under nixos-container, checked out by nix; so it has only plain files and links that stay inside,
with names that print as themselves.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

from attrs import frozen

from hive.errors import FailedError
from hive.quantities import counted

FILES_MAX = 2000
"""Most files of a proposal."""

FILE_BYTES = 4 << 20
"""Most bytes of one file of a proposal."""

TREE_BYTES = 32 << 20
"""Most bytes of all files of a proposal."""

PATH_MAX = 512
"""Most characters of a path in a proposal, and of the target of a link."""

NAME_BYTES = 255
"""Most bytes of one name in a path; file systems allow no more."""

EXECUTABLE, LINK = "100755", "120000"
"""Modes of an executable file and of a symbolic link."""

FILE_MODES = frozenset({"100644", EXECUTABLE})
"""Modes of plain files."""

_SUBMODULE = "160000"
_SHOWN = 5


@frozen
class Entry:
    """A file of a tree.

    Attributes:
        mode: Its mode, in octal digits as git has them.
        object_id: The id of its content.
        size: Bytes of its content; None for what has none.
        path: Its path; bytes that are no UTF-8 are surrogates.
    """

    mode: str
    object_id: str
    size: int | None
    path: str


def parse_tree(listing: bytes) -> list[Entry]:
    """Return the entries of the output of `git ls-tree -r -z -l`.

    Raises:
        FailedError: The output has another form.
    """
    entries = []
    for line in listing.split(b"\0"):
        if not line:
            continue
        head, tab, path = line.partition(b"\t")
        words = head.decode("ascii", "replace").split()
        if not tab or len(words) != 4:  # noqa: PLR2004 - mode, type, id, size
            raise FailedError(f"git lists a tree in an unknown form: {line[:80]!r}")
        size = int(words[3]) if words[3].isdigit() else None
        entries.append(Entry(words[0], words[2], size, path.decode(errors="surrogateescape")))
    return entries


def problems_of(entries: Iterable[Entry], links: dict[str, str]) -> list[str]:
    """Return why a tree is refused, one sentence each, the first few; empty if it is not.

    Args:
        entries: Its entries.
        links: The target of each symbolic link, by path.
    """
    files = list(entries)
    found = [*size_problems(files), *_twins(files)]
    for entry in files:
        found += _entry_problems(entry, links)
        if len(found) > _SHOWN:
            return [*found[:_SHOWN], "and more"]
    return found


def size_problems(files: list[Entry]) -> list[str]:
    """Return why a tree is too large, before any content of it is read."""
    found = []
    if len(files) > FILES_MAX:
        found.append(f"it has {counted(len(files), 'file')}, at most {FILES_MAX} are allowed")
    total = sum(entry.size or 0 for entry in files)
    if total > TREE_BYTES:
        found.append(f"its files have {counted(total, 'byte')}, at most {TREE_BYTES} are allowed")
    return found


def _twins(files: list[Entry]) -> Iterator[str]:
    """Yield the paths that some file systems, and most readers, take for another one."""
    known: dict[str, str] = {}
    for entry in files:
        parts = entry.path.split("/")
        for end in range(1, len(parts) + 1):
            path = "/".join(parts[:end])
            other = known.setdefault(_folded(path), path)
            if other != path:
                yield f"{show_path(path)} and {show_path(other)} differ only in their writing"
                known[_folded(path)] = path


def _folded(path: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())


def _entry_problems(entry: Entry, links: dict[str, str]) -> Iterator[str]:
    shown = show_path(entry.path)
    if (why := _path_problem(entry.path)) is not None:
        yield f"the path {shown} {why}"
    if entry.mode == _SUBMODULE:
        yield f"{shown} is a submodule; copy its files, nothing is fetched for a proposal"
    elif entry.mode == LINK:
        target = links.get(entry.path, "")
        if leads_outside(entry.path, target):
            yield (
                f"the link {shown} leads out of the repository, or has a '..' behind a name, or is "
                f"no plain path: {show_path(target)}"
            )
    elif entry.mode not in FILE_MODES:
        yield f"{shown} has the mode {entry.mode}, which no plain file has"
    if (entry.size or 0) > FILE_BYTES:
        yield f"{shown} has {counted(entry.size or 0, 'byte')}, at most {FILE_BYTES} are allowed"


def _path_problem(path: str) -> str | None:
    if not path.isprintable():
        return "has characters that do not print as themselves"
    if len(path) > PATH_MAX:
        return f"has {counted(len(path), 'character')}, at most {PATH_MAX} are allowed"
    if path.startswith("/") or "\\" in path:
        return "begins with '/' or has a '\\'"
    parts = path.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        return "has an empty part, a '.' or a '..'"
    return next((why for part in parts if (why := _name_problem(part)) is not None), None)


def _name_problem(name: str) -> str | None:
    if len(name.encode(errors="replace")) > NAME_BYTES:
        return f"has a part of more than {NAME_BYTES} bytes"
    return "has a part that git takes for its own directory" if _is_git(name) else None


def _is_git(part: str) -> bool:
    """Whether a file system could take a name for `.git`: by case, trailing dots, `GIT~1`."""
    plain = part.split(":", maxsplit=1)[0].rstrip(". ").lower()
    return plain == ".git" or plain.startswith("git~")


def leads_outside(path: str, target: str) -> bool:
    """Return whether a symbolic link at `path` may lead out of the tree."""
    if target.startswith("/") or not target.isprintable() or not 0 < len(target) <= PATH_MAX:
        return True
    # Upwards only at the beginning: after the name of another link, '..' leads anywhere.
    parts = [part for part in target.split("/") if part not in {"", "."}]
    up = next((at for at, part in enumerate(parts) if part != ".."), len(parts))
    return up > path.count("/") or ".." in parts[up:]


def show_path(path: str) -> str:
    """Return a path as an error shows it: cut, quoted, with escapes."""
    cut = path if len(path) <= PATH_MAX else path[:PATH_MAX] + "…"
    return ascii(cut)
