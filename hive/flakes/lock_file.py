"""Lock files of flakes: what they pin, and what differs between two. Pure.

A lock file is a graph. A node is one flake at one revision; its inputs are other nodes, by key, or
follow an input that is named by its path from the root. A path such as `agent-alice/tools` names an
input for `nix` and for the operator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec
from attrs import define, field, frozen

from hive.clock import rfc3339
from hive.errors import BadRequestError
from hive.quantities import counted

LOCK = "flake.lock"

LOCK_BYTES = 512 * 1024
"""Bytes above which a lock is refused."""

NODES = 1000
"""Nodes above which a lock is refused."""

FOLLOWS = 30
"""Inputs that one may follow on its way to a node."""

VERSIONS = (5, 7)
"""Oldest and newest version of the format that is read."""

AGENT_INPUT = "agent-"
"""Beginning of the inputs of the meta flake that are the commits of agents."""

SHORT = 9
"""Digits of a revision that a text shows."""

_LAST = 1 << 33
"""Wall seconds from which a time is nonsense."""

Reference = str | list[str]
"""An input of a node: the key of another one, or the path that it follows."""


class LockNode(msgspec.Struct, frozen=True):
    """One flake at one revision.

    Attributes:
        locked: What is fetched; None of the root.
        original: The reference that it was locked from; None of the root.
        flake: Whether it is a flake; else its files are the input.
    """

    inputs: dict[str, Reference] = {}
    locked: dict[str, Any] | None = None
    original: dict[str, Any] | None = None
    flake: bool = True

    @property
    def revision(self) -> str:
        """The commit that it is locked to, else the hash of its files; empty without both."""
        locked = self.locked or {}
        return str(locked.get("rev") or locked.get("narHash") or "")

    @property
    def modified(self) -> float | None:
        """Wall seconds of its last change, as its source says; None if it says nothing."""
        found = (self.locked or {}).get("lastModified")
        if not isinstance(found, int | float) or not 0 <= found < _LAST:
            return None
        return float(found)

    @property
    def reference(self) -> str:
        """What it was locked from, in words."""
        source = self.original or self.locked
        if source is None:
            return "not locked yet"
        kind = str(source.get("type", ""))
        if "owner" in source and "repo" in source:
            tail = "".join(f"/{source[key]}" for key in ("ref", "rev") if key in source)
            return f"{kind}:{source['owner']}/{source['repo']}{tail}"
        place = source.get("url") or source.get("path") or source.get("id") or "?"
        return f"{kind}:{place}"


class _Content(msgspec.Struct, frozen=True):
    nodes: dict[str, LockNode]
    root: str
    version: int


@frozen
class LockFile:
    """A lock file of which every reference leads to a node.

    Attributes:
        nodes: The nodes, by key.
        root: The key of the flake that it belongs to.
        targets: The key of the node that each input is, by the key of its owner and its name.
    """

    nodes: Mapping[str, LockNode]
    root: str
    targets: Mapping[tuple[str, str], str]

    def inputs(self, key: str) -> dict[str, str]:
        """Return the keys of the inputs of a node, by name."""
        return {name: self.targets[key, name] for name in sorted(self.nodes[key].inputs)}


@frozen
class LockChange:
    """An input that two locks have at different revisions.

    Attributes:
        path: Its path.
        before: Its node in the old lock; None if that has no such input.
        after: Its node in the new lock; None likewise.
    """

    path: str
    before: LockNode | None
    after: LockNode | None

    def __str__(self) -> str:
        """Return one line: path, revision and date before, and after."""
        return f"{self.path}: {_shown(self.before)} -> {_shown(self.after)}"


def parse_lock(content: bytes, what: str = LOCK) -> LockFile:
    """Return a lock file of which every reference leads somewhere.

    Args:
        content: The file.
        what: Its name, for errors.

    Raises:
        BadRequestError: It is too large, not of the format, or leads nowhere somewhere.
    """
    if len(content) > LOCK_BYTES:
        raise BadRequestError(
            f"{what} has {counted(len(content), 'byte')}, at most {LOCK_BYTES} are allowed"
        )
    try:
        found = msgspec.json.decode(content, type=_Content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadRequestError(f"{what} is no lock file: {error}; make it anew") from None
    if not VERSIONS[0] <= found.version <= VERSIONS[1]:
        oldest, newest = VERSIONS
        raise BadRequestError(
            f"{what} has version {found.version}; those from {oldest} to {newest} are read"
        )
    if len(found.nodes) > NODES:
        raise BadRequestError(
            f"{what} has {counted(len(found.nodes), 'node')}, at most {NODES} are allowed"
        )
    if found.root not in found.nodes:
        raise BadRequestError(f"{what} has no node {found.root!r}, which it names as its root")
    return LockFile(found.nodes, found.root, _Targets(found, what).all())


@define
class _Targets:
    """Finds the node of each input, also of one that follows others."""

    content: _Content
    what: str
    known: dict[tuple[str, str], str | None] = field(factory=dict)

    def all(self) -> dict[tuple[str, str], str]:
        found = {}
        for key, node in self.content.nodes.items():
            for name, reference in node.inputs.items():
                target = self.of(key, name, 0)
                if target is None:
                    raise BadRequestError(f"{self.what}: {_dangling(key, name, reference)}")
                found[key, name] = target
        return found

    def of(self, key: str, name: str, depth: int) -> str | None:
        """Return the node of an input; None if it leads nowhere, or to itself."""
        if depth > FOLLOWS:
            raise BadRequestError(f"{self.what}: {name!r} follows more than {FOLLOWS} other inputs")
        if (key, name) not in self.known:
            self.known[key, name] = None  # as long as it is not known: an input of a circle
            self.known[key, name] = self._find(key, name, depth)
        return self.known[key, name]

    def _find(self, key: str, name: str, depth: int) -> str | None:
        reference = self.content.nodes[key].inputs.get(name)
        if isinstance(reference, str):
            return reference if reference in self.content.nodes else None
        if not reference:
            return None
        at: str | None = self.content.root
        for part in reference:
            at = None if at is None else self.of(at, part, depth + 1)
        return at


def digest(content: bytes) -> str:
    """Return the digest by which a lock is named."""
    return hashlib.sha256(content).hexdigest()


def own_inputs(lock: LockFile) -> dict[str, LockNode]:
    """Return the inputs of a meta flake that can be updated, by path.

    Those are its own and those of the agents' flakes. The commits of agents are not among them, nor
    what follows another input.
    """
    found: dict[str, LockNode] = {}
    root = lock.nodes[lock.root]
    for name, key in _keyed(root):
        if not name.startswith(AGENT_INPUT):
            found[name] = lock.nodes[key]
            continue
        for inner, inner_key in _keyed(lock.nodes[key]):
            found[f"{name}/{inner}"] = lock.nodes[inner_key]
    return dict(sorted(found.items()))


def differences(before: LockFile, after: LockFile) -> list[LockChange]:
    """Return what differs between two locks, each node by the shortest path to it."""
    old, new = _by_path(before), _by_path(after)
    return [
        LockChange(path, old.get(path), new.get(path))
        for path in dict.fromkeys([*new, *old])
        if _pinned(old.get(path)) != _pinned(new.get(path))
    ]


def affected(before: LockFile, after: LockFile, agents: Collection[str]) -> list[str]:
    """Return the agents whose systems two locks of the meta flake build of different inputs."""
    old, new = _fingerprints(before), _fingerprints(after)
    shared = {name for name in {*old, *new} if not name.startswith(AGENT_INPUT)}
    if any(old.get(name) != new.get(name) for name in shared):
        return sorted(agents)
    return [
        name
        for name in sorted(agents)
        if old.get(AGENT_INPUT + name) != new.get(AGENT_INPUT + name)
    ]


def _keyed(node: LockNode) -> Iterator[tuple[str, str]]:
    """Yield the inputs of a node that are nodes, not followers."""
    for name, reference in node.inputs.items():
        if isinstance(reference, str):
            yield name, reference


def _by_path(lock: LockFile) -> dict[str, LockNode]:
    """Return every node by the shortest path to it."""
    found: dict[str, LockNode] = {}
    seen, level = {lock.root}, [("", lock.root)]
    while level:
        following = []
        for path, key in level:
            for name, inner in sorted(_keyed(lock.nodes[key])):
                if inner not in seen:
                    seen.add(inner)
                    here = f"{path}/{name}" if path else name
                    found[here] = lock.nodes[inner]
                    following.append((here, inner))
        level = following
    return found


def _fingerprints(lock: LockFile) -> dict[str, set[str]]:
    """Return what each input of the root is built of."""
    return {name: _built_of(lock, key) for name, key in lock.inputs(lock.root).items()}


def _built_of(lock: LockFile, start: str) -> set[str]:
    """Return each node that a node leads to, with the inputs that it has."""
    seen, waiting = {start}, [start]
    while waiting:
        new = set(lock.inputs(waiting.pop()).values()) - seen
        seen |= new
        waiting += new
    return {repr((_pinned(lock.nodes[key]), _inputs_pinned(lock, key))) for key in seen}


def _inputs_pinned(lock: LockFile, key: str) -> list[object]:
    return [(name, _pinned(lock.nodes[inner])) for name, inner in lock.inputs(key).items()]


def _pinned(node: LockNode | None) -> object:
    """Return what decides about the content of a node."""
    if node is None:
        return None
    return sorted((key, repr(value)) for key, value in (node.locked or {}).items()), node.flake


def _shown(node: LockNode | None) -> str:
    if node is None:
        return "nothing"
    date = "no date" if node.modified is None else rfc3339(node.modified)[:10]
    return f"{short(node.revision) or 'unlocked'} ({date})"


def short(revision: str) -> str:
    """Return a revision as a text shows it."""
    return revision.removeprefix("sha256-")[:SHORT]


def _dangling(key: str, name: str, reference: Reference) -> str:
    if isinstance(reference, str):
        return f"the input {name!r} of {key!r} is the node {reference!r}, which it does not have"
    path = "/".join(reference)
    return f"the input {name!r} of {key!r} follows {path!r}, which leads nowhere"
