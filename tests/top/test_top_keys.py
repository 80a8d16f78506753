"""What each key does: the state after it, and the request with the id that it was drawn for."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from hive.top.actions import (
    Complete,
    Copy,
    DaemonRequest,
    EndDaemon,
    Leave,
    ReadInbox,
    Refresh,
    RunVerb,
    Suspend,
)
from hive.top.chosen import chosen_id
from hive.top.key_presses import press, select
from hive.top.picture import view
from hive.top.prompts import completed, paste
from hive.top.state import ITEMS, TopState, agents, items
from hive.view.text import UNICODE
from tests.top.swarm_answers import (
    APPROVAL,
    NOW,
    SWARM,
    again,
    agent,
    ago,
    answers,
    pressed,
    rows_of,
    state_of,
    typed,
)
from tests.top.swarm_answers import (
    ITEMS as SOME_ITEMS,
)

VERBS = {"start": "Start agents.", "status": "Show the state.", "serve": "Run.", "top": "This."}


def on(name: str, **chosen: Any) -> TopState:
    """Return the state with an agent selected."""
    return select(state_of(**chosen), "agents", name)


def on_item(key: str) -> TopState:
    """Return the state with an item selected."""
    return select(state_of(everything=True), ITEMS, key)


def on_multi() -> TopState:
    """Return the state with a question selected of which several options may be chosen."""
    asked = {**SOME_ITEMS[0], "multi": True}
    state = again(on_item("question-12"), answers(attention={"items": [asked, *SOME_ITEMS[1:]]}))
    return select(state, ITEMS, "question-12")


def note(state: TopState) -> str:
    """Return the line about what a key has done."""
    return "" if state.note is None else state.note.text


@pytest.mark.parametrize(
    ("key", "name", "question", "request_"),
    [
        ("r", "tester", "restart tester?", {"cmd": "restart", "name": "tester"}),
        ("r", "old", "start old?", {"cmd": "start", "scope": {"agent_names": ["old"]}}),
        ("r", "scout", "start scout?", {"cmd": "start", "scope": {"agent_names": ["scout"]}}),
        (
            "x",
            "tester",
            "stop tester?",
            {"cmd": "stop", "scope": {"agent_names": ["tester"]}, "graceful": True},
        ),
    ],
)
def test_keys_that_end_something_ask_and_name_it(
    key: str, name: str, question: str, request_: dict[str, Any]
) -> None:
    state, action = pressed(on(name), key)
    assert action is None
    assert state.question is not None
    assert state.question.text.startswith(question)
    state, action = pressed(state, "y")
    assert isinstance(action, DaemonRequest)
    assert action.request == request_
    assert state.question is None


@pytest.mark.parametrize("key", ["n", "escape"])
def test_a_question_that_is_not_answered_with_y_does_nothing(key: str) -> None:
    state, action = pressed(on("tester"), "x", key)
    assert (action, state.question) == (None, None)
    assert note(state) == "nothing was done"


def test_other_keys_leave_a_question_open() -> None:
    state, action = pressed(on("tester"), "x", "r", "down", "enter", "q")
    assert action is None
    assert state.question is not None
    assert chosen_id(state, "agents", NOW) == "tester"


@pytest.mark.parametrize("key", ["p", "r", "x"])
def test_the_lifecycle_of_a_peer_is_refused_with_the_reason(key: str) -> None:
    state, action = pressed(on("damocles"), key)
    assert action is None
    assert state.question is None
    assert note(state) == "damocles is a peer: its lifecycle is not the hive's"


def test_the_footer_shows_a_key_that_can_do_nothing_as_such() -> None:
    spans = {
        text.plain: {span.style for span in text.spans}
        for text in view(on("damocles"), (120, 40), UNICODE, NOW).lines[-1:]
    }
    [(keys, styles)] = spans.items()
    assert "x stop" in keys
    assert "dim" in {str(style) for style in styles}


def test_logs_of_a_peer_are_refused_and_mail_to_it_is_not() -> None:
    state, _ = pressed(on("damocles"), "l")
    assert note(state) == "damocles is a peer: its output is not the hive's"
    state, action = pressed(typed(pressed(on("damocles"), "m")[0], "hello you"), "enter")
    assert isinstance(action, DaemonRequest)
    assert action.request == {"cmd": "send", "to": "damocles", "body": "hello you"}


def test_pause_and_resume_by_the_row_as_drawn() -> None:
    assert pressed(on("tester"), "p")[1].request == {
        "cmd": "set_paused",
        "name": "tester",
        "paused": True,
    }
    assert pressed(on("old"), "p")[1].request["paused"] is False


def test_a_key_acts_on_the_row_that_was_drawn_even_if_another_takes_its_line() -> None:
    state = on("tester")
    urgent = agent("newcomer", "failed", tier="failed", tier_since=ago(9000))
    state = again(state, answers(status=rows_of(urgent, *SWARM)))
    assert pressed(state, "p")[1].request["name"] == "tester"


def test_without_a_move_the_row_that_was_drawn_as_selected_stays_so() -> None:
    state = state_of()
    assert chosen_id(state, "agents", NOW) == "coder"
    urgent = agent("aaa", tier="waiting", tier_since=ago(90_000))
    gone = [row for row in SWARM if row["name"] != "coder"]
    state = again(state, answers(status=rows_of(urgent, *SWARM)))
    assert pressed(state, "p")[1].request["name"] == "coder"
    state = again(state, answers(status=rows_of(urgent, *gone)))
    assert pressed(state, "p") == (state_note(state, "nothing is selected"), None)


def state_note(state: TopState, text: str) -> TopState:
    """Return a state with a note of now."""
    from hive.top.opening import noted

    return noted(state, text, NOW)


def test_rows_keep_their_order_while_a_question_is_open_and_move_afterwards() -> None:
    state, _ = pressed(on("docs"), "x")
    before = [row["name"] for row in agents(state, NOW)]
    changed = [{**row, "tier": "waiting", "tier_since": ago(10**6)} for row in SWARM[::-1]]
    state = again(state, answers(status=rows_of(*changed)))
    assert [row["name"] for row in agents(state, NOW)] == before
    state, action = pressed(state, "y")
    assert action.request["scope"] == {"agent_names": ["docs"]}
    state = again(state, answers(status=rows_of(*changed)))
    assert [row["name"] for row in agents(state, NOW)] != before


def test_what_is_gone_while_a_line_is_typed_keeps_its_line_and_says_so() -> None:
    state, _ = pressed(on("docs"), "m")
    left = [row for row in SWARM if row["name"] != "scout"]
    state = again(state, answers(status=rows_of(agent("fresh"), *left)))
    names = [row["name"] for row in agents(state, NOW)]
    assert names.index("scout") == 1
    assert names[-1] == "fresh"
    shown = view(state, (120, 40), UNICODE, NOW).plain
    [line] = [text for text in shown.splitlines() if " scout " in text and "gone" in text]
    assert line
    closed, _ = pressed(state, "escape")
    assert "scout" not in [row["name"] for row in agents(again(closed, state.answers), NOW)]


def test_items_keep_their_order_while_a_question_is_open() -> None:
    state, _ = pressed(on_item("dead-17"), "y")
    assert state.question is not None
    state = again(state, answers(attention={"items": SOME_ITEMS[3:]}))
    assert [item["id"] for item in items(state, NOW)] == [item["id"] for item in SOME_ITEMS]
    assert items(state, NOW)[0]["text"] == "gone"
    assert pressed(state, "y")[1].request == {"cmd": "replay", "ids": [17]}


@pytest.mark.parametrize(("key", "answer"), [("1", "merge"), ("2", "rebase"), ("3", "neither")])
def test_digits_answer_the_selected_question(key: str, answer: str) -> None:
    state, action = pressed(on_item("question-12"), key)
    assert action.request == {"cmd": "answer", "id": 12, "answer": answer}
    assert state.view == "agents"


def test_a_digit_without_an_option_answers_nothing_and_changes_no_view() -> None:
    state, action = pressed(on_item("question-12"), "4")
    assert action is None
    assert (state.view, note(state)) == (
        "agents",
        "question 12 has no answer 4; a answers with a text",
    )


@pytest.mark.parametrize(
    ("further", "answer"),
    [("", "rebase"), (" 3", "rebase\nneither"), (",1 2", "merge\nrebase")],
)
def test_several_options_are_chosen_by_their_digits(further: str, answer: str) -> None:
    state, action = pressed(on_multi(), "2")
    assert action is None
    assert pressed(typed(state, further), "enter")[1].request["answer"] == answer


@pytest.mark.parametrize("wrong", ["4", "0", " 1 x"])
def test_what_is_no_digit_of_an_option_answers_nothing(wrong: str) -> None:
    state, action = pressed(typed(pressed(on_multi(), "2")[0], wrong), "enter")
    assert (action, note(state)) == (
        None,
        "give digits from 1 to 3, such as 1 3; nothing was answered",
    )


def test_options_of_a_question_that_has_ended_meanwhile_answer_no_other() -> None:
    state = again(pressed(on_multi(), "2")[0], answers(attention={"items": SOME_ITEMS[1:]}))
    state, action = pressed(state, "enter")
    assert (action, note(state)) == (None, "it is answered already, or has ended")


def test_a_question_is_answered_with_a_text() -> None:
    state = typed(pressed(on_item("question-12"), "a")[0], "squash it")
    assert pressed(state, "enter")[1].request["answer"] == "squash it"
    assert pressed(pressed(on_item("question-12"), "a")[0], "enter")[1] is None


def test_a_digit_pressed_twice_answers_no_other_question() -> None:
    second = {**SOME_ITEMS[0], "id": "question-13", "number": 13}
    state, _ = pressed(on_item("question-12"), "1")
    state = again(state, answers(attention={"items": [second]}))
    state, action = pressed(state, "1")
    assert not isinstance(action, DaemonRequest)
    state, action = pressed(state, "tab", "tab", "down", "1")


def test_approving_sends_the_commit_that_was_drawn_and_a_note() -> None:
    state = typed(pressed(on_item("approval-3"), "y")[0], "ok")
    newer = {**APPROVAL, "fetched_sha": "f" * 40}
    state = again(state, answers(approvals={"approvals": [newer]}))
    request = pressed(state, "enter")[1].request
    assert request == {"cmd": "approve", "id": 3, "note": "ok", "sha": APPROVAL["fetched_sha"]}


def test_y_twice_approves_nothing() -> None:
    state, action = pressed(on_item("approval-3"), "y", "y")
    assert action is None
    assert state.prompt is not None


def test_denying_needs_a_reason() -> None:
    state, _ = pressed(on_item("approval-3"), "n")
    refused, action = pressed(state, "enter")
    assert action is None
    assert note(refused) == "nothing was denied: a denial needs a reason"
    action = pressed(typed(state, "too big"), "enter")[1]
    assert action.request["cmd"] == "deny"
    assert action.request["note"] == "too big"


@pytest.mark.parametrize(
    ("typed_", "seconds"), [("30m", 1800), ("8h", 28800), ("2d", 172800), ("", 0), ("15", 900)]
)
def test_snooze_marks_the_item(typed_: str, seconds: float) -> None:
    state = typed(pressed(on_item("failed-scout"), "z")[0], typed_)
    assert pressed(state, "enter")[1].request == {
        "cmd": "mark",
        "key": "failed-scout",
        "snooze": seconds,
    }


def test_a_time_that_is_none_marks_nothing() -> None:
    state, action = pressed(typed(pressed(on_item("failed-scout"), "z")[0], "soon"), "enter")
    assert action is None
    assert note(state) == "'soon' is no time; give 30m, 8h or 2d, or nothing to wake it"


def test_pin_and_archive_mark_an_item_or_an_agent() -> None:
    assert pressed(on_item("mail-31"), "P")[1].request["pinned"] is True
    assert pressed(on_item("mail-31"), "A")[1].request["key"] == "mail-31"
    assert pressed(on("tester"), "A")[1].request == {
        "cmd": "mark",
        "key": "tester",
        "archived": True,
    }


def test_what_is_snoozed_is_hidden_until_e() -> None:
    state = state_of()
    assert "mail-31" not in [item["id"] for item in items(state, NOW)]
    state, _ = pressed(state, "E")
    assert "mail-31" in [item["id"] for item in items(state, NOW)]
    assert "mail-31" in [item["id"] for item in items(state_of(), NOW + 3601)]


@pytest.mark.parametrize("key", ["p", "x"])
def test_on_an_item_no_key_changes_the_agent_that_it_mentions(key: str) -> None:
    state, action = pressed(on_item("question-12"), key)
    assert action is None
    assert state.question is None
    assert note(state) == "select the agent itself for that: tab"


def test_r_on_a_failure_starts_that_agent() -> None:
    state, _ = pressed(on_item("failed-scout"), "r")
    assert state.question is not None
    assert state.question.text == "start scout?"


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("2", "inbox"),
        ("3", "approvals"),
        ("4", "messages"),
        ("6", "events"),
        ("7", "dead letters"),
        ("1", "agents"),
    ],
)
def test_views_by_digit_and_escape_goes_back(key: str, name: str) -> None:
    state, _ = pressed(state_of(), key)
    assert state.view == name
    state, _ = pressed(state, "escape")
    assert (state.view, state.focus) == ("agents", "agents")


def test_five_shows_the_log_of_the_selected_agent() -> None:
    state, _ = pressed(on("tester"), "5")
    assert state.pane is not None
    assert (state.pane.kind, state.pane.subject) == ("logs", "tester")


def test_escape_closes_one_thing_after_the_other() -> None:
    state = evolve(on("coder"), problems=True)
    state, _ = pressed(typed(pressed(state, "/")[0], "cod"), "enter", "enter", ":", "escape")
    assert state.pane is not None
    state, _ = pressed(state, "escape")
    assert (state.pane, state.filter) == (None, "cod")
    state, _ = pressed(state, "escape")
    assert (state.filter, state.problems) == ("", True)
    state, _ = pressed(state, "escape")
    assert state.problems is False
    assert pressed(state, "escape") == (state, None)


def test_the_filter_acts_while_it_is_typed_and_escape_clears_it() -> None:
    state = typed(pressed(state_of(), "/")[0], "SCOU")
    assert [row["name"] for row in agents(state, NOW)] == ["scout"]
    assert [item["id"] for item in items(state, NOW)] == ["failed-scout", "dead-17"]
    state, _ = pressed(state, "backspace", "backspace", "backspace", "backspace")
    assert len(agents(state, NOW)) == len(SWARM)
    state, _ = pressed(typed(state, "zz"), "escape")
    assert state.filter == ""


def test_only_problems_and_groups() -> None:
    state, _ = pressed(state_of(), "!")
    assert [row["name"] for row in agents(state, NOW)] == ["coder", "scout"]
    state, _ = pressed(state_of(), "g")
    assert [row["name"] for row in agents(state, NOW)][:2] == ["coder", "tester"]
    assert [row["name"] for row in agents(state, NOW)][-1] == "damocles"


def test_arrows_go_from_the_agents_to_the_items_and_back() -> None:
    state, _ = pressed(state_of(), "up")
    assert (state.focus, chosen_id(state, ITEMS, NOW)) == (ITEMS, "dead-17")
    state, _ = pressed(state, "down")
    assert state.focus == "agents"
    state, _ = pressed(state, "end")
    assert chosen_id(state, "agents", NOW) == "damocles"
    state, _ = pressed(state, "k", "home")
    assert chosen_id(state, "agents", NOW) == "coder"


def test_moves_stop_at_the_ends_and_in_an_empty_list() -> None:
    state, _ = pressed(state_of(), "end", "down", "pagedown")
    assert chosen_id(state, "agents", NOW) == "damocles"
    empty = state_of(answers(status=rows_of(), attention={"items": []}))
    for key in ("up", "down", "enter", "x", "p", "tab", "z", "c", "m", "l", "end"):
        state, action = pressed(empty, key)
        assert action is None
        assert agents(state, NOW) == []


def test_a_verb_of_the_command_line() -> None:
    state = typed(pressed(state_of(verbs=VERBS), ":")[0], "send alice 'two words'")
    assert pressed(state, "enter")[1] == RunVerb(("send", "alice", "two words"))


@pytest.mark.parametrize("text", ["serve --config x", "top", "hive-c0re serve"])
def test_a_verb_that_needs_the_terminal_is_refused(text: str) -> None:
    state, action = pressed(typed(pressed(state_of(verbs=VERBS), ":")[0], text), "enter")
    assert action is None
    assert "is not for this view" in note(state)


def test_a_command_line_that_cannot_be_read() -> None:
    state, action = pressed(typed(pressed(state_of(), ":")[0], "send 'x"), "enter")
    assert action is None
    assert note(state) == "this cannot be read: No closing quotation"


def test_verbs_are_completed_at_once_and_arguments_by_an_action() -> None:
    state, action = pressed(typed(pressed(state_of(verbs=VERBS), ":")[0], "st"), "tab")
    assert action is None
    assert state.prompt is not None
    assert state.prompt.text == "sta"
    assert state.prompt.offered == ("start", "status")
    state, action = pressed(typed(state, "tus al"), "tab")
    assert action == Complete(("status",), "al")
    done = completed(state, action, ("alice",))
    assert done.prompt is not None
    assert done.prompt.text == "status alice "
    assert completed(typed(state, "x"), action, ("alice",)).prompt.text == "status alx"


def test_a_line_is_recalled() -> None:
    state, _ = pressed(typed(pressed(state_of(), ":")[0], "status a"), "enter", ":", "up")
    assert state.prompt is not None
    assert state.prompt.text == "status a"
    state, _ = pressed(state, "down")
    assert state.prompt is not None
    assert state.prompt.text == ""


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])  # terminals paste a line's end as Enter's
def test_what_is_pasted_goes_into_the_line_and_nowhere_else(end: str) -> None:
    assert paste(state_of(), f"x{end}y") == state_of()
    state = paste(pressed(on("coder"), "m")[0], f"first{end}second{end}")
    assert state.prompt is not None
    assert state.prompt.text == "first second "


def test_copying_an_id_or_a_body() -> None:
    assert pressed(on("coder"), "c")[1] == Copy("coder")
    state, _ = pressed(state_of(), "4")
    assert pressed(state, "c")[1] == Copy("all tests pass")
    assert pressed(on_item("question-12"), "c")[1] == Copy("question-12")


def test_replies_and_dead_letters_in_their_views() -> None:
    found = answers(inbox={"messages": answers().found["messages"]["messages"]})
    state, _ = pressed(state_of(found), "2", "m")
    action = pressed(typed(state, "thanks"), "enter")[1]
    assert action.request == {"cmd": "send", "to": "tester", "body": "thanks", "in_reply_to": 31}
    dead = answers(dead={"messages": answers().found["messages"]["messages"]})
    state, _ = pressed(state_of(dead), "7", "x")
    assert state.question is not None
    assert pressed(state, "y")[1].request == {"cmd": "discard", "ids": [31]}


def test_lines_of_a_view_keep_their_order_while_a_question_is_open() -> None:
    rows = answers().found["messages"]["messages"]
    state, _ = pressed(state_of(answers(dead={"messages": rows})), "7", "y")
    assert state.question is not None
    state = again(state, answers(dead={"messages": [rows[2], rows[0]]}))
    shown = view(state, (120, 24), UNICODE, NOW).plain
    places = [shown.index(f"#{row['id']}  ") for row in rows]
    assert places == sorted(places)
    assert "#30  gone" in shown
    assert pressed(state, "y")[1].request == {"cmd": "replay", "ids": [31]}


def test_all_unread_mail_is_read_in_the_inbox_only() -> None:
    assert pressed(state_of(), "R")[1] is None
    state, _ = pressed(state_of(), "2")
    assert pressed(state, "R")[1] == ReadInbox()


def test_ctrl_c_closes_a_line_or_a_question_before_it_ends_anything() -> None:
    for keys in (["m", "h"], ["x"]):
        state, action = pressed(on("coder", of_serve=True), *keys, "ctrl+c")
        assert action is None
        assert not state.is_asking
        assert pressed(state, "ctrl+c")[1] == EndDaemon()


def test_agents_that_are_put_off_are_counted_and_shown_on_request() -> None:
    rows = [{**SWARM[0], "archived": True}, *SWARM[1:]]
    state = state_of(answers(status=rows_of(*rows)))
    assert "coder" not in [row["name"] for row in agents(state, NOW)]
    assert "1 put off, E shows them" in view(state, (120, 40), UNICODE, NOW).plain
    assert "coder" in [row["name"] for row in agents(pressed(state, "E")[0], NOW)]


def test_ctrl_c_and_q_and_ctrl_z() -> None:
    assert pressed(state_of(), "ctrl+c")[1] == Leave()
    assert pressed(state_of(of_serve=True), "ctrl+c")[1] == EndDaemon()
    assert pressed(state_of(of_serve=True), "q")[1] == Leave()
    assert pressed(pressed(on("coder"), "m")[0], "ctrl+z")[1] == Suspend()
    assert pressed(state_of(), "ctrl+r")[1] == Refresh()


def test_no_key_of_any_name_raises() -> None:
    keys = [*map(chr, range(32, 127)), "enter", "tab", "f1", "ctrl+x", "left", "right", "space"]
    for start in (state_of(), on("damocles"), on_item("approval-3"), pressed(on("coder"), "l")[0]):
        for key in keys:
            state, _ = press(start, key, NOW)
            view(state, (80, 24), UNICODE, NOW)


def test_a_click_selects_and_does_nothing_while_a_question_is_open() -> None:
    picture = view(state_of(), (80, 24), UNICODE, NOW)
    [spot] = [each for each in picture.spots if each.chosen == "scout"]
    assert picture.lines[spot.y].plain.split()[1] == "scout"
    state = select(state_of(), spot.which, spot.chosen)
    assert chosen_id(state, "agents", NOW) == "scout"
    asking, _ = pressed(state, "x")
    assert select(asking, "agents", "coder") == asking
    [quit_] = [each for each in picture.spots if each.key == "q"]
    assert picture.lines[quit_.y].plain[quit_.begin : quit_.end] == "q quit"
