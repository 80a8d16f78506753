"""The whole bot on virtual time: an hour takes milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from release_bot.app import PEERS, agents
from release_bot.reviewer import in_changelog

from hive import Hive
from hive.errors import ConflictError
from hive.testing import advance, crash

HOUR = 3600.0
Simulate = Callable[..., Any]


async def approve(version: str) -> bool:
    """Review for one minute, then approve all versions but betas."""
    await asyncio.sleep(60)
    return "beta" not in version


@pytest.mark.parametrize(
    ("version", "outcome"),
    [("1.4.0", "1.4.0 is released"), ("2.0-beta", "2.0-beta is refused by the reviewer")],
)
def test_the_reviewer_decides(simulate_hive: Simulate, version: str, outcome: str) -> None:
    async def scenario(hive: Hive) -> None:
        request = await hive.send("bot", version)
        assert await hive.answer_to(request, within=2 * 60) == outcome

    simulate_hive(scenario, agents=agents(approve))


def test_a_review_survives_the_crash_of_its_reviewer(simulate_hive: Simulate) -> None:
    begun = []

    async def judge(version: str) -> bool:
        begun.append(asyncio.get_running_loop().time())
        return await approve(version)

    async def scenario(hive: Hive) -> None:
        request = await hive.send("bot", "1.4.0")
        await advance(30)
        await crash(hive, "reviewer")
        assert await hive.answer_to(request, within=2 * 60) == "1.4.0 is released"
        first, second = begun
        assert first + 30 <= second < first + 31
        assert (await hive.status("reviewer")).restarts == 1
        assert (await hive.status("bot")).restarts == 0

    simulate_hive(scenario, agents=agents(judge))


def test_a_review_waits_for_a_reviewer_that_is_away(simulate_hive: Simulate) -> None:
    async def scenario(hive: Hive) -> None:
        await hive.stop("reviewer")
        request = await hive.send("bot", "1.4.0")
        await advance(HOUR)
        bot, reviewer = await hive.status("bot"), await hive.status("reviewer")
        assert (reviewer.state, reviewer.unread) == ("stopped", 1)
        assert (bot.unread, bot.status_text) == (0, "waiting for the review of 1.4.0")
        await hive.start("reviewer")
        assert await hive.answer_to(request, within=2 * 60) == "1.4.0 is released"

    simulate_hive(scenario, agents=agents(approve))


def test_a_stopped_bot_stays_stopped_and_its_mail_waits(simulate_hive: Simulate) -> None:
    async def scenario(hive: Hive) -> None:
        await crash(hive, "bot")
        await hive.stop("bot")
        request = await hive.send("bot", "1.4.0")
        await advance(24 * HOUR)
        assert (await hive.status("bot")).state == "stopped"
        with pytest.raises(ConflictError, match="does not run"):
            await crash(hive, "bot")
        await hive.start("bot")
        assert await hive.answer_to(request, within=2 * 60) == "1.4.0 is released"

    simulate_hive(scenario, agents=agents(approve))


def test_a_peer_asks_and_hears_the_outcome(simulate_hive: Simulate) -> None:
    async def scenario(hive: Hive) -> None:
        ci = await hive.client("ci")
        request = await ci.send("bot", "1.4.0")
        (answer,) = await ci.recv(wait=2 * 60)
        assert (answer.sender, answer.body) == ("bot", "1.4.0 is released")
        assert answer.in_reply_to == request.id

    simulate_hive(scenario, agents=agents(approve), peers=PEERS)


def test_requests_outlive_the_program(simulate_hive: Simulate) -> None:
    async def ask(hive: Hive) -> int | None:
        await hive.stop("bot")
        return await hive.send("bot", "1.4.0")

    async def answer(hive: Hive) -> str:
        await hive.start("bot")
        return await hive.answer_to(request, within=2 * 60)

    request = simulate_hive(ask, agents=agents(approve))
    assert simulate_hive(answer, agents=agents(approve)) == "1.4.0 is released"


def test_in_real_time(make_hive: Callable[..., Hive], tmp_path: Path) -> None:
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n\n## 1.4.0\n\n- First release.\n")

    async def scenario() -> None:
        async with make_hive(agents=agents(in_changelog(tmp_path / "CHANGELOG.md"))) as hive:
            assert await hive.answer_to(await hive.send("bot", "1.4.0")) == "1.4.0 is released"

    asyncio.run(scenario())
