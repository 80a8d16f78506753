"""`attention` and `statusline`: what they print, what they ask for, how they end."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from hive.cli.attention_verbs import _MARKS, _SETTLES, ACTIONS, seconds_of
from hive.clock import rfc3339
from hive.errors import BadRequestError, ExitStatus, NotFoundError
from hive.view.attention_lines import KIND_OF_ACTION, SETTLED_BY, attention_lines, statusline
from hive.wire import attention as wire
from hive.wire import change_requests, host
from hive.wire.attention import AttentionKind
from hive.wire.base import Request


def row(key: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"id": key, "kind": kind, "text": f"about {key}", "pinned": False, **fields}


QUESTION = row(
    *("question-12", "question"),
    name="alice",
    number=12,
    options=["yes", "no"],
    blocks=["alice"],
    since=rfc3339(time.time() - 12.5 * 3600),
)
APPROVAL = row("approval-3", "approval", name="alice", number=3)
FAILED = row("failed-bob", "failure", name="bob")
DEAD = row("dead-17", "dead_letter", name="bob", number=17)
MAIL = row(
    "mail-31", "mail", name="eve", number=31, snoozed_until=rfc3339(time.time() + 4.5 * 86400)
)
ITEMS = [QUESTION, APPROVAL, FAILED, DEAD, MAIL]


@pytest.fixture(name="items", autouse=True)
def _items(daemon) -> None:
    daemon.on(wire.ShowAttention, {"items": ITEMS, "working": 5})


def test_each_item_is_a_line_with_what_it_blocks_and_the_command_that_settles_it(hive):
    ran = hive("attention")
    assert ran.status == ExitStatus.WAITING
    assert ran.out.splitlines() == [
        "question-12  question     alice  12h  blocks alice  about question-12  [yes | no]  "
        "-> hive-c0re answer 12 TEXT",
        "approval-3   approval     alice  -    -             about approval-3  "
        "-> hive-c0re approve 3",
        "failed-bob   failure      bob    -    -             about failed-bob  "
        "-> hive-c0re start bob",
        "dead-17      dead_letter  bob    -    -             about dead-17  -> hive-c0re replay 17",
    ]


def test_all_shows_what_is_snoozed_and_json_has_every_key(hive):
    ran = hive("attention", "--all", "--json")
    found = json.loads(ran.out)
    assert [each["id"] for each in found] == [each["id"] for each in ITEMS]
    assert (found[1]["expires_at"], found[1]["blocks"]) == (None, [])
    assert "[snoozed, wakes in 4d]" in hive("attention", "--all").out


@pytest.mark.parametrize("items", [[], [MAIL], [{**FAILED, "archived": True}]])
def test_if_nothing_waits_the_status_is_0(daemon, hive, items):
    daemon.on(wire.ShowAttention, {"items": items, "working": 0})
    assert (hive("attention").status, hive("attention").out) == (0, "")
    assert len(hive("attention", "--all").out.splitlines()) == len(items)


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        (("answer", "question-12", "yes"), host.AnswerQuestion(id=12, answer="yes")),
        (("approve", "approval-3"), change_requests.Approve(id=3)),
        (("approve", "approval-3", "fine"), change_requests.Approve(id=3, note="fine")),
        (("deny", "approval-3", "no test"), change_requests.Deny(id=3, note="no test")),
        (("start", "failed-bob"), host.Start(scope=host.Scope(agent_names=["bob"]))),
        (("replay", "dead-17"), host.Replay(ids=[17])),
        (("discard", "dead-17", "junk"), host.Discard(ids=[17], reason="junk")),
        (("read", "mail-31"), wire.ReadMail(ids=[31])),
        (("snooze", "mail-31", "2h"), wire.SetMark(key="mail-31", snooze=7200.0)),
        (("wake", "mail-31"), wire.SetMark(key="mail-31", snooze=0.0)),
        (("pin", "alice"), wire.SetMark(key="alice", pinned=True)),
        (("unpin", "alice"), wire.SetMark(key="alice", pinned=False)),
        (("archive", "alice"), wire.SetMark(key="alice", archived=True)),
        (("unarchive", "alice"), wire.SetMark(key="alice", archived=False)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_action_settles_or_marks_an_item(daemon, hive, words, request_: Request):
    approval = {"id": 3, "kind": "spawn", "agent": "alice", "status": "done", "requested_by": "x"}
    for kind in (change_requests.Approve, change_requests.Deny):
        daemon.on(kind, {"approval": approval})
    ran = hive("attention", *words)
    assert (ran.status, ran.err) == (0, "")
    assert daemon.requests[-1] == request_
    assert words[0] in {"approve", "deny"} or ran.out == ""


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("answer", "question-13", "x"), 4, "no item 'question-13'; did you mean 'question-12'?"),
        (("answer", "mail-31", "x"), 2, "settles no mail; 'hive-c0re attention read mail-31'"),
        (("read", "question-12"), 2, "'hive-c0re answer 12 TEXT' settles question-12"),
        (("snooze", "mail-31"), 2, "say for how long"),
        (("snooze", "mail-31", "soon"), 2, "'soon' is no time span; write 90s, 30m, 2h or 1d"),
        (("pin", "mail-31", "x"), 2, "takes an ID and nothing else"),
        (("pin",), 2, "'attention pin' needs an ID"),
        (("pin", "mail-31", "--all"), 2, "--all and --json show the list"),
        (("anser", "question-12", "x"), 2, "'anser' is not one of"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_done(daemon, hive, words, status, sentence):
    ran = hive("attention", *words)
    assert (ran.status, ran.out) == (status, "")
    assert sentence in ran.err
    assert all(isinstance(each, wire.ShowAttention) for each in daemon.requests)


def test_the_refusal_of_a_mark_is_passed_on(daemon, hive):
    daemon.on(wire.SetMark, NotFoundError("there is no item and no participant 'x'"))
    ran = hive("attention", "pin", "x")
    assert (ran.status, "no participant 'x'" in ran.err) == (4, True)


@pytest.mark.parametrize(
    ("words", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("1.5h", 5400)]
)
def test_time_spans(words, seconds):
    assert seconds_of(words) == seconds


@pytest.mark.parametrize("words", ["", "0", "0h", "-1h", "h", "1w", "9999999999d", "nan"])
def test_what_is_no_time_span(words):
    with pytest.raises(BadRequestError, match="is no time span"):
        seconds_of(words)


def test_the_tables_agree() -> None:
    assert SETTLED_BY.keys() == set(AttentionKind)
    assert {*_SETTLES, *_MARKS, "snooze"} == set(ACTIONS)
    assert _SETTLES.keys() == KIND_OF_ACTION.keys()
    assert set(KIND_OF_ACTION.values()) <= set(AttentionKind)


def test_hostile_text_does_not_reach_the_terminal() -> None:
    bad = "\x1b[2J\n\u202e"
    [line] = attention_lines(
        [row(bad, "question", number=1, text=bad, name=bad, blocks=[bad], options=[bad])], 0.0
    )
    assert line.isprintable()


# statusline


def test_the_line_of_a_bar(hive):
    ran = hive("statusline")
    assert (ran.status, ran.out) == (0, "4 need you (1 failed, oldest 12h) · 5 working\n")
    found = json.loads(hive("statusline", "--json").out)
    assert found == {
        "running": True,
        "text": "4 need you (1 failed, oldest 12h) · 5 working",
        "class": "failed",
        "needs_you": 4,
        "oldest": QUESTION["since"],
        "working": 5,
        "failed": 1,
    }


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([], "all quiet, 0 working"),
        ([FAILED], "1 needs you (failed), 0 working"),
        ([QUESTION], "1 needs you (oldest 12h), 0 working"),
        ([QUESTION, FAILED], "2 need you (1 failed, oldest 12h), 0 working"),
        ([FAILED, FAILED], "2 need you (2 failed), 0 working"),
        ([APPROVAL, DEAD], "2 need you, 0 working"),
    ],
)
def test_words_of_the_line(rows, line):
    assert statusline(rows, 0, time.time(), ", ") == line


def test_an_output_without_unicode_gets_ascii(hive, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    assert hive("statusline").out.isascii()


def test_without_a_daemon_it_says_so_and_ends_well(run_dir: Path, hive, daemon):
    daemon.path.unlink()
    ran = hive("statusline")
    assert (ran.status, ran.out, ran.err) == (0, "hive is not running\n", "")
    found = json.loads(hive("statusline", "--json").out)
    assert (found["running"], found["class"], found["working"]) == (False, "away", None)


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (NotFoundError("an older daemon"), "hive cannot be asked"),
        ({}, "hive cannot be asked"),
    ],
)
def test_a_daemon_that_answers_something_else_is_no_traceback(daemon, hive, answer, line):
    daemon.on(wire.ShowAttention, answer)
    ran = hive("statusline")
    assert (ran.status, ran.out, ran.err) == (0, f"{line}\n", "")


def test_usage_errors_of_the_line_are_errors(hive):
    assert hive("statusline", "--watch").status == ExitStatus.USAGE
    assert hive("statusline", "alice").status == ExitStatus.USAGE
