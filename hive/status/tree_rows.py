"""The live supervision tree as rows of the wire."""

from __future__ import annotations

from actors import TreeNode
from hive.wire.rows import TreeRow


def tree_row(node: TreeNode) -> TreeRow:
    """Return a node of the tree and everything below it as a row."""
    state = node.state if node.child is None else node.child.state
    return TreeRow(
        path=node.path,
        kind=node.kind.value,
        state=state.value,
        restarts=node.restarts,
        mailbox=node.mailbox,
        current=None if node.current is None else type(node.current.message).__name__,
        current_seconds=None if node.current is None else round(node.current.age, 3),
        last_exit=None if node.last_exit is None else str(node.last_exit),
        children=[tree_row(child) for child in node.children],
    )
