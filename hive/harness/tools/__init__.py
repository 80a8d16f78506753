"""The functions of the hive that a model can call, the same for every program that offers them.

`for_kind` makes them; the MCP server and the Claude driver wrap them. A tool returns text or
fields, or raises `HiveError` with a sentence that a model can act on.
"""

from collections.abc import Collection

from hive.client.agent import ManagerClient
from hive.harness.leases import LeasedMail
from hive.harness.tools.asks import AskTools
from hive.harness.tools.mail import MailTools, message_fields
from hive.harness.tools.participants import ManagerTools, ParticipantTools
from hive.harness.tools.questions import QuestionTools
from hive.harness.tools.session_mail import SessionMail
from hive.harness.tools.tool import ModelTool
from hive.wire.enums import Capability

__all__ = ["ModelTool", "SessionMail", "for_kind", "message_fields"]


NEEDS = {
    "request_spawn": Capability.PROPOSALS,
    "request_apply_commit": Capability.PROPOSALS,
    "request_init_config": Capability.PROPOSALS,
    "request_update_inputs": Capability.INPUTS,
}
"""Tools that are offered only where the hive can carry them out."""


def for_kind(
    client: ManagerClient,
    *,
    manager: bool,
    mail: LeasedMail,
    capabilities: Collection[str] | None = None,
) -> tuple[ModelTool, ...]:
    """Return the tools of a participant.

    Args:
        client: Its connection.
        manager: Whether it is the manager, which also controls the other agents.
        mail: The messages that the model has taken from its inbox and not finished.
        capabilities: What the hive can carry out, see `hive.wire.enums.Capability`; None if that
            is not known, and all tools are offered.
    """
    tools = (
        *MailTools(client, mail).tools(),
        *QuestionTools(client, mail).tools(),
        *ParticipantTools(client).tools(),
    )
    if not manager:
        return tools
    control = (*ManagerTools(client).tools(), *AskTools(client).tools())
    return (*tools, *(tool for tool in control if _can(tool.name, capabilities)))


def _can(name: str, capabilities: Collection[str] | None) -> bool:
    """Return whether the hive can carry out a tool."""
    return capabilities is None or name not in NEEDS or NEEDS[name] in capabilities
