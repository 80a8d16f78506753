"""What a model can do in the hive: one set of tools, whoever offers them.

`for_kind` makes them; the MCP server and the Claude driver wrap them. A tool answers with text or
with fields, and raises `HiveError`, whose sentence a model can act on.
"""

from hive.client.api import ManagerClient
from hive.harness.tools.mail import Mail, message_fields
from hive.harness.tools.manager import Care
from hive.harness.tools.participants import People
from hive.harness.tools.questions import Talk
from hive.harness.tools.tool import Tool
from hive.harness.tools.tray import SessionTray, Tray

__all__ = ["SessionTray", "Tool", "Tray", "for_kind", "message_fields"]


def for_kind(client: ManagerClient, *, manager: bool, tray: Tray) -> tuple[Tool, ...]:
    """Return the tools of a participant.

    Args:
        client: Its connection.
        manager: Whether it is the manager, who also cares for the other agents.
        tray: What the model has taken from its inbox and is not done with.
    """
    tools = (*Mail(client, tray).tools(), *Talk(client, tray).tools(), *People(client).tools())
    return (*tools, *Care(client).tools()) if manager else tools
