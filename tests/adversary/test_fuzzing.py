"""Whatever is sent to a socket, each complete line has one answer, in the envelope, in order."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from attrs import define, field
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from actors.testing import advance, run_simulation, settle
from hive.daemon.hive import Hive
from hive.names import OPERATOR
from hive.paths import Paths
from hive.wire import VERSION, WAIT_MAX
from hive.wire.attach import Attach
from hive.wire.base import LINE_MAX, Request
from hive.wire.change_requests import FollowDeploy
from hive.wire.codec import request_id
from hive.wire.host import Answers, Events, Logs, ShowInbox, SubscribeAgentStatus, Watch
from tests.adversary.fuzzing import (
    CONNECTED,
    EXCLUDED,
    UNIONS,
    Plan,
    decoded,
    encode,
    kinds,
    lines_of,
    parked,
    plans,
    requests_of,
)
from tests.adversary.values import verbs
from tests.support.hives import Line, Site, swarm
from tests.support.runtimes import ScriptedRuntime

EXAMPLES = {"dev": 15, "ci": 40, "nightly": 1000}
"""Conversations for each socket, by the profile: in CI about 20 seconds for all three."""

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "dev")

PATIENCE = 2 * WAIT_MAX
"""Simulated seconds after which every request has been answered."""

LAST = {"host": "urls", "manager": "whoami", "agent": "whoami"}
"""A request of each socket that is always answered."""


@define(eq=False)
class Talk:
    """One connection: what was sent on it, and the answers."""

    plan: Plan
    line: Line
    answers: list[dict[str, Any]] = field(factory=list)
    reader: asyncio.Task[None] | None = None

    async def read(self) -> None:
        """Collect the answers until the end."""
        with suppress(ConnectionError):
            while answer := await self.line.reader.readline():
                self.answers.append(json.loads(answer))

    def check(self) -> None:
        """Fail unless each complete line has one answer, in order but for parked requests."""
        for answer in self.answers:
            check_envelope(answer)
        out_of_order = {f"parked-{n}" for n in range(len(self.plan.lines))}
        answers = [each for each in self.answers if each.get("req") not in out_of_order]
        expected = list(self.expected())
        apart = [each for each in expected if each[1] in out_of_order]
        found = [each for each in self.answers if each.get("req") in out_of_order]
        in_order = [each for each in expected if each[1] not in out_of_order]
        for number, (request, req) in enumerate(in_order):
            assert number < len(answers), f"no answer to {request!r} with req {req!r}"
            assert answers[number].get("req") == req, (request, answers[number])
            if is_stream(request) and answers[number]["ok"]:
                return  # what follows are its responses
        assert len(answers) == len(in_order), f"too many answers: {answers[len(in_order) :]}"
        assert sorted(each["req"] for each in found) == sorted(str(req) for _, req in apart)

    def expected(self) -> Iterator[tuple[Request | None, Any]]:
        """Yield the request of each line, if it is valid, and the `req` of its answer."""
        for line in self.plan.lines:
            request = decoded(self.plan.socket, line)
            yield request, (request.req if request is not None else _req_of(line))
        if not self.plan.tail:
            yield None, "last"


def check_envelope(answer: dict[str, Any]) -> None:
    assert answer["version"] == VERSION
    assert list(answer)[:2] == ["version", "ok"]
    assert ("error" in answer) is (answer["ok"] is False)
    assert "bug in hive-c0re" not in answer.get("error", ""), answer


def _req_of(line: bytes) -> str | int | None:
    return request_id(line) if len(line) <= LINE_MAX else None


def is_stream(request: Request | None) -> bool:
    if isinstance(request, Attach | SubscribeAgentStatus | Watch | FollowDeploy):
        return True
    return isinstance(request, Answers | ShowInbox | Events | Logs) and request.follow


def socket_of(paths: Paths, socket: str, number: int) -> Path:
    found = {"host": paths.host_socket, "manager": paths.manager_socket}
    return found.get(socket) or paths.agent_socket(CONNECTED[number % 2])


@contextmanager
def errors_logged() -> Iterator[list[logging.LogRecord]]:
    """Collect the errors that are logged."""
    found: list[logging.LogRecord] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    handler = Collect(logging.ERROR)
    logging.getLogger().addHandler(handler)
    try:
        yield found
    finally:
        logging.getLogger().removeHandler(handler)


async def converse(hive: Hive, conversation: list[Plan], seed: int) -> None:
    """Send everything in pieces, those of all connections mixed, and check the answers."""
    talks = []
    for number, plan in enumerate(conversation):
        line = await Line.to(socket_of(hive.paths, plan.socket, number))
        talks.append(Talk(plan, line))
        talks[-1].reader = asyncio.create_task(talks[-1].read())
    await settle()
    budgets = [hive.parts.budgets.of(name) for name in names_of(conversation)]
    await send_mixed(talks, Random(seed))
    await advance(PATIENCE)
    for talk in talks:
        if talk.plan.leaves is None:
            talk.check()
        await talk.line.close()
        assert talk.reader is not None
        await talk.reader
    await settle()
    await advance(PATIENCE)
    assert [(budget.name, budget.held) for budget in budgets if budget.held] == []


def names_of(conversation: list[Plan]) -> set[str]:
    found = {"host": OPERATOR, "manager": "hm1nd"}
    return {found.get(p.socket) or CONNECTED[n % 2] for n, p in enumerate(conversation)}


async def send_mixed(talks: list[Talk], random: Random) -> None:
    waiting = [(talk, iter(talk.plan.pieces())) for talk in talks]
    while waiting:
        each = random.choice(waiting)
        talk, pieces = each
        piece = next(pieces, None)
        if piece is None:
            waiting.remove(each)
            await end(talk)
        else:
            talk.line.writer.write(piece)
        if random.random() < 0.5:
            await settle()


async def end(talk: Talk) -> None:
    """Disconnect, or end the torn line and send a last request, whose answer comes after all."""
    if talk.plan.leaves is not None:
        talk.line.writer.transport.abort()
        return
    last = json.dumps({"cmd": LAST[talk.plan.socket], "req": "last"}).encode() + b"\n"
    if not talk.plan.tail:
        talk.line.writer.write(last)


async def fuzz(conversation: list[Plan], seed: int) -> None:
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, error: unhandled.append(error))
    config = swarm("alice", "bob", peers=["ann", "ben", "damocles"], manager=True)
    with TemporaryDirectory() as state, TemporaryDirectory(prefix="hive-") as run:
        site = Site(Path(state), Path(run))
        async with site.simulated(ScriptedRuntime(), config) as hive:
            await hive.until_state("hm1nd", "running")
            await converse(hive, conversation, seed)
    assert unhandled == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("socket", UNIONS)
def test_every_line_is_answered_once_and_in_order(socket: str) -> None:
    others = [other for other in UNIONS if other != socket]

    # A conversation takes a tenth of a second: to simplify one that fails would take minutes.
    @settings(
        max_examples=EXAMPLES[PROFILE],
        phases=set(Phase) - {Phase.shrink},
        suppress_health_check=list(HealthCheck),
    )
    @given(
        first=plans(socket, 20),
        more=st.lists(st.sampled_from([socket, socket, *others]).flatmap(plans), max_size=5),
        seed=st.integers(0, 1000),
    )
    def run(first: Plan, more: list[Plan], seed: int) -> None:
        one([first, *more], seed)

    run()


def one(conversation: list[Plan], seed: int) -> None:
    with errors_logged() as errors:
        run_simulation(lambda: fuzz(conversation, seed), seed)
        gc.collect()  # an exception that nobody has retrieved is logged when its task is collected
    assert [record.getMessage() for record in errors] == []


@pytest.mark.timeout(240)
@pytest.mark.parametrize("socket", UNIONS)
def test_each_verb_has_valid_requests(socket: str) -> None:
    for kind in kinds(socket):
        found = find(
            requests_of(kind),
            lambda fields: decoded(socket, encode(fields, ascii_only=True)) is not None,
            settings=settings(database=None, phases=[Phase.generate]),
        )
        assert found["cmd"] == str(kind.__struct_config__.tag)


def test_only_known_verbs_are_excluded() -> None:
    everything = {kind for socket in UNIONS for kind in verbs(UNIONS[socket])}
    assert set(EXCLUDED) <= everything
    assert all(EXCLUDED.values())


@pytest.mark.parametrize("socket", UNIONS)
def test_valid_and_invalid_lines_are_both_frequent(socket: str) -> None:
    kinds = {True: 0, False: 0}

    @settings(max_examples=200, database=None, suppress_health_check=list(HealthCheck))
    @given(line=lines_of(socket))
    def run(line: bytes) -> None:
        kinds[decoded(socket, line) is not None] += 1
        assert b"\n" not in line

    run()
    assert min(kinds.values()) > 20


def test_a_parked_request_has_a_req_of_its_own() -> None:
    line = b'{"cmd":"recv","wait_seconds":3,"req":1}'
    assert parked("agent", line) is not None
    assert parked("agent", b'{"cmd":"recv","req":1}') is None
