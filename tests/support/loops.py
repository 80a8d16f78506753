"""The event loops that a test runs on.

An async test runs twice: on asyncio in debug mode, which checks how it is used, and on uvloop,
which is what users get. `@pytest.mark.loops("uvloop")` picks one where the other makes no sense.
A test marked `sim` runs on the simulation loop instead, once for each seed (`--sim-seeds N`).
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

import pytest
import uvloop

from actors.testing import SimulationLoop

Factories = Mapping[str, Callable[[], asyncio.AbstractEventLoop]]


class DebugLoop(asyncio.SelectorEventLoop):
    """An asyncio loop that is always in debug mode; the runner cannot turn it off."""

    def __init__(self) -> None:
        super().__init__()
        self.set_debug(True)

    def set_debug(self, enabled: bool) -> None:
        """Turn debug mode on; the argument is ignored."""
        super().set_debug(True)


REAL_LOOPS: Factories = {"asyncio": DebugLoop, "uvloop": uvloop.new_event_loop}


def factories(item: pytest.Item, seeds: int) -> Factories:
    """Return the loops that `item` runs on, by the name that appears in its test id."""
    chosen = item.get_closest_marker("loops")
    if item.get_closest_marker("sim"):
        if chosen:
            pytest.fail(f"{item.nodeid}: choose `sim` or `loops`, not both", pytrace=False)
        return {f"sim-{seed}": partial(SimulationLoop, seed) for seed in range(seeds)}
    names = chosen.args if chosen else tuple(REAL_LOOPS)
    unknown = set(names) - set(REAL_LOOPS)
    if unknown or not names:
        known = ", ".join(REAL_LOOPS)
        pytest.fail(f"{item.nodeid}: `loops` takes at least one of {known}", pytrace=False)
    return {name: REAL_LOOPS[name] for name in names}


def open_process_wide_parts() -> None:
    """Open what the first uvloop loop of a process opens and never closes (its signal pipe)."""
    uvloop.new_event_loop().close()
