"""The tools about participants: whoami, who, set_status."""

from __future__ import annotations

from typing import Annotated

from attrs import frozen
from msgspec import Meta

from hive.client.agent import AgentClient
from hive.harness.tools.tool import Arguments, ModelTool, Result, make_tool
from hive.wire.agent import STATUS_MAX
from hive.wire.codec import present


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
