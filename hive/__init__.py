"""hyperhive: an actor-model supervisor for swarms of coding agents.

`Hive` runs a complete hive inside your own program or test. It is imported on first use, so that
command-line verbs start fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hive.daemon.hive import Hive as Hive

__all__ = ["Hive"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "Hive":
        from hive.daemon.hive import Hive

        return Hive
    raise AttributeError(f"module 'hive' has no attribute {name!r}")
