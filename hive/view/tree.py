"""The supervision tree as lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hive.view.escape import inline
from hive.view.glyphs import Glyphs

Node = Mapping[str, Any]
"""A node as the host socket sends it, see `hive.wire.rows.TreeRow`."""


def tree_lines(root: Node, glyphs: Glyphs) -> list[str]:
    """Return the tree, one line per actor, children in the order in which they were started."""
    return [_label(root), *_below(root, "", glyphs)]


def _below(node: Node, indent: str, glyphs: Glyphs) -> Iterator[str]:
    children = node.get("children") or []
    for child in children:
        last = child is children[-1]
        yield indent + (glyphs.last_branch if last else glyphs.branch) + _label(child)
        yield from _below(child, indent + (glyphs.gap if last else glyphs.trunk), glyphs)


def _label(node: Node) -> str:
    """Name, kind and state; beyond that only what is out of the ordinary."""
    parts = [str(node["path"]).rpartition("/")[2], node.get("kind"), node.get("state")]
    if node.get("restarts"):
        parts.append(f"restarts={node['restarts']}")
    if node.get("mailbox"):
        parts.append(f"mailbox={node['mailbox']}")
    if node.get("current"):
        parts.append(f"now: {node['current']}")
    if node.get("last_exit"):
        parts.append(f"last exit: {node['last_exit']}")
    return "  ".join(inline(part) for part in parts if part)
