"""The functions of the hive that a model can call, the same for every program that offers them.

`for_kind` makes them; the MCP server and the Claude driver wrap them. A tool returns text or
fields, or raises `HiveError` with a sentence that a model can act on.
"""

from hive.client.api import ManagerClient
from hive.harness.tools.mail import MailTools, message_fields
from hive.harness.tools.manager import ManagerTools
from hive.harness.tools.participants import ParticipantTools
from hive.harness.tools.questions import QuestionTools
from hive.harness.tools.tool import ModelTool
from hive.harness.tools.tray import SessionTray, Tray

__all__ = ["ModelTool", "SessionTray", "Tray", "for_kind", "message_fields"]


def for_kind(client: ManagerClient, *, manager: bool, tray: Tray) -> tuple[ModelTool, ...]:
    """Return the tools of a participant.

    Args:
        client: Its connection.
        manager: Whether it is the manager, which also controls the other agents.
        tray: The messages that the model has taken from its inbox and not finished.
    """
    tools = (
        *MailTools(client, tray).tools(),
        *QuestionTools(client, tray).tools(),
        *ParticipantTools(client).tools(),
    )
    return (*tools, *ManagerTools(client).tools()) if manager else tools
