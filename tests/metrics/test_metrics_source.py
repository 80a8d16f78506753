"""What a reading says is what has happened to a hive."""

from __future__ import annotations

import asyncio
import itertools

import msgspec
import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from actors import AskTimeout
from actors.testing import advance, settle
from hive.cli.metrics import _exposition
from hive.config import HiveConfig, PeerConfig
from hive.daemon.hive import Hive
from hive.errors import UnavailableError
from hive.exits import Exited, OutOfMemory
from hive.metrics import metrics_source
from hive.metrics.families import FAMILIES
from hive.store import StoreError
from tests.metrics.conftest import Metrics, read
from tests.support.hives import Line, Site, connected
from tests.support.runtimes import ScriptedRuntime

pytestmark = pytest.mark.sim


class NoAnswer(AskTimeout):
    def __init__(self) -> None:
        Exception.__init__(self, "no answer")


async def test_all_families_come_over_the_wire_in_their_order(host: Line) -> None:
    found = (await host.ok("metrics"))["metrics"]
    assert [family["name"] for family in found] == [family.name for family in FAMILIES]
    for family in found:
        for sample in family["samples"]:
            assert len(sample["labels"]) == len(family["labels"])
            assert ("counts" in sample) == (family["type"] == "histogram")
            assert ("value" in sample) != ("counts" in sample)


async def test_each_combination_of_labels_occurs_once(hive: Hive, alice: Line) -> None:
    await hive.send("alice", "hello")
    await alice.refused("nonsense")
    for family in (await read(hive)).families.values():
        labels = [sample.labels for sample in family.samples]
        assert len(set(labels)) == len(labels), family.name


async def test_states(hive: Hive) -> None:
    await hive.stop("bob")
    metrics = await read(hive)
    assert metrics.values("participant_state") == {
        ("hm1nd", "manager", "running"): 1,
        ("alice", "agent", "running"): 1,
        ("bob", "agent", "stopped"): 1,
        ("damocles", "peer", "away"): 1,
    }
    assert metrics.values("participants") == {
        ("manager", "running"): 1,
        ("agent", "running"): 1,
        ("agent", "stopped"): 1,
        ("peer", "away"): 1,
    }
    assert metrics.value("participants", "agent", "failed") == 0, "an alert needs the zero"
    assert set(metrics.samples("agent_start_time_seconds")) == {("hm1nd",), ("alice",)}


async def test_who_is_frozen(hive: Hive, host: Line) -> None:
    await host.ok("estop", names=["alice"])
    metrics = await read(hive)
    assert metrics.values("participant_frozen") == {("alice",): 1}
    assert metrics.value("participant_frozen", "bob") == 0


async def test_restarts_by_cause(hive: Hive, runtime: ScriptedRuntime) -> None:
    runtime.end("alice", Exited(1))
    await settle()
    await advance(20)
    await hive.until_state("alice", "running")
    runtime.end("alice", OutOfMemory())
    await settle()
    await advance(30)
    await hive.until_state("alice", "running")
    await settle()
    metrics = await read(hive)
    assert metrics.values("agent_restarts_total") == {
        ("alice", "exit_status"): 1,
        ("alice", "out_of_memory"): 1,
    }
    assert metrics.value("events_total", "restarting") == 2


async def test_mail(hive: Hive, alice: Line) -> None:
    for body in ("one", "two", "three"):
        await hive.send("alice", body)
    await advance(100)
    messages = (await alice.ok("recv", max=2))["messages"]
    await alice.ok("ack", ids=[messages[0]["id"]])
    await alice.ok("nack", id=messages[1]["id"], mode="reject")
    await alice.ok("send", to="bob", body="hi")
    await alice.ok("send", to="bob", body="later", delay_seconds=100)
    await alice.ok("remind", message="look", delay_seconds=100)
    metrics = await read(hive)
    assert metrics.value("mail_unread", "alice") == 2
    assert metrics.value("mail_leased", "alice") == 0
    assert metrics.value("mail_oldest_seconds", "alice") == pytest.approx(100, abs=2)
    assert metrics.value("messages_received_total", "alice") == 4
    assert metrics.value("messages_delivered_total", "alice") == 2
    assert metrics.value("messages_acked_total", "alice") == 1
    assert metrics.value("messages_dead_total", "alice") == 1
    assert metrics.value("messages_sent_total", "alice") == 3
    assert metrics.value("messages_sent_total", "operator") == 3
    assert metrics.value("dead_letters") == 1
    assert metrics.values("mail_deferred") == {("alice",): 1}
    assert metrics.value("reminders", "alice") == 1


async def test_a_redelivery_and_an_expiry_count(hive: Hive, alice: Line) -> None:
    await alice.ok("send", to="damocles", body="soon", ttl_seconds=5)
    await hive.send("alice", "again")
    for _ in range(2):
        [message] = (await alice.ok("recv", max=1))["messages"]
        await alice.ok("nack", id=message["id"], mode="defer")
    await advance(10)
    metrics = await read(hive)
    assert metrics.value("messages_delivered_total", "alice") == 2
    assert metrics.value("messages_expired_total", "damocles") == 1
    assert metrics.value("messages_acked_total", "alice") == 0


async def test_parked_receivers_and_connections(hive: Hive, alice: Line) -> None:
    alice.write({"cmd": "recv", "wait_seconds": 60})
    await settle()
    metrics = await read(hive)
    assert metrics.values("receivers_parked") == {("alice",): 1}
    assert metrics.value("connections", "alice") == 1


async def test_refusals_by_code(hive: Hive, alice: Line) -> None:
    await alice.refused("send", to="nobody", body="x")
    await alice.refused("nonsense")
    alice.writer.write(b"{broken\n")
    assert not (await alice.read())["ok"]
    await alice.refused("ack", ids=[99])
    metrics = await read(hive)
    assert metrics.values("refusals_total") == {
        ("alice", "unknown_name"): 1,
        ("alice", "bad_request"): 2,
    }


async def test_a_refusal_that_took_time_counts_too(hive: Hive, host: Line) -> None:
    await host.refused("trace", id=99)
    assert (await read(hive)).values("refusals_total") == {("operator", "not_found"): 1}


async def test_turns_and_activities(hive: Hive, alice: Line) -> None:
    await alice.ok("hello", role="harness", driver="test")
    await alice.ok("report", state="working", since=1)
    record = {"started_at": 1, "ended_at": 31, "wake": "message", "outcome": "failed"}
    for _ in range(2):
        await alice.ok("turn", **record, input_tokens=10, cost_usd=0.25)
    metrics = await read(hive)
    assert metrics.values("turns_total") == {("alice", "failed"): 1}
    assert metrics.value("turns_total", "bob", "failed") == 0, "the first failure is an increase"
    assert metrics.samples("turn_duration_seconds")["alice",].counts == (0, 1, 0, 0, 0)
    assert metrics.value("turn_tokens_total", "alice", "input") == 10
    assert metrics.value("turn_cost_usd_total", "alice") == 0.25
    assert metrics.values("participant_activity") == {("alice", "working"): 1}
    assert metrics.value("turns_running") == 1


async def test_questions_wait(hive: Hive, alice: Line) -> None:
    await alice.ok("ask", question="May I?")
    await advance(60)
    metrics = await read(hive)
    assert metrics.value("questions_open") == 1
    assert metrics.value("questions_oldest_seconds") == pytest.approx(60, abs=1)
    assert metrics.values("approvals_pending") == {}
    assert metrics.value("approvals_oldest_seconds") == 0


async def test_approvals_wait(hive: Hive) -> None:
    async with connected(hive.paths.agent_socket("hm1nd")) as manager:
        await manager.ok("request_schedule", to="alice", body="go", when="0 9 * * *")
    await advance(60)
    metrics = await read(hive)
    assert metrics.values("approvals_pending") == {("schedule",): 1}
    assert metrics.value("approvals_oldest_seconds") == pytest.approx(60, abs=1)


async def test_a_store_in_trouble_is_said_and_the_rest_is_there(
    hive: Hive, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise UnavailableError("no")

    hive.parts.store.health.fail(StoreError("the disk is full"), lasting=False)
    monkeypatch.setattr(type(hive.parts.store), "read", fail)
    metrics = await read(hive)
    hive.parts.store.health.recover()
    assert metrics.value("store_writable") == 0
    assert metrics.samples("mail_oldest_seconds") == {}
    assert metrics.samples("dead_letters") == {}
    assert metrics.value("participant_state", "alice", "agent", "running") == 1


@pytest.mark.parametrize("why", [UnavailableError("the hive starts"), NoAnswer()])
async def test_while_the_tree_starts_or_ends_no_state_is_guessed(
    hive: Hive, monkeypatch: pytest.MonkeyPatch, why: Exception
) -> None:
    async def fail(_: object) -> None:
        raise why

    monkeypatch.setattr(type(hive.parts.supervision), "infos", fail)
    metrics = await read(hive)
    assert metrics.samples("participant_state") == {}
    assert metrics.samples("participants") == {}
    assert metrics.value("mail_unread", "alice") == 0


async def test_the_daemon_itself(hive: Hive) -> None:
    metrics = await read(hive)
    [labels] = metrics.samples("build_info")
    assert len(labels) == 3
    assert metrics.value("process_open_fds") > 3
    assert metrics.value("process_open_fds") < metrics.value("process_max_fds")
    assert metrics.value("process_resident_memory_bytes") > 1 << 20
    assert metrics.value("process_cpu_seconds_total") > 0
    assert metrics.value("store_size_bytes", "database") > 0
    assert sum(metrics.samples("store_commit_seconds")[()].counts) > 0


async def test_many_participants_are_read_in_pieces(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two turns of the loop, no more than `PER_TURN` of them are looked at."""
    monkeypatch.setattr(metrics_source, "PER_TURN", 5)
    looked: list[int] = []
    turns = itertools.count()

    peers = {f"peer-{number}": PeerConfig() for number in range(40)}
    async with site.simulated(ScriptedRuntime(), HiveConfig(peers=peers)) as hive:
        source = hive.parts.metrics
        add = type(source)._add_participant
        turn = 0

        def record(self: object, *args: object) -> None:
            looked.append(turn)
            add(self, *args)  # type: ignore[arg-type]

        monkeypatch.setattr(type(source), "_add_participant", record)
        reading = asyncio.ensure_future(source.read())
        while not reading.done():
            turn = next(turns)
            await asyncio.sleep(0)
        assert len(reading.result()) == len(FAMILIES)
    assert len(looked) == 40
    assert max(looked.count(each) for each in looked) <= 2 * 5, "the order of tasks is random"


async def test_the_answer_for_many_is_small_enough_for_one_line(hive: Hive) -> None:
    metrics: Metrics = await read(hive)
    sizes = len(msgspec.json.encode(list(metrics.families.values())))
    participants = 5
    assert sizes / participants * 500 < 4 << 20


async def test_the_parsers_of_prometheus_read_a_whole_reading(hive: Hive, alice: Line) -> None:
    await alice.ok("hello", role="harness", driver="test")
    await alice.ok("turn", started_at=1, ended_at=2, wake="message", outcome="done")
    found = (await read(hive)).families.values()
    families = msgspec.json.decode(msgspec.json.encode(list(found)))
    expected = {family["name"] for family in families if family["samples"]}
    plain = _exposition(families, openmetrics=False)
    assert expected == {
        found.name + ("_total" if found.type == "counter" else "")
        for found in parser.text_string_to_metric_families(plain)
        if found.samples
    }
    strict = _exposition(families, openmetrics=True)
    assert expected == {
        found.name + ("_total" if found.type == "counter" else "")
        for found in openmetrics_parser.text_string_to_metric_families(strict)
        if found.samples
    }
