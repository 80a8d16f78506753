"""The tools by which the manager asks the operator for something, besides commits."""

from __future__ import annotations

from typing import Annotated, Any

from attrs import frozen
from msgspec import Meta, field

from hive.client.agent import ManagerClient
from hive.harness.tools.participants import Agent, Description
from hive.harness.tools.tool import Arguments, ModelTool, Result, make_tool
from hive.wire.base import InputPath, Name
from hive.wire.operator_asks import AgentToml
from hive.wire.schedules import ScheduleBody, Timezone, When


class RequestInitConfigArguments(Arguments):
    """Ask the operator for a first repository of an agent below $HIVE_PROPOSED, for you to edit.

    Then commit in it, and submit the commit with request_spawn or request_apply_commit.
    """

    name: Agent
    template: Annotated[
        Name | None,
        Meta(description="claude, command, or an agent to copy; by default what it runs now."),
    ] = None
    description: Description = ""


class RequestScheduleArguments(Arguments):
    """Ask the operator for a message that a participant, also you, gets again and again.

    It comes as a `system` message `schedule_due`. loose_ends lists your schedules, and cancel ends
    one.
    """

    to: Annotated[Name, Meta(description="Who gets the message.")]
    when: Annotated[
        When, Meta(description="An interval, `every 2h`, or a cron expression, `0 9 * * 1-5`.")
    ]
    body: Annotated[ScheduleBody, Meta(description="The text of the message.")]
    timezone: Annotated[
        Timezone | None,
        Meta(description="Of a cron expression, such as Europe/Berlin; by default the host's."),
    ] = None
    description: Description = ""


class RequestAdoptArguments(Arguments):
    """Ask the operator to make a peer an agent, whose container the hive then starts and stops."""

    name: Annotated[Name, Meta(description="The peer's name.")]
    manifest: Annotated[
        AgentToml | None,
        Meta(description="Its agent.toml, with absolute paths; by default that of its container."),
    ] = None
    stop: Annotated[
        bool, Meta(description="Whether its container may be stopped to be taken over.")
    ] = False
    description: Description = ""


class RequestReleaseArguments(Arguments):
    """Ask the operator to make an agent a peer: its container runs on, and the hive leaves it."""

    name: Agent
    description: Description = ""


class RequestUpdateInputsArguments(Arguments):
    """Propose newer inputs (nixpkgs, and inputs of agents' flakes) to the operator.

    They are locked at once. A `system` message says what the operator decided, and whether every
    agent works with them; if one does not, all run as before.
    """

    inputs: Annotated[
        list[InputPath],
        Meta(max_length=100, description="Such as 'nixpkgs' or 'agent-bob/tools'; [] for all."),
    ] = field(default_factory=list)
    description: Description = ""


@frozen
class AskTools:
    """The tools of the manager that wait for the operator.

    Each returns the number of an approval; a `system` message says how that ended.
    """

    client: ManagerClient

    def tools(self) -> tuple[ModelTool, ...]:
        """Return the tools."""
        return (
            make_tool(RequestInitConfigArguments, self.request_init_config),
            make_tool(RequestScheduleArguments, self.request_schedule),
            make_tool(RequestAdoptArguments, self.request_adopt),
            make_tool(RequestReleaseArguments, self.request_release),
            make_tool(RequestUpdateInputsArguments, self.request_update_inputs),
        )

    async def request_init_config(self, given: RequestInitConfigArguments) -> Result:
        """Ask for a first proposed repository."""
        return await self._ask(
            "request_init_config", given.description, name=given.name, template=given.template
        )

    async def request_schedule(self, given: RequestScheduleArguments) -> Result:
        """Ask for a message that comes again and again."""
        return await self._ask(
            "request_schedule",
            given.description,
            to=given.to,
            when=given.when,
            body=given.body,
            timezone=given.timezone,
        )

    async def request_adopt(self, given: RequestAdoptArguments) -> Result:
        """Ask for a peer to become an agent."""
        return await self._ask(
            "request_adopt",
            given.description,
            name=given.name,
            manifest=given.manifest,
            stop=given.stop,
        )

    async def request_release(self, given: RequestReleaseArguments) -> Result:
        """Ask for an agent to become a peer."""
        return await self._ask("request_release", given.description, name=given.name)

    async def request_update_inputs(self, given: RequestUpdateInputsArguments) -> Result:
        """Ask for newer inputs."""
        return await self._ask("request_update_inputs", given.description, inputs=given.inputs)

    async def _ask(self, verb: str, description: str, **fields: Any) -> Result:
        number = await self.client.ask_operator(verb, description=description or None, **fields)
        return {"approval": number}
