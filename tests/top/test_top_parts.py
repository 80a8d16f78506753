"""Parts of the picture: items of older daemons, events as sentences, columns, pages, lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from hive.names import OPERATOR
from hive.top.attention_items import KINDS, attention_items, item_text
from hive.top.last_answers import LastAnswers
from hive.top.layout import lay_out, page, range_words
from hive.top.line_editor import Prompt
from hive.top.look import Look, fitted, line, wrapped
from hive.top.panes import TOP, found_above, shown_lines
from hive.top.requests_wanted import requests_wanted
from hive.top.state import Pane, TopState
from hive.view.agent_cells import bytes_words, cells_of, count_words, now_words
from hive.view.event_sentences import event_sentence
from hive.view.text import ASCII, UNICODE
from hive.wire.enums import EventKind
from tests.top.swarm_answers import NOW, agent, ago, event, message, pressed, rows_of, state_of

LOOK = Look(UNICODE)


def older(**found: Any) -> LastAnswers:
    """Return the answers of a daemon without `attention`."""
    return LastAnswers(found, {"attention": "unknown"}, NOW)


def test_items_of_a_daemon_without_the_request() -> None:
    question = {
        "id": 12,
        "asker": "coder",
        "to": OPERATOR,
        "question": "merge?",
        "options": ["yes"],
        "asked_at": ago(9),
    }
    found = older(
        status=rows_of(
            agent("scout", "failed", reason="exited with status 4", since=ago(3)),
            agent("docs", needs_login=True, activity_since=ago(4)),
            agent("slow", verdict="no_outcome", verdict_since=ago(2)),
        ),
        questions={"questions": [question, {**question, "id": 13, "to": "docs"}]},
        approvals={"approvals": [{"id": 3, "agent": "docs", "kind": "config", "subject": "more"}]},
        dead={"messages": [message(17, "a", "b", "x", "dead", reason="tried 5 times")]},
        mail={
            "messages": [
                message(12, "coder", OPERATOR, "merge?"),
                message(31, "tester", OPERATOR, "done\nall"),
            ]
        },
    )
    items = attention_items(found)
    assert [item["id"] for item in items] == [
        "question-12",
        "approval-3",
        "login-docs",
        "failed-scout",
        "verdict-slow",
        "dead-17",
        "mail-31",
    ]
    assert [item["kind"] for item in items] == list(KINDS)
    assert items[0]["blocks"] == ["coder"]
    assert items[-1]["text"] == "tester: done (+1 line)"
    assert items[4]["text"] == "no outcome"


def test_the_items_of_the_daemon_are_taken_as_they_are() -> None:
    rows = [{"id": "mail-2", "kind": "mail"}, {"id": "x-1", "kind": "new"}, {"kind": "none"}]
    assert attention_items(LastAnswers({"attention": {"items": rows}})) == tuple(rows[:2])


def test_an_item_says_what_it_blocks_when_it_ends_and_its_marks() -> None:
    item = {
        "text": "merge?",
        "blocks": ["a", "b"],
        "expires_at": ago(-60),
        "on_expiry": "deny",
        "pinned": True,
        "snoozed_until": ago(-7200),
    }
    assert item_text(item, NOW) == (
        "merge?  in 1m: deny  blocks a, b  pinned  snoozed, wakes in 2h"
    )


FIELDS = {"reason": "why", "id": 3, "to": "bob", "approval": 9, "what": "config", "count": 2}
FIELDS |= {"status": "done", "deploy": 4, "step": "built", "from": "carl", "when": "every 2h"}
FIELDS |= {"verdict": "no_outcome", "notice": "done"}
FIELDS |= {"schedule": 5, "asker": "dora", "before": "al", "pid": 6, "changes": 7, "free": 8}


@pytest.mark.parametrize("kind", [kind.value for kind in EventKind if kind != "schedule_due"])
def test_every_kind_of_event_is_a_sentence(kind: str) -> None:
    sentence = event_sentence(event(1, kind, "alice", **FIELDS))
    assert not sentence.startswith(f"{kind}  "), "it is shown as the event log has it"
    assert "None" not in sentence


def test_sentences() -> None:
    assert event_sentence(
        event(1, "ended", "a", reason="exited with status 4", last_lines=["boom"])
    ) == ("a ended: exited with status 4 (boom)")
    assert event_sentence(event(1, "restarting", "a", in_seconds=0.4, attempt=2)) == (
        "a is restarted in 0.4 s (attempt 2)"
    )
    assert event_sentence(event(1, "strange", "a", key="two words")) == (
        'strange  a  key="two words"'
    )
    assert event_sentence({"event": 5}) == "5"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "-"),
        (5, "5B"),
        (2048, "2.0K"),
        (950_000_000, "906M"),
        (1 << 30, "1.0G"),
        (9e13, "83819G"),
    ],
)
def test_bytes(value: Any, words: str) -> None:
    assert bytes_words(value) == words


def test_counts() -> None:
    assert [count_words(each) for each in (None, 12, 1200, 2_500_000)] == [
        "-",
        "12",
        "1.2k",
        "2.5M",
    ]


def test_what_failed_says_the_cause_and_not_the_status() -> None:
    row = agent("a", "failed", reason="exited with status 4", cause="boom: no such key")
    assert now_words(row, NOW) == "boom: no such key"
    again = agent("a", "backoff", cause="boom", reason="x", next_restart_at=ago(-5))
    assert now_words(again, NOW) == "restarts in 5s; boom"
    stalled = agent("a", verdict="stalled", verdict_since=ago(720), verdict_source="hive")
    assert now_words(stalled, NOW) == "stalled 12m (by hive)"


def test_old_measurements_are_marked_and_unknown_ones_are_not_zero() -> None:
    fresh = agent("a", memory_bytes=1 << 30, resources_at=ago(59))
    old = agent("a", memory_bytes=1 << 30, resources_at=ago(61))
    assert "1.0G" in cells_of(fresh, NOW)
    assert "1.0G~" in cells_of(old, NOW)
    assert set(cells_of(agent("a", unread=None), NOW)[4:]) == {"-"}


@given(st.integers(0, 80), st.integers(0, 50), st.integers(0, 300))
def test_the_parts_fill_the_screen(room: int, items: int, agents: int) -> None:
    plan = lay_out(room, items, agents)
    total = plan.items + plan.agents + plan.messages + plan.events
    assert total <= max(room, 1 + min(items, 3))
    assert min(plan.items, plan.agents, plan.messages, plan.events) >= 0
    if room >= 12 and agents >= room:
        assert total == room


@given(st.integers(1, 300), st.integers(1, 50), st.data())
def test_a_page_has_the_row_and_stays_while_the_row_moves_in_it(
    count: int, height: int, data: st.DataObject
) -> None:
    rows = list(range(count))
    at = data.draw(st.integers(0, count - 1))
    first, shown = page(rows, at, height)
    assert at in shown
    assert len(shown) == min(count, height)
    assert list(shown) == rows[first : first + height]


def test_ranges() -> None:
    assert range_words(0, 5, 5) == "5"
    assert range_words(20, 20, 200) == "21-40 of 200"
    assert range_words(0, 0, 7) == "0 of 7"


@given(st.text(max_size=30), st.integers(0, 20), st.booleans())
def test_a_cell_has_its_width(text: str, width: int, right: bool) -> None:
    assert cell_len(fitted(text, width, LOOK, right=right)) == width
    assert cell_len(fitted(text, width, Look(ASCII), right=right)) == width


@given(st.text(max_size=60), st.integers(2, 20))
def test_wrapping_loses_nothing(text: str, width: int) -> None:
    pieces = wrapped(text, width)
    assert "".join(pieces) == text
    assert all(cell_len(piece) <= width for piece in pieces)


def test_a_line_is_cut_with_an_ellipsis() -> None:
    assert line([("abc", ""), ("defgh", "dim")], 6, LOOK).plain == "abcde…"
    assert line([("abcdefgh", "")], 6, Look(ASCII)).plain == "abc..."


@pytest.mark.parametrize(
    ("keys", "text", "cursor"),
    [
        (["left", "left", "X"], "one tXwo", 6),
        (["ctrl+w"], "one ", 4),
        (["ctrl+w", "ctrl+w"], "", 0),
        (["home", "delete"], "ne two", 0),
        (["left", "ctrl+u"], "o", 0),
        (["home", "right", "ctrl+k"], "o", 1),
        (["ctrl+a", "ctrl+e", "backspace"], "one tw", 6),
        (["home", "backspace", "f5"], "one two", 0),
    ],
)
def test_editing_a_line(keys: list[str], text: str, cursor: int) -> None:
    prompt = Prompt("message", "to", text="one two", cursor=7)
    for key in keys:
        prompt = prompt.typed(key) if len(key) == 1 else prompt.edited(key)
    assert (prompt.text, prompt.cursor) == (text, cursor)


def test_a_line_has_an_end() -> None:
    prompt = Prompt("message", "to").typed("x" * 8000)
    assert prompt.typed("y") == prompt


def test_a_pane_shows_its_end_or_its_beginning_and_wraps_what_is_seen() -> None:
    lines = [f"{number:02} " + "x" * 20 for number in range(30)]
    assert shown_lines(lines, Pane("logs"), 80, 5) == (lines[-5:], 0)
    assert shown_lines(lines, Pane("help", above=TOP), 80, 5) == (lines[:5], 25)
    shown, _ = shown_lines(lines, Pane("logs", wrap=True), 10, 5)
    assert shown == ["xxxxxxxxxx", "xxx", "29 xxxxxxx", "xxxxxxxxxx", "xxx"]
    shown, _ = shown_lines(lines, Pane("help", above=TOP, wrap=True), 10, 4)
    assert shown == ["00 xxxxxxx", "xxxxxxxxxx", "xxx", "01 xxxxxxx"]


def test_searching_goes_round() -> None:
    lines = ["a", "Hit 1", "b", "hit 2", "c"]
    pane = Pane("logs", find="HIT")
    assert found_above(lines, pane, 2, back=True) == 1
    assert found_above(lines, Pane("logs", find="hit", above=1), 2, back=True) == 3
    assert found_above(lines, Pane("logs", find="hit", above=3), 2, back=False) == 1
    assert found_above(lines, Pane("logs", find="none"), 2, back=True) is None


def log_state(*keys: str) -> TopState:
    state, _ = pressed(state_of(size=(80, 10)), "l")
    lines = [f"line {number}" for number in range(100)]
    name = state.pane.subject if state.pane is not None else ""
    found = LastAnswers({**state.answers.found, f"logs {name}": {"lines": lines}}, {}, NOW)
    from attrs import evolve

    return pressed(evolve(state, answers=found), *keys)[0]


@pytest.mark.parametrize(
    ("keys", "above"),
    [
        ([], 0),
        (["up", "k"], 2),
        (["up", "down", "j"], 0),
        (["pageup"], 6),
        (["home"], TOP),
        (["home", "down"], 93),
        (["home", "G"], 0),
    ],
)
def test_scrolling_a_log(keys: list[str], above: int) -> None:
    pane = log_state(*keys).pane
    assert pane is not None
    assert pane.above == above


def test_a_log_that_is_held_asks_for_nothing_new() -> None:
    state = log_state()
    assert "logs coder" in requests_wanted(state)
    held, _ = pressed(state, "space")
    assert "logs coder" not in requests_wanted(held)
    again, _ = pressed(held, "space")
    assert "logs coder" in requests_wanted(again)


def test_searching_a_log() -> None:
    state, _ = pressed(log_state(), "/", *"line 42".replace(" ", "_").replace("_", " "), "enter")
    pane = state.pane
    assert pane is not None
    assert (pane.find, pane.above) == ("line 42", 57)
    state, _ = pressed(state, "/", "ctrl+u", *"nowhere", "enter")
    assert state.note is not None
    assert state.note.text == "no line has 'nowhere'"


def test_what_is_asked_for_depends_on_what_is_shown() -> None:
    assert requests_wanted(state_of()).keys() == {
        *("status", "overview", "attention", "approvals", "messages", "events"),
    }
    unknown = TopState(answers=older())
    assert {"questions", "dead", "mail"} <= requests_wanted(unknown).keys()
    peeking, _ = pressed(state_of(), "enter")
    assert {"turns coder", "inbox coder", "logs coder"} <= requests_wanted(peeking).keys()
    tracing, _ = pressed(state_of(), "4", "enter")
    assert requests_wanted(tracing)["trace 31"] == {"cmd": "trace", "id": 31}


def test_the_help_names_every_key_of_the_footer() -> None:
    from hive.top.help_page import help_lines
    from hive.top.key_table import keys_of

    words = " ".join(help_lines(True)).replace("Ctrl-C", "ctrl+c").split()
    for state in (state_of(), pressed(state_of(), "tab")[0], pressed(state_of(), "l")[0]):
        missing = {each.key for each in keys_of(state, NOW)} - set(words) - set("123")
        assert missing <= {"q"}


def test_the_page_of_the_documentation_names_every_column() -> None:
    from hive.view.agent_cells import AGENT_COLUMNS

    text = (Path(__file__).parents[2] / "docs" / "top.md").read_text()
    assert [each.title for each in AGENT_COLUMNS if f"`{each.title}`" not in text] == []
