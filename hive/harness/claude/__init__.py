"""The driver `claude`: Claude Code as an agent, on the official SDK (extra `hyperhive[claude]`).

One conversation per agent, resumed across restarts. `outcome`, `turn_log`, `prompt` and
`permissions` are pure rules. Only `launch` and `sdk_client` import the SDK; the driver loads them
late, since that takes a second.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from hive.errors import ConfigError
from hive.harness.driver import DriverSetup

if TYPE_CHECKING:
    from hive.harness.claude.driver import ClaudeDriver

PACKAGE = "claude_agent_sdk"


def create(setup: DriverSetup) -> ClaudeDriver:
    """Return the driver; target of the entry point `claude`.

    Raises:
        ConfigError: When the extra is not installed, or a setting is wrong.
    """
    if find_spec(PACKAGE) is None:
        raise ConfigError(
            "the driver 'claude' needs the extra: pip install 'hyperhive[claude]' where the agent "
            "runs"
        )
    from hive.harness.claude.driver import ClaudeDriver
    from hive.wire.claude import settings_of

    return ClaudeDriver(setup, settings_of(setup.settings))
