"""The numbers and names in docs/delivery.md are those of the code."""

import re
from pathlib import Path

import hive.broker
from hive.broker.questions import OPEN_MAX, PENDING_MAX
from hive.config import Limits
from hive.participants.usage_limits import SPREAD
from hive.store import MessageKind, MessageState
from hive.store.questions import QuestionState
from hive.wire import WAIT_MAX
from hive.wire.agent import ACK_MAX, RECV_MAX
from hive.wire.enums import NackMode, OnExpiry, OrderKind

TEXT = (Path(hive.broker.__file__).parents[2] / "docs" / "delivery.md").read_text()


def table(heading: str) -> list[list[str]]:
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines[2:]]


def test_limits_have_their_documented_defaults() -> None:
    limits = Limits()
    documented = {row[1]: float(row[2]) for row in table("Limits") if row[1] != "fixed"}
    assert documented == {
        "inbox_messages": limits.inbox_messages,
        "inbox_bytes": limits.inbox_bytes,
        "body_bytes": limits.body_bytes,
        "lease": limits.lease_seconds,
        "max_attempts": limits.max_attempts,
        "rate": limits.rate,
        "pair_rate": limits.pair_rate,
        "max_hops": limits.max_hops,
        "dedupe_window": limits.dedupe_window,
        "unseen_after": limits.unseen_after,
        "connections": limits.connections,
    }
    fixed = [float(row[2]) for row in table("Limits") if row[1] == "fixed"]
    assert fixed == [RECV_MAX, ACK_MAX, WAIT_MAX, OPEN_MAX, PENDING_MAX]


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
