"""Why a participant is as it is: each state has its sentence, and the one that decides is first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.status.snapshot import State
from hive.view.columns import state
from hive.view.why import ATTACHED, WhyFacts, headline, reason_lines, reasons
from hive.wire.enums import ActivityState
from tests.view.conftest import NOW, ago, status_row


def why(row: dict[str, Any], **more: Any) -> list[tuple[str, str | None]]:
    """Return the sentences about alice with their commands."""
    return [(each.what, each.command) for each in reasons(WhyFacts(row, NOW, **more))]


def alice(word: str = "running", **fields: Any) -> dict[str, Any]:
    return status_row("alice", word, **{"connected": True, "activity": "idle", **fields})


def mail(number: int, word: str = "stored", **fields: Any) -> dict[str, Any]:
    return {"id": number, "state": word, "sent_at": ago(600), **fields}


def test_an_idle_agent_has_nothing_to_do() -> None:
    [(what, command)] = why(alice())
    assert (what, command) == (
        "its inbox is empty: it waits for a message",
        "hive-c0re send alice BODY",
    )


LIFECYCLE = [
    (
        alice(
            "failed", reason="exited with status 4", restarts=3, last_lines=["x", "boom: no key"]
        ),
        "it was given up after 3 restarts, and nothing starts it by itself: exited with status 4: "
        "boom: no key",
        "hive-c0re start alice",
    ),
    (
        alice("backoff", reason="killed by signal 9", next_restart_at=ago(-90)),
        "it ended and is started again in 1m: killed by signal 9",
        "hive-c0re start alice",
    ),
    (
        alice("queued", reason="4 other agents start"),
        "its start waits, and goes on by itself: 4 other agents start",
        "hive-c0re start alice",
    ),
    (
        alice("stopped", reason="stopped by request"),
        "it was stopped, and stays so until it is started: stopped by request",
        "hive-c0re start alice",
    ),
    (
        alice(frozen_since=ago(5), reason="frozen by 'hive-c0re estop'"),
        "it is so because of this: frozen by 'hive-c0re estop'",
        None,
    ),
    (
        alice(paused=True),
        "it is paused by the operator: its mail waits in its inbox",
        "hive-c0re resume alice",
    ),
    (
        alice(reason=ATTACHED, activity="paused"),
        "an operator is attached to its conversation: its turns wait until that session ends",
        None,
    ),
    (
        alice(activity="paused", activity_about="memory is short"),
        "its harness begins no turn: memory is short",
        None,
    ),
    (
        alice(activity="needs_login", needs_login=True, activity_about="run claude auth login"),
        "it needs a login: run claude auth login",
        None,
    ),
    (
        alice(activity="working", activity_about="2 messages from bob"),
        "it is working: 2 messages from bob",
        "hive-c0re watch alice",
    ),
    (
        alice(activity="failed", activity_about="overloaded"),
        "its last turn failed: overloaded",
        "hive-c0re turns alice",
    ),
    (
        status_row("alice", "away", kind="peer", connected=False),
        "no program of it is connected, and its lifecycle is not the hive's; its mail waits in its "
        "inbox",
        None,
    ),
]


@pytest.mark.parametrize(("row", "what", "command"), LIFECYCLE)
def test_the_first_sentence_decides(row: dict[str, Any], what: str, command: str | None) -> None:
    assert why(row)[0] == (what, command)


def test_what_stands_behind_it_comes_after_it() -> None:
    row = alice("failed", paused=True, frozen_since=ago(5), reason="boom")
    said = [what.partition(",")[0].partition(":")[0] for what, _ in why(row, unread=[mail(1)])]
    assert said == [
        "it was given up after 0 restarts",
        "it is frozen by 'estop'",
        "it is paused by the operator",
        "1 message waits in its inbox",
    ]


def test_a_used_up_account_says_until_when_and_how_to_go_on() -> None:
    limit = {"account": "a1", "until": ago(-3600), "since": ago(60), "reason": "5-hour limit"}
    [(what, command)] = why(alice(account="a1", activity="limited"), limits=[limit])
    assert what.startswith("its account a1 is used up until in 1h (")
    assert what.endswith("): 5-hour limit")
    assert command == "hive-c0re limits --clear a1"


def test_a_wait_for_a_turn_has_the_numbers_of_the_cap() -> None:
    turns = {"limit": 2, "running": 2, "waiting": [{"name": "alice", "since": ago(30)}]}
    row = alice(reason="waits for a turn: 2 of 2 run")
    assert why(row, turns=turns, unread=[mail(1)])[0][0] == "it waits for a turn: 2 of 2 run"


def test_a_loop_names_the_pair_and_agrees_with_the_status() -> None:
    loop = {"pair": ["alice", "bob"], "since": ago(9), "reason": "6 in a minute", "parked": 2}
    said = "in a loop with bob, 2 messages parked; 'hive-c0re reset-loop alice bob' delivers them"
    [(what, command)] = why(alice(reason=said), loops=[loop])
    assert what.startswith("it looped with bob: 6 in a minute; 2 messages between them are parked")
    assert said in what
    assert command == "hive-c0re reset-loop alice bob"


def test_a_question_without_an_answer_names_the_answer() -> None:
    asked = [{"id": 12, "asker": "alice", "to": "operator", "asked_at": ago(60)}]
    others = [{"id": 13, "asker": "bob", "to": "operator", "asked_at": ago(60)}]
    assert why(alice(), questions=[*asked, *others]) == [
        (
            "it asked operator question 12, which has no answer yet",
            "hive-c0re answer 12 ANSWER",
        )
    ]


def test_unread_mail_is_counted_by_what_holds_it() -> None:
    unread = [
        mail(1, "leased"),
        mail(2),
        mail(3),
        mail(4, not_before=ago(-120)),
        mail(5, not_before=ago(60)),
        mail(6, "parked"),
    ]
    assert [what for what, _ in why(alice(), unread=unread)] == [
        "1 message is with it, not done yet",
        "1 message is parked by the loop guard",
        "1 message waits for its time, the first one in 2m",
        "3 messages wait in its inbox",
    ]


def test_mail_without_a_harness_says_that_nobody_takes_it() -> None:
    found = why(alice(connected=False, activity="unknown"), unread=[mail(1)])
    assert found[-1] == (
        "no harness of it is connected that would take its mail",
        "hive-c0re logs alice",
    )


def test_the_trouble_of_the_daemon_comes_first() -> None:
    found = why(alice(), trouble="the disk is full", stopping="stopping: 1 of 2 agents ended")
    assert [what for what, _ in found] == [
        "the daemon ends: stopping: 1 of 2 agents ended",
        "nothing can be stored, so no mail is delivered: the disk is full",
    ]


def test_lines_have_since_when_who_says_so_and_the_command() -> None:
    row = alice(frozen_since=ago(90), reason=None)
    assert reason_lines(reasons(WhyFacts(row, NOW)), NOW) == [
        "- it is frozen by 'estop': nothing of it runs, and it gets no mail "
        f"(since 1m ago ({ago(90)}), says hive)",
        "    hive-c0re thaw alice",
    ]


ROWS = st.fixed_dictionaries(
    {
        "name": st.just("alice"),
        "state": st.sampled_from([each.value for each in State]),
        "kind": st.sampled_from(["agent", "manager", "peer"]),
        "connected": st.booleans(),
        "paused": st.booleans(),
        "needs_login": st.booleans(),
        "activity": st.sampled_from(["unknown", *map(str, ActivityState)]),
    },
    optional={
        "reason": st.sampled_from(["out of memory", ATTACHED, "in a loop with bob, 2 parked"]),
        "frozen_since": st.just(ago(60)),
        "since": st.just(ago(60)),
        "activity_about": st.text(max_size=20),
        "last_lines": st.lists(st.text(max_size=20), max_size=2),
    },
)


@given(ROWS, st.lists(st.sampled_from(["stored", "leased", "parked"]), max_size=3))
def test_it_agrees_with_the_status(row: dict[str, Any], states: list[str]) -> None:
    unread = [mail(number, word) for number, word in enumerate(states)]
    found = reasons(WhyFacts(row, NOW, unread=unread))
    assert found
    assert headline(row, NOW).startswith(state(row))
    if row.get("reason"):
        assert any(row["reason"] in each.what for each in found)
    assert all(each.source for each in found)
    said = " ".join(each.what for each in found)
    assert ("paused by the operator" in said) is row["paused"]
    assert ("frozen by 'estop'" in said) is ("frozen_since" in row)
