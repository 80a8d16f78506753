"""The tools for questions and reminders: ask, answer, remind, loose_ends, cancel."""

from __future__ import annotations

from typing import Annotated

from attrs import frozen
from msgspec import Meta

from hive.client.agent import AgentClient
from hive.harness.leases import LeasedMail
from hive.harness.tools.tool import Arguments, ModelTool, Result, make_tool
from hive.wire.agent import OPTIONS_MAX, Option
from hive.wire.base import Id, Lifetime, Name, Seconds, UnixTime
from hive.wire.codec import present
from hive.wire.enums import CancelKind, OnExpiry


class AskArguments(Arguments):
    """Ask the operator (the human) or another participant a question, without waiting.

    Returns the question's id at once. The answer comes as a message of type `answer` in your
    inbox; do something else meanwhile, or end your turn.
    """

    question: Annotated[str, Meta(min_length=1, description="The question, with what it needs.")]
    options: Annotated[
        tuple[Option, ...],
        Meta(
            max_length=OPTIONS_MAX,
            description="Answers to choose from; any other text is allowed too.",
        ),
    ] = ()
    multi: Annotated[bool, Meta(description="Whether several options may be chosen.")] = False
    to: Annotated[Name | None, Meta(description="Whom you ask; the operator by default.")] = None
    ttl_seconds: Annotated[
        Lifetime | None,
        Meta(description="How long an answer is of use."),
    ] = None
    on_expiry: Annotated[
        OnExpiry,
        Meta(
            description="What happens without an answer in that time: `deny` answers [expired], "
            "`hold` keeps it open, `escalate` asks the operator."
        ),
    ] = OnExpiry.DENY


class AnswerArguments(Arguments):
    """Answer a question that you were asked; whoever asked gets it as a message."""

    id: Annotated[Id, Meta(description="The id of the question, which is its message's.")]
    answer: Annotated[str, Meta(min_length=1, description="The text, or the options chosen.")]


class RemindArguments(Arguments):
    """Have a message sent to yourself later, even if you or the hive are restarted meanwhile.

    Give either `delay_seconds` or `at_unix_timestamp`.
    """

    message: Annotated[str, Meta(min_length=1, description="What you will want to know then.")]
    delay_seconds: Annotated[Seconds | None, Meta(description="So long from now.")] = None
    at_unix_timestamp: Annotated[UnixTime | None, Meta(description="At this time.")] = None


class LooseEndsArguments(Arguments):
    """List your open questions, those you have to answer, your reminders and your approvals.

    A manager also gets its schedules.
    """


class CancelArguments(Arguments):
    """Take back a reminder, a question, a message, a request for approval or a schedule of yours.

    A message can be taken back only while nobody has received it, a request for approval only while
    it is not decided.
    """

    kind: Annotated[CancelKind, Meta(description="What it is.")]
    id: Annotated[Id, Meta(description="Its id.")]


@frozen
class QuestionTools:
    """The tools for questions and reminders of one participant.

    Attributes:
        mail: The messages that the model has taken; that of an answered question is acked.
    """

    client: AgentClient
    mail: LeasedMail

    def tools(self) -> tuple[ModelTool, ...]:
        """Return the tools."""
        return (
            make_tool(AskArguments, self.ask),
            make_tool(AnswerArguments, self.answer),
            make_tool(RemindArguments, self.remind),
            make_tool(LooseEndsArguments, self.loose_ends),
            make_tool(CancelArguments, self.cancel),
        )

    async def ask(self, given: AskArguments) -> Result:
        """Store a question."""
        number = await self.client.ask(
            given.question,
            options=given.options,
            multi=given.multi,
            to=given.to,
            ttl=given.ttl_seconds,
            on_expiry=given.on_expiry,
        )
        return {"id": number}

    async def answer(self, given: AnswerArguments) -> Result:
        """Answer a question and ack its message."""
        await self.client.answer(given.id, given.answer)
        if any(message.id == given.id for message in self.mail.held()):
            await self.mail.done([given.id])
        return {"answered": given.id}

    async def remind(self, given: RemindArguments) -> Result:
        """Store a reminder; the daemon refuses a request with both times or none."""
        number = await self.client.remind(
            given.message, delay=given.delay_seconds, at=given.at_unix_timestamp
        )
        return {"id": number}

    async def loose_ends(self, given: LooseEndsArguments) -> Result:
        """List open questions and reminders."""
        return present(await self.client.loose_ends())

    async def cancel(self, given: CancelArguments) -> Result:
        """Cancel a reminder, a question, a message, an approval or a schedule."""
        await self.client.cancel(given.kind, given.id)
        return {"cancelled": given.id}
