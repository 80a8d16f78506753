"""An agent made of a function from a message to its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hive.client.agent import AgentClient, Delivery, Role
from hive.wire import WAIT_MAX
from hive.wire.base import short_text
from hive.wire.enums import NackMode

Answer = Callable[[Delivery], Awaitable[str | None]]
"""Takes a message and returns the answer's body, or None for no answer."""


def answering(answer: Answer) -> Callable[[AgentClient], Awaitable[None]]:
    """Return an agent that answers each message and acks it once its answer is stored.

    A message that is a reply gets no answer: two such agents would never stop. An exception gives
    the message back, which counts an attempt, and ends the agent.
    """

    async def agent(client: AgentClient) -> None:
        await client.hello(Role.HARNESS, "function")
        while True:
            for message in await client.recv(wait=WAIT_MAX):
                await _work_on(client, message, answer)

    return agent


async def _work_on(client: AgentClient, message: Delivery, answer: Answer) -> None:
    try:
        body = await answer(message)
    except Exception as error:
        reason = short_text(f"{type(error).__name__}: {error}")
        await client.nack(message.id, mode=NackMode.FAIL, reason=reason, lease=message.lease)
        raise
    if body is not None and message.in_reply_to is None:
        await client.send(message.sender, body, in_reply_to=message.id)
    await client.ack([message.id], lease=message.lease)
