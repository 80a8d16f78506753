"""Every verb of a participant's socket costs tokens, unless a table says why not."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.testing import advance
from hive.clock import MINUTE
from hive.daemon.hive import Hive
from hive.errors import RateLimitedError
from hive.gateway.dispatch import Handler
from hive.gateway.handlers.agent import AgentConnection
from hive.gateway.handlers.host import HostConnection
from hive.gateway.handlers.manager import ManagerConnection
from hive.gateway.line_turns import LINE_UNIT, LINES_PER_TURN, REFUSAL_LINES, TURN_PAUSE
from hive.gateway.metering import (
    CONNECTION_COST,
    COSTS,
    REQUESTS,
    TOKEN_BYTES,
    UNMETERED,
    Meter,
    cost_of,
)
from hive.wire import agent as wire
from hive.wire.base import Request
from tests.gateway.scripted import Say, served
from tests.support.hives import Line, connected

DELIVERY = Path(__file__).parents[2] / "docs" / "delivery.md"

VERBS = get_args(wire.ManagerRequest)


def _is_metered(handler: Handler) -> bool:
    return getattr(handler, "__name__", "") == "pay_and_handle"


def test_every_verb_of_a_participant_is_metered_or_in_the_table() -> None:
    assert set(get_args(wire.AgentRequest)) < set(VERBS)
    for table in (AgentConnection.handlers, ManagerConnection.handlers):
        for request, handler in table.items():
            is_metered = _is_metered(handler)
            assert is_metered is (request not in UNMETERED), request
    assert set(ManagerConnection.handlers) == set(VERBS)


def test_a_verb_that_nobody_thought_of_costs_a_token() -> None:
    assert cost_of(Say) == 1
    assert not set(COSTS) & set(UNMETERED)
    assert all(UNMETERED.values())


@pytest.mark.parametrize("request_type", sorted(UNMETERED, key=lambda each: each.__name__))
def test_only_these_verbs_are_free(request_type: type[Request]) -> None:
    free = {wire.Send, wire.Recv, wire.Ack, wire.AckTurn, wire.Whoami, wire.Status}
    assert request_type in free


def test_the_operator_is_not_metered() -> None:
    assert all(not _is_metered(each) for each in HostConnection.handlers.values())


def test_a_bucket_is_full_at_first_and_fills_up_within_a_minute() -> None:
    meter = Meter("alice", 60)
    for _ in range(60):
        meter.take(1, 10.0)
    with pytest.raises(RateLimitedError, match=r"60 tokens.*costs 1.*in 1\.0 s"):
        meter.take(1, 10.0)
    meter.take(1, 11.0)
    meter.take(60, 11.0 + 2 * MINUTE)
    assert meter.left == 0


def test_a_full_bucket_pays_for_any_request() -> None:
    meter = Meter("alice", 5)
    meter.take(900, 0.0)
    with pytest.raises(RateLimitedError):
        meter.take(1, 0.0)


def test_a_debt_is_bounded() -> None:
    meter = Meter("alice", 60)
    meter.charge(1_000_000, 0.0)
    assert meter.left == -60
    meter.take(1, 2 * MINUTE)


@given(st.lists(st.tuples(st.integers(1, 40), st.floats(0, 3)), max_size=200))
def test_no_minute_has_more_than_two_buckets(steps: list[tuple[int, float]]) -> None:
    """One that was full, and one that has filled up meanwhile."""
    meter, now, paid = Meter("alice", 60), 0.0, list[tuple[float, int]]()
    for tokens, passed in steps:
        now += passed
        try:
            meter.take(tokens, now)
        except RateLimitedError:
            continue
        paid.append((now, tokens))
    for start, _ in paid:
        assert sum(t for at, t in paid if start <= at <= start + MINUTE) <= 120 + 1e-6


@pytest.mark.sim
async def test_over_the_rate_nothing_is_done_and_all_connections_pay() -> None:
    async with served() as one, served(script=one.script) as other:
        meter = one.script.budgets.of("tester").meter
        assert meter.left == REQUESTS - 2 * CONNECTION_COST
        meter.left = 2
        await one.line.ok("say", text="a")
        await other.line.ok("say", text="b")
        answer = await one.line.ask("say", text="c")
        assert answer["code"] == "rate_limited"
        assert [each.text for each in one.script.asked] == ["a", "b"]  # type: ignore[attr-defined]
        await advance(MINUTE / REQUESTS + 0.001)
        await one.line.ok("say", text="d")


@pytest.mark.sim
async def test_a_long_line_costs_a_token_for_each_kib_and_so_does_a_malformed_one() -> None:
    async with served() as client:
        meter = client.script.budgets.of("tester").meter
        before = meter.left
        await client.line.ok("say", text="x" * 10 * TOKEN_BYTES)
        assert before - meter.left == pytest.approx(11, abs=0.1)
        meter.left = 0
        assert (await client.line.ask("sya"))["code"] == "rate_limited"


@pytest.mark.sim
async def test_the_meter_of_a_participant_outlives_its_connections(hive: Hive) -> None:
    path = hive.paths.agent_socket("bob")
    async with connected(path) as line:
        await line.ok("whoami")
        hive.parts.budgets.of("bob").meter.left = 1 + CONNECTION_COST
        await line.ok("set_status", text="busy")
    async with connected(path) as line:
        assert (await line.ask("set_status", text="idle"))["code"] == "rate_limited"
        await line.ok("whoami")
    async with connected(path) as line:
        assert (await line.read())["code"] == "rate_limited"
        assert await line.reader.read() == b""
    await advance(MINUTE)
    async with connected(path) as line:
        await line.ok("set_status", text="idle")


@pytest.mark.sim
async def test_mail_that_goes_back_is_paid_for(hive: Hive, alice: Line) -> None:
    """To receive and to requeue or to disconnect writes rows and counts no attempt."""
    for _ in range(30):
        await alice.ok("send", to="bob", body="work")
    path = hive.paths.agent_socket("bob")
    async with connected(path) as first, connected(path) as second:
        meter = hive.parts.budgets.of("bob").meter
        await first.ok("recv", max=20)
        await second.ok("recv", max=10)
        before = meter.left
        await second.ok("requeue_inflight")
        assert before - meter.left == pytest.approx(31, abs=0.5)
        await first.ok("recv", max=20)
        before = meter.left
        first.writer.close()
        await second.ok("whoami")
        await second.ok("whoami")
        assert before - meter.left == pytest.approx(20, abs=0.5)


@pytest.mark.sim
async def test_ids_that_are_not_held_are_paid_for_and_right_acks_are_free(
    hive: Hive, alice: Line, bob: Line
) -> None:
    budget = hive.parts.budgets.of("bob")
    full = budget.meter.left
    await alice.ok("send", to="bob", body="work")
    [message] = (await bob.ok("recv"))["messages"]
    await bob.ok("ack", ids=[message["id"]])
    assert budget.meter.left >= full
    begin = asyncio.get_running_loop().time()
    assert (await bob.ask("ack", ids=[*range(1000, 2000)]))["code"] == "stale_lease"
    assert full - budget.meter.left == pytest.approx(1000, abs=1)
    assert (await bob.ask("recv", ack=[*range(1000, 1100)]))["code"] == "stale_lease"
    passed = asyncio.get_running_loop().time() - begin
    assert passed > 0.8 * 1000 / LINES_PER_TURN * TURN_PAUSE, "its next line waited"


def test_the_costs_and_the_turns_are_documented() -> None:
    section = DELIVERY.read_text().split("\n### Requests within a minute\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("| ")]
    costs = {name.strip(): int(cost) for name, cost in rows[1:]}
    verbs = {verb: cost for name, cost in costs.items() for verb in re.findall(r"`(\w+)`", name)}
    assert costs["a new connection"] == CONNECTION_COST
    for request in VERBS:
        tag = str(request.__struct_config__.tag)
        if tag != "requeue_inflight":
            assert verbs.get(tag, 1) == cost_of(request), tag
    assert f"at most {LINES_PER_TURN} lines" in section
    assert f"then {TURN_PAUSE * 1000:g} ms pass" in section
    assert f"Each {LINE_UNIT} bytes" in section
    assert f"a refusal as {REFUSAL_LINES} more" in section
