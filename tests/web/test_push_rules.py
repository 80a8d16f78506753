"""What is sent to devices, and when: once of each item, together, not in quiet hours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from hive.clock import DAY
from hive.web.push_rules import (
    GAP,
    GATHER,
    PushState,
    after_reading,
    farewell,
    greeting,
    is_ending,
    key_of,
    payload_of,
    seen_already,
)

NOW = 1_700_000_000.0


def item(number: int, kind: str = "question", **fields: Any) -> dict[str, Any]:
    known = {
        "id": f"{kind}-{number}",
        "kind": kind,
        "name": "alice",
        "number": number,
        "text": "the password is hunter2",
        "since": "2026-11-29T00:00:00.000Z",
    }
    return known | fields


@define
class Looks:
    """Looks one after the other.

    Attributes:
        state: What is known.
        sent: The ids of what was sent, one list for each notification.
    """

    state: PushState = field(factory=PushState)
    sent: list[list[str]] = field(factory=list)

    def at(self, now: float, *items: dict[str, Any], is_quiet: bool = False) -> None:
        self.state, due = after_reading(self.state, items, NOW + now, is_quiet)
        if due:
            self.sent.append([each["id"] for each in due])


def test_an_item_is_sent_once_it_has_waited_for_others_and_never_again() -> None:
    looks = Looks()
    looks.at(0, item(1))
    assert looks.sent == []
    for now in (GATHER, GATHER + GAP, 10_000):
        looks.at(now, item(1))
    assert looks.sent == [["question-1"]]


def test_what_begins_together_is_sent_together() -> None:
    looks = Looks()
    looks.at(0, item(1))
    looks.at(3, item(1), item(2, "approval"))
    looks.at(GATHER, item(1), item(2, "approval"))
    assert looks.sent == [["question-1", "approval-2"]]


def test_notifications_keep_a_distance_and_the_next_has_all_with_the_new_first() -> None:
    looks = Looks()
    looks.at(0, item(1))
    looks.at(5, item(1))
    for now in (10, 20, 30, 64):
        looks.at(now, item(1), item(2))
    assert looks.sent == [["question-1"]]
    looks.at(65, item(1), item(2))
    assert looks.sent == [["question-1"], ["question-2", "question-1"]]


def test_a_clock_that_is_set_back_holds_back_nothing() -> None:
    looks = Looks()
    for now in (0, 5):
        looks.at(now, item(1))
    for now in (-3600, -3600 + GATHER, -3600 + GAP):
        looks.at(now, item(1), item(2))
    assert looks.sent == [["question-1"], ["question-2", "question-1"]]
    other = Looks()
    for now in (0, -3600, -3600 + GATHER):
        other.at(now, item(1))
    assert other.sent == [["question-1"]]


def test_what_is_settled_while_it_waits_is_not_sent() -> None:
    looks = Looks()
    looks.at(0, item(1))
    looks.at(GATHER)
    assert looks.sent == []
    assert looks.state == PushState()


def test_an_agent_that_fails_again_is_sent_again() -> None:
    looks = Looks()
    first, again = item(1, "failed", since="one"), item(1, "failed", since="two")
    for now, each in ((0, first), (5, first), (100, again), (105, again)):
        looks.at(now, each)
    assert len(looks.sent) == 2


def test_what_is_gone_is_forgotten_so_that_little_is_kept() -> None:
    looks = Looks()
    for number in range(50):
        looks.at(number * 100, item(number))
        looks.at(number * 100 + 5, item(number))
    assert len(looks.sent) == 50
    assert looks.state.pushed == {key_of(item(49))}


@pytest.mark.parametrize("mark", [{"archived": True}, {"snoozed_until": "2030-01-01T00:00:00Z"}])
def test_what_is_out_of_sight_is_not_sent(mark: dict[str, Any]) -> None:
    looks = Looks()
    for now in (0, 5):
        looks.at(now, item(1, **mark))
    assert looks.sent == []


def test_an_item_that_wakes_is_sent_again_for_that_is_what_the_snooze_was_for() -> None:
    looks = Looks()
    for now, fields in ((0, {}), (5, {}), (100, {"snoozed_until": "x"}), (200, {}), (205, {})):
        looks.at(now, item(1, **fields))
    assert looks.sent == [["question-1"], ["question-1"]]


def test_quiet_hours_hold_back_and_their_end_sends_what_still_waits_in_one() -> None:
    looks = Looks()
    for now in range(0, 1000, 5):
        looks.at(now, item(1), item(2), is_quiet=True)
    looks.at(1000, item(2), item(3), is_quiet=True)
    assert looks.sent == []
    looks.at(1005, item(2), item(3))
    assert looks.sent == [["question-2", "question-3"]]


def test_what_the_operator_has_seen_is_not_sent() -> None:
    looks = Looks(PushState(seen_already([item(1)])))
    for now in (0, 5):
        looks.at(now, item(1), item(2))
    assert looks.sent == [["question-2", "question-1"]]


@given(
    st.lists(st.tuples(st.integers(1, 20), st.sets(st.integers(0, 5)), st.booleans()), max_size=60)
)
def test_each_item_is_announced_once_at_most_and_never_in_quiet_hours(
    steps: list[tuple[int, set[int], bool]],
) -> None:
    state, now, announced = PushState(), NOW, []
    for seconds, numbers, quiet in steps:
        now += seconds
        items = [item(each, since=f"{each}") for each in sorted(numbers)]
        before = state.pushed
        state, due = after_reading(state, items, now, quiet)
        announced = [each for each in announced if each in numbers]
        if due:
            assert not quiet
            fresh = [each["number"] for each in due if key_of(each) not in before]
            assert fresh
            assert not set(fresh) & set(announced)
            announced += fresh
        assert state.pushed <= {key_of(each) for each in items}


def test_one_item_opens_its_own_page() -> None:
    found = json.loads(payload_of([item(12)]))
    assert found == {
        "title": "1 thing needs you",
        "body": "question: alice",
        "path": "/needs-you/question-12",
    }


def test_several_items_open_the_page_of_all() -> None:
    items = [item(1), item(2, "approval"), item(3, "dead_letter", name=None), item(4), item(5)]
    found = json.loads(payload_of(items))
    assert found["title"] == "5 things need you"
    assert found["body"].split("\n") == [
        *("question: alice", "approval: alice", "dead letter", "question: alice", "and 1 more"),
    ]
    assert found["path"] == "/needs-you"


@given(st.lists(st.builds(item, st.integers(0, 10**9), name=st.text()), min_size=1, max_size=200))
def test_a_notification_is_short_and_says_nothing_that_an_agent_wrote(
    items: list[dict[str, Any]],
) -> None:
    text = payload_of(items)
    assert len(text.encode()) < 3000, "a push service takes 4096 bytes, encrypted"
    assert "hunter2" not in text
    assert json.loads(text)["path"].startswith("/needs-you")


@pytest.mark.parametrize(
    ("lifetime", "left", "found"),
    [
        (30 * DAY, DAY - 1, True),
        (30 * DAY, DAY, False),
        (DAY, DAY / 10 - 1, True),
        (DAY, DAY - 1, False),
    ],
)
def test_a_device_is_warned_a_day_before_its_session_ends_or_a_tenth_of_it(
    lifetime: float, left: float, found: bool
) -> None:
    assert is_ending(NOW, NOW + lifetime, NOW + lifetime - left) is found
    assert json.loads(farewell())["path"] == "/account"


def test_the_first_notification_of_a_device_opens_the_page() -> None:
    assert json.loads(greeting())["path"] == "/needs-you"
