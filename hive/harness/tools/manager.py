"""The tools of the manager: kill, start, restart, update, get_logs."""

from __future__ import annotations

from typing import Annotated

from attrs import frozen
from msgspec import Meta

from hive.client.agent import ManagerClient
from hive.harness.tools.tool import Arguments, ModelTool, Result, make_tool
from hive.wire.base import Name

LINES_MAX = 500
"""Lines of a log that a model gets at most."""

Agent = Annotated[Name, Meta(description="The agent's name.")]


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
