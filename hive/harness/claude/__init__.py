"""The driver `claude`: Claude Code as an agent, on the official SDK (extra `hyperhive[claude]`).

One conversation per agent, resumed across restarts. `driver` runs its turns, `session` holds the
conversation and `session_file` what survives a restart, `account` identifies the account and
`claude_code` the program. `turn_mail` presents the mail of the turn to tools and hooks.
`conversation` opens the conversation for a person.

Pure: `turn_events` has the typed events of a turn, `turn_log` accumulates them, `outcome` decides
how the turn ended, `prompt` has the texts for the model, `permissions` the tools that it may use.

Only `launch` and `sdk_client` import the SDK. That takes a second, so the driver imports `launch`
in a thread when it opens.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from hive.errors import ConfigError
from hive.extras import how_to_install
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
        raise ConfigError(f"the driver 'claude' needs the extra: {how_to_install('claude')}")
    from hive.harness.claude.driver import ClaudeDriver
    from hive.wire.claude import settings_of

    return ClaudeDriver(setup, settings_of(setup.settings))
