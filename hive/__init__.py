"""hyperhive: an actor-model supervisor for swarms of coding agents.

`Hive` runs a complete hive inside your own program or test. It is imported on first use, so that
command-line verbs start fast.

The most used verbs run thousands of times a day, and imports take most of their time. The modules
that they share import no typing, no pathlib and no third package at run time: they set
TYPE_CHECKING to False, which a type checker takes for True, and a branch that is rarely reached
imports by itself what it needs. A test has the list of what these verbs may import.
"""

from __future__ import annotations

from hive.version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hive.daemon.hive import Hive as Hive

__all__ = ["Hive"]
__version__ = VERSION


def __getattr__(name: str) -> Any:
    if name == "Hive":
        from hive.daemon.hive import Hive

        return Hive
    raise AttributeError(f"module 'hive' has no attribute {name!r}")
