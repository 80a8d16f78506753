"""Tools about participants (whoami, who, set_status), and the manager's control of other agents."""

from __future__ import annotations

from collections.abc import Sequence
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

Commit = Annotated[
    str, Meta(min_length=7, max_length=40, description="The id of the commit, never a branch.")
]

Description = Annotated[
    str, Meta(max_length=4096, description="What changes and why, for the operator.")
]


class WhoamiArguments(Arguments):
    """Return your own name in the hive, what you are there, and how much mail waits for you."""


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
    """Restart an agent with the configuration in force.

    An edit of hive.toml is not in force before the operator's `hive-c0re reload`; `not_in_force`
    has the keys that wait for it.
    """

    name: Agent


class RequestSpawnArguments(Arguments):
    """Propose a new agent to the operator, from a commit of its repository below $HIVE_PROPOSED.

    The commit needs an `agent.toml`. A `system` message says what the operator decided.
    """

    name: Agent
    commit: Commit
    description: Description = ""


class RequestApplyCommitArguments(Arguments):
    """Propose a commit as the new configuration of an agent to the operator.

    It comes from the agent's repository below $HIVE_PROPOSED. A `system` message says what the
    operator decided, and whether the agent works with it; if not, it runs as before.
    """

    name: Agent
    commit: Commit
    description: Description = ""


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
            make_tool(RequestSpawnArguments, self.request_spawn),
            make_tool(RequestApplyCommitArguments, self.request_apply_commit),
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
        return _restarted("restarted", given.name, await self.client.restart(given.name))

    async def update(self, given: UpdateArguments) -> Result:
        """Restart an agent with the configuration in force."""
        return _restarted("updated", given.name, await self.client.update(given.name))

    async def request_spawn(self, given: RequestSpawnArguments) -> Result:
        """Propose a new agent."""
        words = given.description or None
        return {"approval": await self.client.request_spawn(given.name, given.commit, words)}

    async def request_apply_commit(self, given: RequestApplyCommitArguments) -> Result:
        """Propose a new configuration of an agent."""
        words = given.description or None
        number = await self.client.request_apply_commit(given.name, given.commit, words)
        return {"approval": number}

    async def get_logs(self, given: GetLogsArguments) -> Result:
        """Read the end of an agent's log."""
        return {"lines": list(await self.client.get_logs(given.name, given.lines))}


def _restarted(key: str, name: str, not_in_force: Sequence[str]) -> Result:
    """Return the result of a restart, with the keys that wait for a reload, if any."""
    return {key: name, "not_in_force": list(not_in_force)} if not_in_force else {key: name}
