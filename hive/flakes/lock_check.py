"""Whether the flake of a proposal can be built of what its lock pins, and of nothing else. Pure.

A stale lock would be found only when the system is built, after the decision. And an input of the
wrong kind would copy files of this machine into the Nix store, where everyone can read them. So a
lock is judged before the operator is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from hive.errors import BadRequestError
from hive.escapes import inline
from hive.flakes.lock_file import LOCK, LockFile, LockNode, parse_lock

FORGES = frozenset({"github", "gitlab", "sourcehut"})
"""Kinds of inputs that are fetched from a forge, by owner and repository."""

SCHEMES: Mapping[str, frozenset[str]] = {
    "git": frozenset({"https", "http", "ssh", "git"}),
    "tarball": frozenset({"https", "http"}),
    "file": frozenset({"https", "http"}),
}
"""The schemes of the URLs of the other kinds; none of them reads this machine."""

REMEDY = "run 'nix flake lock' and commit flake.lock"

_REVISION = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HASH = re.compile(r"sha256-[A-Za-z0-9+/]{43}=")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_PLACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]*")
_SHOWN = 10
_DEPTH = 10
_PARTS = 3

Inputs = Mapping[str, Mapping[str, Any]]
"""The inputs that a `flake.nix` declares, by name; `url`, `flake`, `follows`, `inputs` of each."""


def check_lock(content: bytes | None, inputs: Inputs) -> None:
    """Require that a lock fits the inputs of its flake, and that all of it may be fetched.

    Args:
        content: The `flake.lock` of the commit; None without one.
        inputs: The inputs of its `flake.nix`.

    Raises:
        BadRequestError: It does not, with everything that is wrong.
    """
    declared = list(_declared_problems(inputs))
    if content is None:
        missing = f"flake.nix has inputs ({_list(inputs)}) and there is no {LOCK}; {REMEDY}"
        _refuse([*declared, *([missing] if inputs else [])])
        return
    lock = parse_lock(content)
    _refuse([*declared, *_node_problems(lock), *_mismatches(lock, inputs)])


def url_problem(url: str) -> str | None:
    """Return why an input may not have a URL, as the end of a sentence; None if it may."""
    scheme, colon, rest = url.partition(":")
    if not colon:  # an entry of the registry, or a path
        is_path = url.startswith((".", "/", "~"))
        return _path_problem(url) if is_path else _entry_problem(url)
    if scheme in FORGES:
        return None
    if scheme == "flake":
        return _entry_problem(rest)
    if scheme == "path":
        return _path_problem(rest)
    kind, plus, transport = scheme.partition("+")
    if kind in SCHEMES and plus:
        return _place_problem(f"{transport}:{rest}", kind)
    return _place_problem(url, "tarball") if rest.startswith("//") else _kind(scheme)


def _declared_problems(inputs: Inputs, owner: str = "", depth: int = 0) -> Iterator[str]:
    if depth > _DEPTH:
        yield f"flake.nix has inputs of inputs in more than {_DEPTH} levels"
        return
    for name, found in inputs.items():
        path = f"{owner}/{name}" if owner else name
        if (problem := _declared_problem(found)) is not None:
            yield f"flake.nix has the input {inline(path)}, {problem}"
        inner = found.get("inputs", {})
        if isinstance(inner, dict) and all(isinstance(each, dict) for each in inner.values()):
            yield from _declared_problems(inner, path, depth + 1)


def _declared_problem(found: Mapping[str, Any]) -> str | None:
    if "type" in found:  # then Nix takes `url` for a part of it
        return _source_problem(found)
    url = found.get("url", ".")
    return url_problem(url) if isinstance(url, str) else "whose url is no text"


def _node_problems(lock: LockFile) -> Iterator[str]:
    for key, node in lock.nodes.items():
        if key == lock.root:
            continue
        for source in (node.locked, node.original):
            if source is None:
                yield f"{LOCK} does not lock {inline(key)}"
            elif (problem := _source_problem(source)) is not None:
                yield f"{LOCK} has {inline(key)}, {problem}"
                break
        else:
            if (lack := _unpinned(node)) is not None:
                yield f"{LOCK} has {inline(key)}, {lack}"


def _source_problem(source: Mapping[str, Any]) -> str | None:
    """Return why a source of a lock may not be fetched; None if it may."""
    kind = source.get("type")
    if not isinstance(kind, str):
        return "which has no type"
    for key in ("ref", "rev", "owner", "repo", "host", "dir", "id"):
        value = source.get(key, "x")
        if not isinstance(value, str) or value.startswith("-") or not value.isprintable():
            return f"whose {key} is {inline(repr(value))}"
    if kind in FORGES:
        return None if {"owner", "repo"} <= source.keys() else "which has no owner and repo"
    if kind == "indirect":
        return _entry_problem(str(source.get("id", "")))
    if kind == "path":
        return _path_problem(str(source.get("path", "")))
    return _place_problem(str(source.get("url", "")), kind) if kind in SCHEMES else _kind(kind)


def _place_problem(url: str, kind: str) -> str | None:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        return f"whose URL is wrong: {error}"
    if parts.scheme not in SCHEMES[kind] or not url.startswith(f"{parts.scheme}://"):
        allowed = ", ".join(sorted(SCHEMES[kind]))
        return (
            f"which is fetched from '{inline(url)}': only {allowed} are allowed, since anything "
            "else could read this machine"
        )
    if not host or not _PLACE.fullmatch(parts.netloc.rpartition("@")[2]) or "\\" in url:
        return f"whose URL '{inline(url)}' has no plain host"
    return None if parts.netloc[0] != "-" and url.isprintable() else f"whose URL is '{inline(url)}'"


def _path_problem(path: str) -> str | None:
    parts = PurePosixPath(path.partition("?")[0]).parts
    if not path or path.startswith(("/", "~")) or ".." in parts or not path.isprintable():
        return f"which is the path '{inline(path)}' outside the repository"
    return None


def _entry_problem(entry: str) -> str | None:
    """Judge an entry of the registry: a name, and perhaps a branch and a commit.

    What is not of that form is a path for Nix.
    """
    parts = entry.split("/")
    if len(parts) <= _PARTS and all(map(_WORD.fullmatch, parts)):
        return None
    return f"which is '{inline(entry)}' and no entry of the registry"


def _kind(kind: str) -> str:
    known = ", ".join(sorted({*FORGES, *SCHEMES, "path"}))
    return f"which is of the kind '{inline(kind)}'; allowed are {known}"


def _unpinned(node: LockNode) -> str | None:
    """Return what a node lacks for being always the same; None if nothing."""
    locked = node.locked or {}
    if locked.get("type") == "indirect":
        return "which is locked to an entry of the registry"
    needs_revision = locked.get("type") in {*FORGES, "git"}
    if needs_revision and not _REVISION.fullmatch(str(locked.get("rev", ""))):
        return "which is not locked to a commit"
    needs_hash = locked.get("type") != "path"
    if needs_hash and not _HASH.fullmatch(str(locked.get("narHash", ""))):
        return "which has no narHash"
    return None


def _mismatches(lock: LockFile, inputs: Inputs) -> Iterator[str]:
    """Yield where the names of a lock and of its flake differ; their URLs are for Nix."""
    root = lock.nodes[lock.root]
    for name, found in inputs.items():
        reference = root.inputs.get(name)
        follows = found.get("follows")
        if reference is None:
            yield f"{LOCK} does not have the input {inline(name)} of flake.nix; {REMEDY}"
        elif isinstance(follows, str) and reference != follows.split("/"):
            yield f"{LOCK} does not have that {inline(name)} follows {inline(follows)}; {REMEDY}"
    for name in sorted(root.inputs.keys() - inputs.keys()):
        yield f"{LOCK} has the input {inline(name)}, which flake.nix does not have; {REMEDY}"


def _refuse(problems: list[str]) -> None:
    if not problems:
        return
    more = len(problems) - _SHOWN
    shown = [*problems[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
    raise BadRequestError("; ".join(shown))


def _list(names: Mapping[str, object]) -> str:
    return ", ".join(inline(name) for name in sorted(names)[:_SHOWN])
