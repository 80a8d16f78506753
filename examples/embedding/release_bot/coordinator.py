"""The bot: receives requests, asks the reviewer, answers the sender."""

from __future__ import annotations

from hive.client.agent import AgentClient, Delivery, Role
from release_bot.forms import REVIEWER, Review

LONG_POLL = 180.0


async def coordinator(client: AgentClient) -> None:
    """Process messages one after the other, until cancelled."""
    await client.hello(Role.HARNESS, "release-bot")
    while True:
        for message in await client.recv(wait=LONG_POLL):
            await _work_on(client, message)
            await client.ack([message.id], lease=message.lease)


async def _work_on(client: AgentClient, message: Delivery) -> None:
    if message.sender == REVIEWER:
        await _conclude(client, Review.from_body(message.body))
    else:
        review = Review(message.body, requester=message.sender, request=message.id)
        await client.send(REVIEWER, review.to_body())
        await client.set_status(f"waiting for the review of {review.version}")


async def _conclude(client: AgentClient, review: Review) -> None:
    outcome = "released" if review.approved else "refused by the reviewer"
    await client.send(
        review.requester, f"{review.version} is {outcome}", in_reply_to=review.request
    )
    await client.set_status(f"{review.version} is {outcome}")
