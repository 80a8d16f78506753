"""The tools of the manager: the care of the other agents."""

from __future__ import annotations

from typing import Annotated

from attrs import frozen
from msgspec import Meta

from hive.client.api import ManagerClient
from hive.harness.tools.tool import Arguments, Result, Tool, tool_of
from hive.wire.base import Name, Text

LINES_MAX = 500
"""Lines of a log that a model is shown at most."""

Agent = Annotated[Name, Meta(description="The agent's name.")]
Why = Annotated[Text | None, Meta(description="For the operator, who decides: why.")]


class RequestSpawn(Arguments):
    """Ask the operator for a new agent; it is made only if they approve."""

    name: Agent
    description: Why = None


class Kill(Arguments):
    """Stop an agent gracefully; its mail waits until it is started again."""

    name: Agent


class Start(Arguments):
    """Start an agent that is stopped or has failed."""

    name: Agent


class Restart(Arguments):
    """Stop an agent gracefully and start it again."""

    name: Agent


class Update(Arguments):
    """Apply an agent's approved configuration anew, which restarts it."""

    name: Agent


class RequestApplyCommit(Arguments):
    """Ask the operator to apply a commit of an agent's proposed configuration."""

    name: Agent
    commit_ref: Annotated[
        str, Meta(pattern="^[0-9a-f]{40}$", description="The full sha of the commit.")
    ]
    description: Why = None


class GetLogs(Arguments):
    """Read the last lines that an agent printed, newest last."""

    name: Agent
    lines: Annotated[int, Meta(ge=1, le=LINES_MAX, description="How many.")] = 100


@frozen
class Care:
    """The tools of the manager."""

    client: ManagerClient

    def tools(self) -> tuple[Tool, ...]:
        """Return the tools."""
        return (
            tool_of(RequestSpawn, self.request_spawn),
            tool_of(Kill, self.kill),
            tool_of(Start, self.start),
            tool_of(Restart, self.restart),
            tool_of(Update, self.update),
            tool_of(RequestApplyCommit, self.request_apply_commit),
            tool_of(GetLogs, self.get_logs),
        )

    async def request_spawn(self, given: RequestSpawn) -> Result:
        """Ask for a new agent."""
        return {"id": await self.client.request_spawn(given.name, given.description)}

    async def kill(self, given: Kill) -> Result:
        """Stop an agent."""
        await self.client.kill(given.name)
        return {"stopped": given.name}

    async def start(self, given: Start) -> Result:
        """Start an agent."""
        await self.client.start(given.name)
        return {"started": given.name}

    async def restart(self, given: Restart) -> Result:
        """Restart an agent."""
        await self.client.restart(given.name)
        return {"restarted": given.name}

    async def update(self, given: Update) -> Result:
        """Apply an agent's configuration."""
        await self.client.update(given.name)
        return {"updated": given.name}

    async def request_apply_commit(self, given: RequestApplyCommit) -> Result:
        """Ask for a commit to be applied."""
        asked = self.client.request_apply_commit(given.name, given.commit_ref, given.description)
        return {"id": await asked}

    async def get_logs(self, given: GetLogs) -> Result:
        """Read the end of an agent's log."""
        return {"lines": list(await self.client.get_logs(given.name, given.lines))}
