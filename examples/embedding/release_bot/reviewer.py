"""The reviewer: an agent made of one function."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from hive.client.agent import Delivery
from hive.client.function_agent import Answer
from release_bot.forms import Review

Judge = Callable[[str], Awaitable[bool]]
"""Decides whether a version may be released."""


def reviewing(judge: Judge) -> Answer:
    """Return the function from a requested review to a finished one."""

    async def answer(message: Delivery) -> str:
        review = Review.from_body(message.body)
        return replace(review, approved=await judge(review.version)).to_body()

    return answer


def in_changelog(changelog: Path) -> Judge:
    """Approve the versions that have a heading in a changelog."""

    async def judge(version: str) -> bool:
        text = await asyncio.to_thread(changelog.read_text)
        return f"## {version}" in text.splitlines()

    return judge
