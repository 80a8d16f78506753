"""The numbers and names in docs/delivery.md are those of the code."""

import re
from pathlib import Path

import hive.broker
from hive.broker.loop_guard import PAIRS_KEPT, TIMES_MAX
from hive.broker.questions import OPEN_MAX, PENDING_MAX
from hive.broker.service import MAX_BODIES
from hive.broker.sessions import LOST_MAX
from hive.config import Limits
from hive.participants.event_budget import BURST
from hive.participants.usage_limits import SPREAD
from hive.store import MessageKind, MessageState
from hive.store.messages import LINEAGE
from hive.store.questions import QuestionState
from hive.store.receipts import FIRST_KEPT, LAST_KEPT
from hive.store.retention import QUESTIONS_KEPT
from hive.wire import WAIT_MAX
from hive.wire.agent import ACK_MAX, NACK_DELAY_MAX, RECV_MAX
from hive.wire.enums import NackMode, OnExpiry, OrderKind

TEXT = (Path(hive.broker.__file__).parents[2] / "docs" / "delivery.md").read_text()


def table(heading: str) -> list[list[str]]:
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines[2:]]


def test_limits_have_their_documented_defaults() -> None:
    limits = Limits()
    rows = [row for row in table("Limits") if len(row) == 3]
    documented = {row[1]: float(row[2]) for row in rows if row[1] != "fixed"}
    assert documented == {
        "inbox_messages": limits.inbox_messages,
        "inbox_bytes": limits.inbox_bytes,
        "sender_messages": limits.sender_messages,
        "sender_bytes": limits.sender_bytes,
        "deferred": limits.deferred,
        "deferred_horizon": limits.deferred_horizon,
        "body_bytes": limits.body_bytes,
        "lease": limits.lease_seconds,
        "max_attempts": limits.max_attempts,
        "rate": limits.rate,
        "pair_rate": limits.pair_rate,
        "max_hops": limits.max_hops,
        "dedupe_window": limits.dedupe_window,
        "dedupe_keys": limits.dedupe_keys,
        "unseen_after": limits.unseen_after,
        "connections": limits.connections,
        "rate_bytes": limits.rate_bytes,
        "requests": limits.requests,
        "disk_reserve": limits.disk_reserve,
    }
    fixed = [float(row[2]) for row in rows if row[1] == "fixed"]
    assert fixed == [RECV_MAX, ACK_MAX, WAIT_MAX, NACK_DELAY_MAX, OPEN_MAX, PENDING_MAX]


def test_bounds_of_memory_and_disk_are_those_of_the_code() -> None:
    rows = {row[0]: row[1] for row in table("Limits") if len(row) == 2}
    for what, *numbers in (
        ("bodies in memory", MAX_BODIES),
        ("events about a login or a usage limit", BURST),
        ("open questions, pending reminders", OPEN_MAX),
        ("ended questions on disk", QUESTIONS_KEPT),
        ("threads and hops", LINEAGE),
        ("times of the loop guard", TIMES_MAX, PAIRS_KEPT),
        ("lost messages of a connection, for `ack_turn", LOST_MAX),
        ("receipts of a message", FIRST_KEPT, LAST_KEPT),
    ):
        assert re.findall(r"\d+", rows[what]) == [str(number) for number in numbers]


def test_every_state_is_documented() -> None:
    rows = table("States")
    assert [row[0] for row in rows] == list(MessageState)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", f"`{row[2]}`")}
    assert named <= set(MessageState)


def test_every_nack_mode_is_documented() -> None:
    assert [row[0] for row in table("Nacks")] == list(NackMode)


def test_every_on_expiry_and_every_state_of_a_question_is_documented() -> None:
    wishes, states = OnExpiry, list(QuestionState)
    rows = [row[0] for row in table("Questions")]
    assert rows[: len(wishes)] == list(wishes)
    named = [name for row in rows[len(wishes) + 2 :] for name in re.findall(r"\w+", row)]
    assert named == states


def test_every_order_is_documented() -> None:
    rows = [row[0] for row in table("Verbs of a harness")]
    assert rows[-len(OrderKind) :] == list(OrderKind)
    assert f"up to {SPREAD:.0f} seconds after" in TEXT


def test_every_type_of_message_is_documented() -> None:
    [line] = [line for line in TEXT.splitlines() if "more than plain mail" in line]
    assert set(re.findall(r"`(\w+)`", line)) >= set(MessageKind) - {MessageKind.MESSAGE}
