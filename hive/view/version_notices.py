"""Sentences about parts of a hive that are of another version of hyperhive than its daemon.

Nothing is refused for that: requests and answers of other versions are understood as long as the
version of the wire is the same, see `hive.wire.VERSION`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from hive.escapes import inline
from hive.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMES_MAX = 5
"""Names in one sentence; the others are counted."""


def version_notices(
    rows: Iterable[Mapping[str, Any]], daemon: str | None, own: str = VERSION
) -> Iterator[str]:
    """Yield a sentence for each version that differs from that of the daemon.

    Args:
        rows: Status rows.
        daemon: The version of the daemon; None from one that does not say.
        own: The version of this program.
    """
    if daemon is None:
        return
    if daemon != own:
        yield f"the daemon is of version {inline(daemon)}, this program of {own}: restart it"
    found: dict[tuple[str, bool], list[str]] = {}
    for row in rows:
        version = row.get("harness_version")
        if version is not None and version != daemon:
            found.setdefault((version, row.get("kind") == "peer"), []).append(row["name"])
    for (version, is_peer), names in sorted(found.items()):
        advice = (
            "install that version there" if is_peer else "'hive-c0re restart NAME' when it suits"
        )
        yield (
            f"the harness of {_listed(names)} is of version {inline(version)}, the daemon of "
            f"{inline(daemon)}; {advice}"
        )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(inline, names[:NAMES_MAX]))
    more = len(names) - NAMES_MAX
    return f"{shown} and {more} more" if more > 0 else shown
