"""Where drivers are found: the entry points of one group, and the one that is always there."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

from hive.errors import ConfigError
from hive.harness.drivers import Driver, DriverSetup
from hive.harness.turn_drivers import TurnDriver
from hive.names import suggest
from hive.wire.drivers import BUILT_IN, GROUP

DriverFactory = Callable[[DriverSetup], Driver | TurnDriver]
"""What an entry point of the group names.

Called before the event loop runs, so it may look at files; what cannot work raises ConfigError.
"""


def load_driver(name: str) -> DriverFactory:
    """Return the factory of an installed driver.

    Raises:
        ConfigError: When there is no such driver.
    """
    installed = entry_points(group=GROUP)
    if name in installed.names:
        factory: DriverFactory = installed[name].load()
        return factory
    if name == BUILT_IN:
        from hive.harness.command import CommandDriver

        return CommandDriver
    known = sorted({BUILT_IN, *installed.names})
    ending = suggest(name, known) or f"; installed are {', '.join(known)}"
    raise ConfigError(f"there is no driver {name!r}{ending}")
