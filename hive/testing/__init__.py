"""Test kit for projects that embed a hive.

`simulate` runs a scenario in simulated time, so that an hour of a hive takes milliseconds. The
others inject faults into agents: `crash` from outside, `crashing`, `failing`, `hanging` and `slow`
from inside. `history` checks that what clients saw of a broker is consistent.
`hive.testing.plugin` has pytest fixtures.

Everything is imported on first use, since pytest loads the plugin at the start of every run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors.testing import InjectedFault, advance, settle
    from hive.client.function_agent import answering
    from hive.testing.faults import crash, crashing, failing, hanging, slow
    from hive.testing.simulation import simulate

__all__ = [
    "InjectedFault",
    "advance",
    "answering",
    "crash",
    "crashing",
    "failing",
    "hanging",
    "settle",
    "simulate",
    "slow",
]

_MODULES = {
    "InjectedFault": "actors.testing",
    "advance": "actors.testing",
    "answering": "hive.client.function_agent",
    "settle": "actors.testing",
    "simulate": "hive.testing.simulation",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'hive.testing' has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, "hive.testing.faults")), name)
