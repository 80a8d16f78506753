"""Tools about participants (whoami, who, set_status), and the manager's control of other agents."""

from __future__ import annotations

from typing import Annotated

from attrs import frozen
from msgspec import Meta

from hive.client.agent import AgentClient, ManagerClient
from hive.harness.tools.tool import Arguments, ModelTool, Result, make_tool
from hive.wire.agent import STATUS_MAX
from hive.wire.base import Name
from hive.wire.codec import present

LINES_MAX = 500
"""Lines of a log that a model gets at most."""

Agent = Annotated[Name, Meta(description="The agent's name.")]


class WhoamiArguments(Arguments):
    """Tell your own name in the hive, what you are there, and how much mail waits for you."""


class WhoArguments(Arguments):
    """List the participants of the hive: name, kind, whether they are there, what they do."""


class SetStatusArguments(Arguments):
    """Set the line about you that the operator and the others see; an empty one clears it."""

    text: Annotated[str, Meta(max_length=STATUS_MAX, description="A few words.")]


@frozen
class ParticipantTools:
    """The tools about participants, for one participant."""

    client: AgentClient

    def tools(self) -> tuple[ModelTool, ...]:
        """Return the tools."""
        return (
            make_tool(WhoamiArguments, self.whoami),
            make_tool(WhoArguments, self.who),
            make_tool(SetStatusArguments, self.set_status),
        )

    async def whoami(self, given: WhoamiArguments) -> Result:
        """Return the participant of this connection, with its number of unread messages."""
        identity = await self.client.whoami()
        return {**present(identity), "unread": await self.client.status()}

    async def who(self, given: WhoArguments) -> Result:
        """List the participants."""
        return {"participants": [present(each) for each in await self.client.who()]}

    async def set_status(self, given: SetStatusArguments) -> Result:
        """Set the status line."""
        await self.client.set_status(given.text)
        return {"status": given.text}


class KillArguments(Arguments):
    """Stop an agent gracefully; its mail waits until it is started again."""

    name: Agent


class StartArguments(Arguments):
    """Start an agent that is stopped or has failed."""

    name: Agent


class RestartArguments(Arguments):
    """Stop an agent gracefully and start it again."""

    name: Agent


class UpdateArguments(Arguments):
    """Apply an agent's approved configuration anew, which restarts it."""

    name: Agent


class GetLogsArguments(Arguments):
    """Read the last lines that an agent printed, newest last."""

    name: Agent
    lines: Annotated[int, Meta(ge=1, le=LINES_MAX, description="How many.")] = 100


@frozen
class ManagerTools:
    """The tools of the manager."""

    client: ManagerClient

    def tools(self) -> tuple[ModelTool, ...]:
        """Return the tools."""
        return (
            make_tool(KillArguments, self.kill),
            make_tool(StartArguments, self.start),
            make_tool(RestartArguments, self.restart),
            make_tool(UpdateArguments, self.update),
            make_tool(GetLogsArguments, self.get_logs),
        )

    async def kill(self, given: KillArguments) -> Result:
        """Stop an agent."""
        await self.client.kill(given.name)
        return {"stopped": given.name}

    async def start(self, given: StartArguments) -> Result:
        """Start an agent."""
        await self.client.start(given.name)
        return {"started": given.name}

    async def restart(self, given: RestartArguments) -> Result:
        """Restart an agent."""
        await self.client.restart(given.name)
        return {"restarted": given.name}

    async def update(self, given: UpdateArguments) -> Result:
        """Apply an agent's configuration."""
        await self.client.update(given.name)
        return {"updated": given.name}

    async def get_logs(self, given: GetLogsArguments) -> Result:
        """Read the end of an agent's log."""
        return {"lines": list(await self.client.get_logs(given.name, given.lines))}
