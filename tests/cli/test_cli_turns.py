"""The output of the verbs about turns, questions and limits."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from hive.clock import rfc3339
from hive.errors import ConflictError, ExitStatus, NotFoundError
from hive.wire import host
from hive.wire.rows import QuestionRow
from hive.wire.turn_rows import LimitRow, LiveRow, TurnRow

EVIL = "\x1b]0;owned\x07"


def ago(**length: float) -> str:
    return rfc3339((datetime.now(UTC) - timedelta(**length)).timestamp())


TURN = TurnRow(
    id=1,
    name="alice",
    started_at="2026-05-01T10:00:00.000Z",
    ended_at="2026-05-01T10:02:05.000Z",
    seconds=125.0,
    wake="message",
    outcome="done",
    model="opus",
    messages=[7, 8],
    input_tokens=1200,
    output_tokens=340,
    cache_read_tokens=50,
    cache_write_tokens=5,
    cost_usd=0.0312,
    tools={"send": 2},
    note=f"all well {EVIL}",
)


def test_a_turn_is_one_line_with_what_it_cost(daemon, hive):
    daemon.on(host.Turns, {"turns": [TURN]})

    ran = hive("turns", "alice")

    assert ran.out == (
        "2026-05-01T10:00:00.000Z  done         2m  message  for #7, #8  opus  "
        "1200 in, 340 out, 55 cached  $0.0312  send=2  all well \\x1b]0;owned\\x07\n"
    )
    assert json.loads(hive("turns", "alice", "--json").out)[0]["tools"] == {"send": 2}


@pytest.mark.parametrize("as_json", [False, True])
def test_watch_follows_the_live_events(daemon, hive, as_json):
    row = LiveRow(at="2026-05-01T10:00:00.000Z", kind="text", text=f"one\ntwo {EVIL}")
    daemon.on(host.Watch, {}, {"live": [row]})
    daemon.hang_up = True

    ran = hive("watch", "alice", *(["--json"] if as_json else []))

    assert ran.status == ExitStatus.NO_DAEMON
    if as_json:
        assert json.loads(ran.out)["text"] == row.text
    else:
        assert ran.out == (
            "10:00:00Z  text         one\n                        two \\x1b]0;owned\\x07\n"
        )


def question(**fields):
    known = {
        "id": 5,
        "asker": "alice",
        "to": "bob",
        "question": f"deploy?{EVIL}",
        "options": ["yes", "no"],
        "multi": False,
        "state": "open",
        "asked_at": ago(minutes=3),
        "age_seconds": 180.0,
        "on_expiry": "deny",
    }
    return QuestionRow(**{**known, **fields})


def test_a_question_shows_its_recipient_and_the_proposed_answers(daemon, hive):
    soon = (datetime.now(UTC) + timedelta(minutes=2, seconds=30)).timestamp()
    answered = {"state": "answered", "answer": "go", "answered_by": "operator"}
    rows = [question(expires_at=rfc3339(soon)), question(id=6, options=[], **answered)]
    daemon.on(host.ListQuestions, {"questions": rows})

    assert hive("questions").out.splitlines() == [
        "#5  alice -> bob  3m ago  [open]  in 2m: deny",
        "    deploy?\\x1b]0;owned\\x07",
        "    - yes",
        "    - no",
        "#6  alice -> bob  3m ago  [answered]  operator: go",
        "    deploy?\\x1b]0;owned\\x07",
    ]
    assert [row["id"] for row in json.loads(hive("questions", "--json").out)] == [5, 6]


def test_an_answer_can_be_piped_in_and_a_second_one_is_refused(daemon, program):
    assert program("answer", "5", stdin="yes\nplease\n").status == 0
    assert daemon.requests == [host.AnswerQuestion(id=5, answer="yes\nplease\n")]
    daemon.on(host.AnswerQuestion, ConflictError("question 5 was answered by 'bob' at noon"))
    ran = program("answer", "5", "-", stdin="no")
    assert (ran.status, ran.err) == (
        ExitStatus.REFUSED,
        "hive-c0re: question 5 was answered by 'bob' at noon\n",
    )


def test_a_limit_shows_its_end_and_the_agents_that_share_it(daemon, hive):
    until = (datetime.now(UTC) + timedelta(hours=3, minutes=5)).timestamp()
    row = LimitRow(
        account="acme",
        until=rfc3339(until),
        since=ago(hours=1),
        reason="5 hours used up",
        reported_by="alice",
        names=["alice", "bob"],
    )
    daemon.on(host.ListLimits, {"limits": [row]})

    assert hive("limits").out == (
        f"acme  until {rfc3339(until)} (in 3h)  alice bob  5 hours used up\n"
    )
    assert json.loads(hive("limits", "--json").out)[0]["account"] == "acme"


def test_the_nearest_account_is_named_by_the_daemon(daemon, hive):
    daemon.on(host.ClearLimit, NotFoundError("no limit of 'acne'; did you mean 'acme'?"))

    ran = hive("limits", "--clear", "acne")

    assert ran.status == ExitStatus.UNKNOWN_NAME
    assert "did you mean 'acme'?" in ran.err


@pytest.mark.parametrize("verb", ["cancel", "new-session"])
def test_one_that_is_not_there_does_not_save_the_others(daemon, hive, verb):
    kind = {"cancel": host.CancelTurn, "new-session": host.NewSession}[verb]
    daemon.answers[kind] = lambda request: (
        [ConflictError("no harness of 'a' is connected")] if request.name == "a" else [{}]
    )

    ran = hive(verb, "a", "b")

    check, *orders = daemon.requests
    assert check == host.CheckNames(names=["a", "b"], orders=True)
    assert (ran.status, [request.name for request in orders]) == (ExitStatus.REFUSED, ["a", "b"])
    assert "no harness of 'a'" in ran.err
