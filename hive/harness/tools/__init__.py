"""The functions of the hive that a model can call, the same for every program that offers them.

`for_kind` makes them; the MCP server and the Claude driver wrap them. A tool returns text or
fields, or raises `HiveError` with a sentence that a model can act on.
"""

from hive.client.agent import ManagerClient
from hive.harness.leases import LeasedMail
from hive.harness.tools.mail import MailTools, message_fields
from hive.harness.tools.participants import ManagerTools, ParticipantTools
from hive.harness.tools.questions import QuestionTools
from hive.harness.tools.session_mail import SessionMail
from hive.harness.tools.tool import ModelTool

__all__ = ["ModelTool", "SessionMail", "for_kind", "message_fields"]


def for_kind(client: ManagerClient, *, manager: bool, mail: LeasedMail) -> tuple[ModelTool, ...]:
    """Return the tools of a participant.

    Args:
        client: Its connection.
        manager: Whether it is the manager, which also controls the other agents.
        mail: The messages that the model has taken from its inbox and not finished.
    """
    tools = (
        *MailTools(client, mail).tools(),
        *QuestionTools(client, mail).tools(),
        *ParticipantTools(client).tools(),
    )
    return (*tools, *ManagerTools(client).tools()) if manager else tools
